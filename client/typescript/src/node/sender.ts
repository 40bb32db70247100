// Chunks on their way up: asked about, encoded and sent, several windows at a time.

import { ArtifactService, type Codec } from "../xpstore/v1/artifact_pb.js";
import type { Limits } from "../xpstore/v1/limits_pb.js";
import type { CallOptions, Connection } from "../core/connection.js";
import { XpstoreError } from "../core/errors.js";
import { toHex } from "../core/ids.js";
import { encodeChunk } from "./zstd.js";

const WINDOW_BYTES = 8 << 20;
const WINDOWS = 3;
// The library that writes messages copies what it has each time that its buffer grows: one large chunk is one message.
const MESSAGE_BYTES = 256 << 10;
// What a server puts into one pack.
const STREAM_BYTES = 10 << 20;
// Digests remembered as sent, so that what repeats is sent once: some MiB.
const REMEMBERED = 50_000;

/** A chunk before it is encoded. */
export interface RawChunk {
  digest: Uint8Array;
  data: Uint8Array;
}

interface EncodedChunk {
  digest: Uint8Array;
  codec: Codec;
  rawSizeBytes: bigint;
  data: Uint8Array;
}

/** Sends what a project lacks of some chunks. In memory are four windows of 8 MiB. */
export class ChunkSender {
  private window: RawChunk[] = [];
  private windowBytes = 0;
  private readonly sending = new Set<Promise<void>>();
  private readonly sent = new Set<string>();
  private failure: unknown;
  /** Encoded bytes that were sent. */
  sentBytes = 0;

  constructor(
    private readonly connection: Connection,
    private readonly projectUid: string,
    private readonly limits: Limits,
    private readonly options: CallOptions,
  ) {}

  /** Takes a chunk, whose bytes must stay as they are. Waits while enough is under way. */
  async add(chunk: RawChunk): Promise<void> {
    const key = toHex(chunk.digest);
    if (this.sent.has(key)) return;
    if (this.sent.size >= REMEMBERED) this.sent.clear();
    this.sent.add(key);
    this.window.push(chunk);
    this.windowBytes += chunk.data.length;
    if (this.windowBytes >= WINDOW_BYTES || this.window.length >= this.limits.maxDigests) await this.close();
  }

  /** Sends what is left; when it returns, all that was taken is durable. */
  async finish(): Promise<void> {
    await this.close();
    await Promise.all(this.sending);
    if (this.failure !== undefined) throw this.failure;
  }

  private async close(): Promise<void> {
    while (this.sending.size >= WINDOWS) await Promise.race(this.sending);
    if (this.failure !== undefined) throw this.failure;
    const window = this.window;
    [this.window, this.windowBytes] = [[], 0];
    if (window.length === 0) return;
    const task: Promise<void> = this.send(window)
      .catch((error: unknown) => {
        this.failure ??= error;
      })
      .finally(() => this.sending.delete(task));
    this.sending.add(task);
  }

  private async send(window: RawChunk[]): Promise<void> {
    const missing = await this.missing(window);
    let [batch, size] = [[] as EncodedChunk[], 0];
    for (const { digest, data } of missing) {
      if (this.failure !== undefined) return;
      const encoded = encodeChunk(data);
      if (size + encoded.data.length > STREAM_BYTES) {
        await this.batch(batch);
        [batch, size] = [[], 0];
      }
      batch.push({ digest, rawSizeBytes: BigInt(data.length), ...encoded });
      size += encoded.data.length;
    }
    await this.batch(batch);
  }

  private async missing<T extends { digest: Uint8Array }>(chunks: T[]): Promise<T[]> {
    if (chunks.length === 0) return [];
    const request = { projectUid: this.projectUid, digests: chunks.map((chunk) => chunk.digest) };
    const { missingPositions } = await this.connection.call(ArtifactService.method.findMissingChunks, request, this.options);
    return missingPositions.map((position) => {
      const chunk = chunks[position];
      if (chunk === undefined) throw new XpstoreError("The server misses a chunk that it was not asked for.", "INTERNAL");
      return chunk;
    });
  }

  /** One stream, again after a broken connection with what did not arrive. */
  private async batch(chunks: EncodedChunk[]): Promise<void> {
    const attempts = this.connection.attempts(this.options);
    while (chunks.length > 0) {
      try {
        await this.connection.send(ArtifactService.method.uploadChunks, this.messages(chunks), this.options.signal);
        return;
      } catch (error) {
        await attempts.after(error);
      }
      const left = await this.missing(chunks);
      if (left.length < chunks.length) attempts.renew();
      chunks = left;
    }
  }

  private async *messages(chunks: EncodedChunk[]): AsyncGenerator<{ projectUid: string; chunks: EncodedChunk[] }> {
    let [message, size] = [[] as EncodedChunk[], 0];
    for (const chunk of chunks) {
      if (message.length > 0 && (size + chunk.data.length > MESSAGE_BYTES || message.length >= this.limits.maxChunks)) {
        yield { projectUid: this.projectUid, chunks: message };
        this.sentBytes += size;
        [message, size] = [[], 0];
      }
      message.push(chunk);
      size += chunk.data.length;
    }
    yield { projectUid: this.projectUid, chunks: message };
    this.sentBytes += size;
  }
}
