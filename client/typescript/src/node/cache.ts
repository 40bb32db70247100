// The cache: a computation that somebody of the project did before, in any language, is not done again.

import { hostname } from "node:os";
import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type ArtifactVersion as Wire, type CacheCompletionSchema } from "../xpstore/v1/artifact_pb.js";
import { type CacheEntry, CacheService } from "../xpstore/v1/cache_pb.js";
import type { CallOptions, Connection } from "../core/connection.js";
import { XpstoreError } from "../core/errors.js";
import { loadHash } from "../core/hash.js";
import { randomBytes } from "../core/ids.js";
import { int64 } from "../core/numbers.js";
import type { Project } from "../core/project.js";
import { ArtifactVersion } from "../core/version.js";
import { FORMAT, ofProcess, type Parameter, type Part, toParts } from "../format/fingerprint.js";
import { readValue, type Value, writeValue } from "../format/values.js";
import { inside, Lease } from "./leases.js";
import { publish } from "./upload_tree.js";

const FILE = "value.json";
const MOST_WAIT_MS = 20_000;
const MOST_HOLDER = 256;
// How often a hit whose artifact goes while it is read is tried again.
const ATTEMPTS = 4;

/** Which computation it is, and how it is kept. */
export interface ComputeOptions extends CallOptions {
  /** Name of the process, the same in all programs and languages that compute it. */
  process: string;
  /** What stands for its code: change it when the code computes something else. 1 and "1" are the same. */
  version?: string | number;
  /** All that the result depends on. */
  parameters: Readonly<Record<string, Parameter>>;
  /** How long the result is a hit, in milliseconds; default: what the project says, else for ever. */
  ttlMs?: number;
  /** Results of this age or older, in milliseconds, are no hits. */
  maxAgeMs?: number;
  /** Compute even if there is a result, and replace it. */
  force?: boolean;
  /** How long somebody else's computation is waited for, in milliseconds; default an hour. */
  maxWaitMs?: number;
}

/** What `getOrCompute` returns. */
export interface Computed<T> {
  value: T;
  /** Whether somebody else computed it, before or meanwhile. */
  isHit: boolean;
  /** The key of the result: 64 hexadecimal digits. */
  fingerprint: string;
  /** The artifact version that holds it; undefined where the lease was lost, so that it is not stored. */
  version: ArtifactVersion | undefined;
}

/**
 * Returns the result of a computation, computing it if nobody has; while somebody does, it waits.
 *
 *     const { value } = await getOrCompute(
 *       project, { process: "tokenize", version: 1, parameters: { text, size: 4 } }, () => tokenize(text, 4),
 *     );
 *
 * In Python that is `project.cache.get_or_compute("tokenize", {"text": text, "size": 4}, ..., version=1)`: each finds what the
 * other computed. The value of a hit is what was returned, as JSON says it: see `Value`.
 *
 * Throws what `compute` throws; COMPUTATION_FAILED if somebody else computed it meanwhile and failed; INVALID_ARGUMENT if a parameter
 * has no fingerprint or the value no safe format; CONFLICT if it asks for its own result; UNAVAILABLE if the server is away.
 */
export async function getOrCompute<T extends Value>(project: Project, options: ComputeOptions, compute: () => T | Promise<T>): Promise<Computed<T>> {
  return new Computation<T>(project, options, compute).run();
}

/** The key of a computation, as `getOrCompute` uses it: 64 hexadecimal digits. */
export async function fingerprint(options: Pick<ComputeOptions, "process" | "version" | "parameters">): Promise<string> {
  await loadHash();
  return ofProcess(options.process, toParts(options.version, options.parameters));
}

class Computation<T extends Value> {
  private readonly connection: Connection;
  private readonly parts: Part[];
  private readonly fingerprint: string;
  private readonly token = randomBytes(16);

  constructor(private readonly project: Project, private readonly options: ComputeOptions, private readonly compute: () => T | Promise<T>) {
    this.connection = project.connection;
    this.parts = toParts(options.version, options.parameters);
    this.fingerprint = ofProcess(options.process, this.parts);
  }

  async run(): Promise<Computed<T>> {
    if (this.outer.some((one) => one.fingerprint === this.fingerprint && one.projectUid === this.project.uid)) {
      throw new XpstoreError(`${this.options.process} asks for its own result while it computes it.`, "CONFLICT");
    }
    let force = this.options.force ?? false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await this.obtain(force);
      if (found instanceof Lease) return this.under(found);
      const version = new ArtifactVersion(this.connection, found);
      try {
        const json = await version.text(FILE, this.options);
        const value = (await readValue(json, (path) => version.bytes(path, this.options))) as T;
        return { value, isHit: true, fingerprint: this.fingerprint, version };
      } catch (error) {
        if (!(error instanceof XpstoreError && error.reason === "NOT_FOUND")) throw error;
        force = true; // it was deleted meanwhile
      }
    }
    throw new XpstoreError(`Results of ${this.options.process} were deleted as fast as they were made.`, "CONFLICT");
  }

  private get key() {
    const { maxAgeMs } = this.options;
    return { projectUid: this.project.uid, fingerprint: this.fingerprint, maxAgeUs: maxAgeMs === undefined ? undefined : int64("maxAgeMs", Math.round(1000 * maxAgeMs)) };
  }

  private get outer() {
    return inside.getStore() ?? [];
  }

  /** An entry, or the lease to compute it, after waiting for others. */
  private async obtain(force: boolean): Promise<Wire | Lease> {
    const { method } = CacheService;
    if (!force) {
      const { entry } = await this.connection.call(method.lookupCacheEntry, this.key, this.options);
      if (entry !== undefined) return versionOf(entry);
    }
    const deadline = performance.now() + (this.options.maxWaitMs ?? 3_600_000);
    for (;;) {
      const request = { ...this.key, token: this.token, holder: holder(), force };
      const { outcome, renewEveryUs } = await this.connection.call(method.reserveCacheEntry, request, this.options);
      if (outcome.case === "entry") return versionOf(outcome.value);
      if (outcome.case === "granted") return new Lease(this.connection, this.token, Number(renewEveryUs) / 1000);
      if (outcome.case !== "busy") throw new XpstoreError("The server answers nothing that this client knows.", "INTERNAL");
      const entry = await this.wait(outcome.value.id, outcome.value.holder, deadline);
      if (entry !== undefined) return versionOf(entry);
    }
  }

  /** Waits for somebody else's computation; undefined if the entry is to be reserved again. */
  private async wait(leaseId: string, who: string, deadline: number): Promise<CacheEntry | undefined> {
    const { process } = this.options;
    for (;;) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw new XpstoreError(`${process}: ${who} has not finished it in time.`, "DEADLINE_EXCEEDED");
      const waitMs = Math.min(leftMs, MOST_WAIT_MS);
      const request = {
        projectUid: this.project.uid, fingerprint: this.fingerprint, leaseId, timeoutUs: BigInt(Math.ceil(1000 * waitMs)),
        heldTokens: this.outer.map(({ token }) => token),
      };
      const timeoutMs = (this.options.timeoutMs ?? this.connection.timeoutMs) + waitMs;
      const { outcome } = await this.connection.call(CacheService.method.waitForCacheEntry, request, { ...this.options, timeoutMs });
      switch (outcome.case) {
        case "entry":
          return outcome.value;
        case "failure":
          throw new XpstoreError(`${process}, computed by ${who}: ${outcome.value.error}`, "COMPUTATION_FAILED", { value: outcome.value.error });
        case "deadlock":
          throw new XpstoreError(`${process} and another computation wait for each other.`, "CONFLICT");
        case "vacant":
          return undefined;
        default: // it goes on
      }
    }
  }

  /** Computes and stores. */
  private async under(lease: Lease): Promise<Computed<T>> {
    const began = performance.now();
    let value: T;
    try {
      const here = { projectUid: this.project.uid, fingerprint: this.fingerprint, token: this.token };
      value = await inside.run([...this.outer, here], this.compute);
    } catch (error) {
      await (this.options.signal?.aborted ? lease.release() : lease.fail(error));
      throw error;
    }
    const durationUs = BigInt(Math.round(1000 * (performance.now() - began)));
    try {
      const version = lease.isLost ? undefined : await this.store(value, durationUs);
      return { value, isHit: false, fingerprint: this.fingerprint, version };
    } catch (error) {
      if (error instanceof XpstoreError && error.reason === "STALE") return { value, isHit: false, fingerprint: this.fingerprint, version: undefined };
      await lease.release();
      throw error;
    } finally {
      lease.drop();
    }
  }

  private store(value: T, durationUs: bigint): Promise<ArtifactVersion> {
    const { process, ttlMs } = this.options;
    const { json, files } = writeValue(value);
    const entries = [{ path: FILE, data: Buffer.from(json) as Uint8Array }, ...[...files].map(([path, data]) => ({ path, data }))];
    const completion: MessageInitShape<typeof CacheCompletionSchema> = {
      token: this.token, fingerprint: this.fingerprint, process: { name: process, parts: this.parts.map((part) => ({ ...part })) }, durationUs,
      ttlUs: ttlMs === undefined ? undefined : int64("ttlMs", Math.round(1000 * ttlMs)), fingerprintFormat: FORMAT,
    };
    const draft = { name: process, type: "cached", metadataJson: '{"format":"value"}', metadataIsImplied: true };
    return publish(this.project, entries, draft, this.options, completion);
  }
}

function versionOf(entry: CacheEntry): Wire {
  if (entry.version === undefined) throw new XpstoreError("The server answers an entry without its version.", "INTERNAL");
  return entry.version;
}

/** Who computes, in words for people. */
function holder(): string {
  const words = `${basename(globalThis.process.argv[1] ?? "node")} on ${hostname()}, process ${globalThis.process.pid}`;
  return [...words.toWellFormed()].slice(0, MOST_HOLDER).join("");
}
