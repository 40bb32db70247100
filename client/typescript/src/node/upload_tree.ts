// Trees of files: cut into chunks, of which only those travel that the project lacks.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { ArtifactService, type CacheCompletionSchema } from "../xpstore/v1/artifact_pb.js";
import type { Limits } from "../xpstore/v1/limits_pb.js";
import { dataLoss, invalid, XpstoreError } from "../core/errors.js";
import { blake3, Hasher } from "../core/hash.js";
import { isEqual, newId } from "../core/ids.js";
import type { Project } from "../core/project.js";
import { ArtifactVersion } from "../core/version.js";
import { Cutter } from "../format/cut.js";
import { type CutEntry, sortedByPath, toManifest, treeDigest } from "../format/tree.js";
import { type SaveOptions, toDraft } from "./drafts.js";
import { ChunkSender } from "./sender.js";
import { type ByteSource, openSource, scan, type TreeEntry } from "./sources.js";
import { loadZstd } from "./zstd.js";

const BLOCK_BYTES = 8 << 20;
// How often chunks that were swept between upload and commit are sent again, and files read that change meanwhile.
const ATTEMPTS = 5;
const READS = 3;

/** What `uploadTree` takes. */
export interface UploadTreeOptions extends SaveOptions {
  /** UUID of the new version; the same one with the same content is answered again. */
  versionId?: string;
  /** Told the size of each file that was read. */
  onProgress?: (path: string, sizeBytes: number) => void;
}

/**
 * Saves a file, a folder, or files in memory as a version of an artifact. What the project has does not travel.
 *
 *     await uploadTree(project, "data/", { name: "corpus", type: "directory" });
 *     await uploadTree(project, [{ path: "results.json", data: Buffer.from(text) }], { name: "results" });
 */
export async function uploadTree(project: Project, source: string | Iterable<TreeEntry>, options: UploadTreeOptions): Promise<ArtifactVersion> {
  const entries = typeof source === "string" ? await scan(source) : [...source];
  return publish(project, entries, toDraft(options), options);
}

/** Uploads entries and publishes them; with a completion the version completes a cache entry, or is not published (STALE). */
export async function publish(
  project: Project, entries: TreeEntry[], draft: ReturnType<typeof toDraft>, options: Omit<UploadTreeOptions, "name">,
  cacheCompletion?: MessageInitShape<typeof CacheCompletionSchema>,
): Promise<ArtifactVersion> {
  const { connection } = project;
  const [limits] = await Promise.all([connection.limits(options), loadZstd()]);
  const versionId = options.versionId ?? newId();
  const sorted = sortedByPath(entries);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const sender = new ChunkSender(connection, project.uid, limits, options);
    const cut: CutEntry[] = [];
    for (const entry of sorted) cut.push(await add(entry, sender, limits, options));
    const { root, pages } = toManifest(cut);
    for (const page of pages) await sender.add(page);
    await sender.finish();
    const request = { projectUid: project.uid, versionId, draft, manifest: root, cacheCompletion };
    // The server reads every page of a large tree again: it may take longer than other calls.
    const timeoutMs = (options.timeoutMs ?? connection.timeoutMs) + 1000 * pages.length;
    const { version, created } = await connection.call(ArtifactService.method.commitArtifact, request, { ...options, timeoutMs });
    if (version === undefined) continue; // chunks were swept meanwhile
    if (!isEqual(version.digest, treeDigest(cut))) throw dataLoss(`The server says that it has ${version.name}, and of other content than was sent.`);
    return new ArtifactVersion(connection, version, created);
  }
  throw new XpstoreError("Chunks were removed as fast as they were sent. Is a sweep without grace running?", "CONFLICT");
}

async function add(entry: TreeEntry, sender: ChunkSender, limits: Limits, options: Omit<UploadTreeOptions, "name">): Promise<CutEntry> {
  const { path, executable = false } = entry;
  const source = entry.data ?? entry.file;
  if (source === undefined) return { path, isDirectory: true, executable: false, sizeBytes: 0n, digest: new Uint8Array(), chunks: [] };
  for (let read = 0; read < READS; read++) {
    const opened = await openSource(source);
    try {
      const { digest, chunks } = await cutInto(opened, sender, limits, options.signal);
      if ((await opened.isUnchanged?.()) === false) continue;
      const sizeBytes = chunks.reduce((sum, { size }) => sum + size, 0);
      options.onProgress?.(path, sizeBytes);
      return { path, isDirectory: false, executable, sizeBytes: BigInt(sizeBytes), digest, chunks };
    } finally {
      await opened.close?.();
    }
  }
  throw invalid("source", entry.file, "changes while it is read; save a copy, or when nothing writes to it");
}

/** Reads a source to its end, hands its chunks on, and says what they are. */
async function cutInto(source: ByteSource, sender: ChunkSender, limits: Limits, signal?: AbortSignal): Promise<Pick<CutEntry, "digest" | "chunks">> {
  const cutter = new Cutter(limits.chunking!);
  const hasher = await Hasher.create();
  const chunks: CutEntry["chunks"] = [];
  // Each block starts where a chunk starts: what was left of the one before is read again, which is less than to copy it.
  let [start, hashed, isEnd] = [0, 0, source.sizeBytes === 0];
  while (!isEnd) {
    signal?.throwIfAborted();
    const block = await source.read(start, BLOCK_BYTES);
    isEnd = start + block.length >= source.sizeBytes || block.length <= hashed - start;
    const sizes = cutter.sizes(block, isEnd);
    if (!isEnd || chunks.length + sizes.length > 1) hasher.update(block.subarray(hashed - start)); // else it is that of the chunk
    hashed = start + block.length;
    let at = 0;
    for (const size of sizes) {
      const data = block.subarray(at, at + size);
      const digest = blake3(data);
      chunks.push({ digest, size });
      await sender.add({ digest, data });
      at += size;
    }
    start += at;
  }
  const whole = hasher.digest();
  return { digest: chunks.length === 1 ? chunks[0]!.digest : whole, chunks };
}
