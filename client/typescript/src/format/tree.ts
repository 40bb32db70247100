// Trees of files: which paths are sound, what the identity of a tree is, and how its manifest is cut into pages.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  FileType, type ManifestEntry, ManifestEntrySchema, ManifestPageSchema, ManifestRootSchema,
} from "../xpstore/v1/artifact_pb.js";
import { invalid } from "../core/errors.js";
import { blake3 } from "../core/hash.js";

const MOST_PATH = 4_096;
// Half of what the service takes: the size of an entry is an estimate.
const PAGE_BYTES = 512 << 10;
const ENTRY_CHUNKS = 12_000;

/** What keeps a path from staying inside whatever folder it is joined to, on any system; undefined if nothing does. */
export function faultOf(path: string): string | undefined {
  if (!path.isWellFormed()) return "must be valid Unicode";
  const size = Buffer.byteLength(path);
  if (size === 0 || size > MOST_PATH) return `must have 1 to ${MOST_PATH} bytes`;
  if (path.split("/").some((part) => part === "" || part === "." || part === "..")) return "must be relative, without empty, '.' or '..' parts";
  if (/[\0\\]|^[A-Za-z]:/.test(path)) return "must not have NUL, a backslash or a drive";
  return undefined;
}

/** An entry of a tree, as its identity knows it: the digest of a directory is empty. */
export interface Entry {
  path: string;
  isDirectory: boolean;
  executable: boolean;
  sizeBytes: bigint;
  digest: Uint8Array;
}

/** An entry with the chunks of the file. */
export interface CutEntry extends Entry {
  chunks: { digest: Uint8Array; size: number }[];
}

/** In the order of the paths' UTF-8 bytes. Refuses unsound paths and those that are there twice. */
export function sortedByPath<T extends { path: string }>(entries: readonly T[]): T[] {
  const keyed = entries.map((entry): [Buffer, T] => {
    const fault = faultOf(entry.path);
    if (fault !== undefined) throw invalid("path", entry.path, fault);
    return [Buffer.from(entry.path), entry];
  });
  keyed.sort(([a], [b]) => Buffer.compare(a, b));
  keyed.forEach(([key, { path }], i) => {
    if (i > 0 && key.equals(keyed[i - 1]![0])) throw invalid("path", path, "is there twice");
  });
  return keyed.map(([, entry]) => entry);
}

/** The identity of a tree of sorted entries: 32 bytes. */
export function treeDigest(entries: Iterable<Entry>): Uint8Array {
  const pieces: Uint8Array[] = [Buffer.from("xpstore tree v1\n")];
  for (const { path, isDirectory, executable, sizeBytes, digest } of entries) {
    const name = Buffer.from(path);
    const bytes = Buffer.alloc(4 + name.length + 42);
    bytes.writeUInt32LE(name.length, 0);
    name.copy(bytes, 4);
    bytes[4 + name.length] = isDirectory ? 2 : 1;
    bytes[5 + name.length] = executable ? 1 : 0;
    bytes.writeBigUInt64LE(sizeBytes, 6 + name.length);
    if (!isDirectory) bytes.set(digest, 14 + name.length);
    pieces.push(bytes);
  }
  return blake3(...pieces);
}

/** The manifest of a tree of sorted entries: the root, and its pages, which are chunks. */
export function toManifest(entries: readonly CutEntry[]): { root: MessageInitShape<typeof ManifestRootSchema>; pages: { digest: Uint8Array; data: Uint8Array }[] } {
  const refs: { digest: Uint8Array; sizeBytes: number; firstPath: string; firstOffset: bigint }[] = [];
  const pages: { digest: Uint8Array; data: Uint8Array }[] = [];
  let [page, size, lastPath] = [[] as ManifestEntry[], 0, ""];
  const close = (): void => {
    const first = page[0]!;
    const data = toBinary(ManifestPageSchema, create(ManifestPageSchema, { entries: page }));
    const digest = blake3(data);
    refs.push({ digest, sizeBytes: data.length, firstPath: first.path === lastPath ? "" : first.path, firstOffset: first.offset });
    pages.push({ digest, data });
    [page, size, lastPath] = [[], 0, first.path];
  };
  for (const part of entries.flatMap(toParts)) {
    const estimate = Buffer.byteLength(part.path) + 64 + 40 * part.chunkSizes.length;
    if (page.length > 0 && size + estimate > PAGE_BYTES) close();
    page.push(part);
    size += estimate;
  }
  if (page.length > 0) close();
  return { root: { pages: refs }, pages };
}

/** A file as entries of bounded size: one, or several for a huge one. */
function toParts(entry: CutEntry): ManifestEntry[] {
  const { path, isDirectory, executable, sizeBytes, digest, chunks } = entry;
  if (isDirectory) return [create(ManifestEntrySchema, { path, type: FileType.DIRECTORY })];
  const parts: ManifestEntry[] = [];
  let offset = 0n;
  for (let start = 0; start < Math.max(chunks.length, 1); start += ENTRY_CHUNKS) {
    const some = chunks.slice(start, start + ENTRY_CHUNKS);
    parts.push(create(ManifestEntrySchema, {
      path, type: FileType.FILE, executable, sizeBytes, digest, offset,
      chunkDigests: Buffer.concat(some.map((chunk) => chunk.digest)), chunkSizes: some.map((chunk) => chunk.size),
    }));
    offset += BigInt(some.reduce((sum, chunk) => sum + chunk.size, 0));
  }
  return parts;
}
