// Repeating what needs a server while it is away.

import { XpstoreError } from "./errors.js";

const FIRST_BACKOFF_MS = 50;
const LONGEST_BACKOFF_MS = 2_000;

/**
 * Attempts at one thing, for as long as a call may take since the start or the last progress.
 *
 *     const attempts = connection.attempts(signal);
 *     for (;;) try { return await call(); } catch (error) { await attempts.after(error); }
 */
export class Attempts {
  private deadline: number;
  private backoffMs = FIRST_BACKOFF_MS;

  constructor(
    private readonly timeoutMs: number,
    private readonly signal?: AbortSignal,
    private readonly isWorthIt: (error: XpstoreError) => boolean = () => false,
  ) {
    this.deadline = performance.now() + timeoutMs;
  }

  /** There was progress: the server may be away for the whole time again. */
  renew(): void {
    this.deadline = performance.now() + this.timeoutMs;
    this.backoffMs = FIRST_BACKOFF_MS;
  }

  /** What is left, enough for one attempt at least, in whole milliseconds, as the wire has them. */
  get remainingMs(): number {
    return Math.ceil(Math.max(this.deadline - performance.now(), FIRST_BACKOFF_MS));
  }

  /** Waits before the next attempt. Throws the error if no other attempt would do better, or there is no time for one. */
  async after(error: unknown): Promise<void> {
    this.signal?.throwIfAborted();
    if (!(error instanceof XpstoreError) || !(error.details.isTemporary || this.isWorthIt(error))) throw error;
    const spareMs = this.deadline - performance.now();
    if (spareMs <= 0) throw error;
    const waitMs = Math.max(this.backoffMs, error.details.retryAfterMs ?? 0) * (0.5 + Math.random() / 2);
    await sleep(Math.min(waitMs, spareMs), this.signal);
    this.backoffMs = Math.min(2 * this.backoffMs, LONGEST_BACKOFF_MS);
  }
}

/** Waits; throws the signal's reason once that aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", aborted, { once: true });
    function done(): void {
      signal?.removeEventListener("abort", aborted);
      resolve();
    }
    function aborted(): void {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    }
  });
}
