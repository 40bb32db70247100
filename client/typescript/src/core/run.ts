// A run: one attempt at training a model.

import { type Run as Wire, RunService, RunStatus } from "../xpstore/v1/run_pb.js";
import type { CallOptions, Connection } from "./connection.js";

/** State of a run: `lost` is one that neither ended nor was heard of for five minutes. */
export type Status = "running" | "finished" | "failed" | "lost";

// The server calls a run lost that was silent for five minutes.
const HEARTBEAT_MS = 60_000;
const MOST_ERROR = 16_384;

/** A run. One that was started here sends a sign of life each minute until it ends. */
export class Run {
  private timer?: ReturnType<typeof setInterval>;

  constructor(private readonly connection: Connection, private wire: Wire) {}

  /** A UUID. */
  get id(): string {
    return this.wire.id;
  }

  /** As the server said last. */
  get status(): Status | undefined {
    return toStatus(this.wire.status);
  }

  /** What failed, of a failed run. */
  get error(): string {
    return this.wire.error;
  }

  /** When it started, microseconds since the epoch. */
  get startedAtUs(): bigint {
    return this.wire.startedAtUs;
  }

  /** When it ended, microseconds since the epoch; undefined while it has not. */
  get endedAtUs(): bigint | undefined {
    return this.wire.endedAtUs;
  }

  /** Sends signs of life from now on. They keep no process alive. */
  keepAlive(): this {
    this.timer ??= setInterval(() => {
      this.connection.call(RunService.method.heartbeatRun, { runId: this.id }).catch(() => undefined); // the next one may get through
    }, HEARTBEAT_MS);
    if (typeof this.timer === "object") this.timer.unref?.();
    return this;
  }

  /** Ends it well. A run that has ended stays as it is. */
  finish(options?: CallOptions): Promise<void> {
    return this.end(RunStatus.FINISHED, "", options);
  }

  /** Ends it by an error. */
  fail(error: unknown, options?: CallOptions): Promise<void> {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return this.end(RunStatus.FAILED, [...text].slice(0, MOST_ERROR).join(""), options);
  }

  private async end(status: RunStatus, error: string, options?: CallOptions): Promise<void> {
    clearInterval(this.timer);
    const { run } = await this.connection.call(RunService.method.finishRun, { runId: this.id, status, error }, options);
    this.wire = run!;
  }
}

/** The status in words; undefined where there is no run. */
export function toStatus(status: RunStatus): Status | undefined {
  switch (status) {
    case RunStatus.RUNNING:
      return "running";
    case RunStatus.FINISHED:
      return "finished";
    case RunStatus.FAILED:
      return "failed";
    case RunStatus.LOST:
      return "lost";
    default:
      return undefined;
  }
}
