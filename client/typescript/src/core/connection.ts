// The connection to one server: a transport, a key, and the one way in which everything is called.

import type {
  DescMessage, DescMethodClientStreaming, DescMethodServerStreaming, DescMethodUnary, MessageInitShape, MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { type Limits, LimitsService } from "../xpstore/v1/limits_pb.js";
import { fromWire, XpstoreError } from "./errors.js";
import { randomHex } from "./ids.js";
import { Attempts } from "./retry.js";

/** The contract that this client is made for. A higher second number only adds. */
export const CONTRACT = "1.0";
// How long limits are relied on: a reconnect may find another server, and nobody is told.
const LIMITS_MS = 60_000;

/** What every call takes. */
export interface CallOptions {
  /** Ends the call, its repetitions included; it then throws the signal's reason. */
  signal?: AbortSignal;
  /** How long it may take without progress, repetitions while the server is away included; default that of `connect`. */
  timeoutMs?: number;
}

export class Connection {
  private limitsFrom = 0;
  private known?: Limits;

  constructor(
    private readonly transport: Transport,
    readonly address: string,
    private readonly apiKey: string,
    readonly timeoutMs: number,
    readonly close: () => void,
  ) {}

  /** Attempts at something that consists of several calls; `isWorthIt` says which errors may be repeated beside temporary ones. */
  attempts(options: CallOptions = {}, isWorthIt?: (error: XpstoreError) => boolean): Attempts {
    return new Attempts(options.timeoutMs ?? this.timeoutMs, options.signal, isWorthIt);
  }

  /** Makes a unary call, again while the server is away: every method of the contract may be repeated. */
  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>, request: MessageInitShape<I>, options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const attempts = this.attempts(options);
    for (;;) {
      try {
        return await this.once(options.signal, async (header) =>
          (await this.transport.unary(method, options.signal, attempts.remainingMs, header, request)).message);
      } catch (error) {
        await attempts.after(error);
      }
    }
  }

  /** Makes a call with a stream of requests, once: its caller knows what to send again. */
  async send<I extends DescMessage, O extends DescMessage>(
    method: DescMethodClientStreaming<I, O>, requests: AsyncIterable<MessageInitShape<I>>, signal?: AbortSignal,
  ): Promise<MessageShape<O>> {
    return this.once(signal, async (header) => {
      const response = await this.transport.stream(method, signal, 0, header, requests);
      let answer: MessageShape<O> | undefined;
      for await (const message of response.message) answer ??= message;
      if (answer === undefined) throw new XpstoreError("The server ended the call without an answer.", "UNAVAILABLE", {}, { isTemporary: true });
      return answer;
    });
  }

  /** Makes a call with a stream of responses, once: its caller knows what is left to ask for. */
  async *receive<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>, request: MessageInitShape<I>, signal?: AbortSignal,
  ): AsyncGenerator<MessageShape<O>> {
    // Its own, as whoever stops reading must end the call: the transport does not notice.
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort, { once: true });
    const [header, requestId] = this.header();
    try {
      const response = await this.transport.stream(method, controller.signal, 0, header, only(request));
      for await (const message of response.message) yield message;
    } catch (error) {
      throw this.typed(error, requestId, signal);
    } finally {
      signal?.removeEventListener("abort", abort);
      controller.abort();
    }
  }

  /** The limits of the server, asked for anew after a minute and after each reconnect. */
  async limits(options: CallOptions = {}): Promise<Limits> {
    if (this.known === undefined || performance.now() - this.limitsFrom > LIMITS_MS) {
      const { limits } = await this.call(LimitsService.method.getLimits, {}, options);
      const version = limits?.contractVersion ?? "";
      if (limits === undefined || version.split(".")[0] !== CONTRACT.split(".")[0]) {
        const message = `${this.address} speaks the contract ${JSON.stringify(version)}, and this client ${CONTRACT}: take a client of that version`;
        throw new XpstoreError(message, "CONTRACT", { value: version, expected: CONTRACT });
      }
      [this.known, this.limitsFrom] = [limits, performance.now()];
    }
    return this.known;
  }

  private async once<T>(signal: AbortSignal | undefined, call: (header: Headers) => Promise<T>): Promise<T> {
    const [header, requestId] = this.header();
    try {
      signal?.throwIfAborted();
      return await call(header);
    } catch (error) {
      throw this.typed(error, requestId, signal);
    }
  }

  private typed(error: unknown, requestId: string, signal?: AbortSignal): unknown {
    if (signal?.aborted) return signal.reason;
    const typed = fromWire(error, this.address, requestId);
    if (typed.reason === "UNAVAILABLE") this.known = undefined;
    return typed;
  }

  private header(): [Headers, string] {
    const requestId = randomHex(8);
    return [new Headers({ authorization: `Bearer ${this.apiKey}`, "x-request-id": requestId }), requestId];
  }
}

async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}
