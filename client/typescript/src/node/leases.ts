// The lease of one computation: renewed while that runs, and what is computed around it.

import { AsyncLocalStorage } from "node:async_hooks";
import { CacheService } from "../xpstore/v1/cache_pb.js";
import type { Connection } from "../core/connection.js";

const MOST_ERROR = 4_096;
// How long giving a lease back may take: nothing is lost without it but time of those waiting.
const END_MS = 2_000;

/** A computation that runs in this context, under the lease of its token. */
export interface Inside {
  projectUid: string;
  fingerprint: string;
  token: Uint8Array;
}

/** What is computed in this context, outermost first. */
export const inside = new AsyncLocalStorage<readonly Inside[]>();

export class Lease {
  /** Whether somebody else took it over. */
  isLost = false;
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly connection: Connection, readonly token: Uint8Array, renewEveryMs: number) {
    this.timer = setInterval(() => void this.renew(renewEveryMs), renewEveryMs);
    this.timer.unref();
  }

  private async renew(timeoutMs: number): Promise<void> {
    try {
      const { lostPositions } = await this.connection.call(CacheService.method.renewCacheLeases, { tokens: [this.token] }, { timeoutMs });
      if (lostPositions.length > 0) {
        this.isLost = true;
        this.drop();
      }
    } catch {
      // Tried again soon: a lease past its time that nobody took is extended too.
    }
  }

  /** Stops renewing: it was completed, or lost. */
  drop(): void {
    clearInterval(this.timer);
  }

  /** Ends it because the computation failed: those who wait are told. */
  async fail(error: unknown): Promise<void> {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const said = [...text.toWellFormed().replaceAll("\0", "\\0")].slice(0, MOST_ERROR).join("");
    await this.end(() => this.connection.call(CacheService.method.failCacheLease, { token: this.token, error: said }, { timeoutMs: END_MS }));
  }

  /** Ends it without an entry: another caller may compute at once. */
  async release(): Promise<void> {
    await this.end(() => this.connection.call(CacheService.method.releaseCacheLease, { token: this.token }, { timeoutMs: END_MS }));
  }

  private async end(call: () => Promise<unknown>): Promise<void> {
    this.drop();
    await call().catch(() => undefined); // it ends by itself, a little later
  }
}
