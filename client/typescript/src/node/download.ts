// Versions on their way down: the manifest, then chunks, each verified, put where the manifest says.

import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, realpath, rename, rm } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { ArtifactService, FileType, type ManifestEntry } from "../xpstore/v1/artifact_pb.js";
import type { CallOptions, Connection } from "../core/connection.js";
import { dataLoss, invalid, XpstoreError } from "../core/errors.js";
import { Hasher } from "../core/hash.js";
import { fromHex, isEqual, toHex } from "../core/ids.js";
import { readFile } from "../core/read.js";
import type { ArtifactVersion } from "../core/version.js";
import { faultOf, treeDigest } from "../format/tree.js";
import { decodeChunk, loadZstd } from "./zstd.js";

const WINDOW_BYTES = 8 << 20;
const AHEAD = 3;
// Larger files come as they are: their chunks need not be hashed one by one too.
const WHOLE_BYTES = 16n << 20n;

/** What `download` takes. */
export interface DownloadOptions extends CallOptions {
  /** Told how many bytes are written. */
  onProgress?: (bytes: number) => void;
}

/**
 * Writes all files of a version below a folder, which is made if it is missing. Every byte is verified before a file appears
 * under its name; files of these names are replaced, others stay.
 */
export async function download(version: ArtifactVersion, folder: string, options: DownloadOptions = {}): Promise<void> {
  await loadZstd();
  const { connection } = version;
  const entries = await manifest(connection, version, options);
  await mkdir(folder, { recursive: true });
  const target = new Target(await realpath(folder));
  const fetched: { window: Piece[]; chunks: Promise<Map<string, Uint8Array>> }[] = [];
  const controller = new AbortController();
  const signal = options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal]);
  const writeOne = async (): Promise<void> => {
    const { window, chunks } = fetched.shift()!;
    const found = await chunks;
    for (const piece of window) {
      await piece.file.write(found.get(piece.key)!);
      if (piece.isLast) await piece.file.finish();
      options.onProgress?.(piece.sizeBytes);
    }
  };
  try {
    for await (const window of windows(version, entries, target, { ...options, signal })) {
      const chunks = fetch(connection, version.id, window, { ...options, signal });
      chunks.catch(() => undefined); // thrown where it is awaited
      fetched.push({ window, chunks });
      if (fetched.length >= AHEAD) await writeOne();
    }
    while (fetched.length > 0) await writeOne();
  } catch (error) {
    controller.abort(error);
    await target.discard();
    throw error;
  }
}

/** The entries of a version, held to what the version says: its order, sizes and tree digest. */
async function manifest(connection: Connection, version: ArtifactVersion, options: CallOptions): Promise<ManifestEntry[]> {
  const attempts = connection.attempts(options);
  for (;;) {
    const entries: ManifestEntry[] = [];
    try {
      for await (const page of connection.receive(ArtifactService.method.readManifest, { versionId: version.id }, options.signal)) {
        entries.push(...page.entries);
      }
    } catch (error) {
      await attempts.after(error);
      continue;
    }
    check(entries, fromHex(version.digest));
    return entries;
  }
}

function check(entries: ManifestEntry[], digest: Uint8Array): void {
  const firsts: ManifestEntry[] = [];
  let [covered, last] = [0n, undefined as ManifestEntry | undefined];
  const hold = (isSound: boolean, what: string): void => {
    if (!isSound) throw dataLoss(`The server's manifest is not that of this version: ${what}.`);
  };
  for (const entry of entries) {
    hold(entry.chunkDigests.length === 32 * entry.chunkSizes.length, `a digest for each chunk of ${entry.path}`);
    hold(entry.chunkSizes.every((size) => size > 0 && size <= 1 << 20), `chunks of ${entry.path}`);
    const fault = faultOf(entry.path);
    hold(fault === undefined, `the path ${JSON.stringify(entry.path)} ${fault}`);
    if (entry.offset === 0n) {
      hold(last === undefined || covered === last.sizeBytes, `all bytes of ${last?.path}`);
      hold(last === undefined || Buffer.compare(Buffer.from(last.path), Buffer.from(entry.path)) < 0, `the order of ${entry.path}`);
      hold(entry.type === FileType.DIRECTORY ? entry.sizeBytes === 0n : entry.type === FileType.FILE && entry.digest.length === 32, `the type of ${entry.path}`);
      firsts.push(entry);
      [covered, last] = [0n, entry];
    } else {
      hold(entry.path === last?.path && entry.offset === covered && isEqual(entry.digest, last.digest), `the place of ${entry.path}`);
    }
    covered += BigInt(entry.chunkSizes.reduce((sum, size) => sum + size, 0));
  }
  hold(last === undefined || covered === last.sizeBytes, `all bytes of ${last?.path}`);
  const tree = treeDigest(firsts.map((entry) => ({ ...entry, isDirectory: entry.type === FileType.DIRECTORY })));
  hold(isEqual(tree, digest), `its digest is ${toHex(tree)} and not ${toHex(digest)}`);
}

/** A chunk of a file. */
interface Piece {
  file: PartialFile;
  digest: Uint8Array;
  key: string;
  sizeBytes: number;
  isLast: boolean;
}

/** What is fetched together; large files, and those without bytes, are written at once. */
async function* windows(version: ArtifactVersion, entries: ManifestEntry[], target: Target, options: DownloadOptions): AsyncGenerator<Piece[]> {
  let [window, size, file] = [[] as Piece[], 0, undefined as PartialFile | undefined];
  for (const entry of entries) {
    if (entry.type === FileType.DIRECTORY) await target.makeFolder(entry.path);
    else if (entry.offset === 0n) {
      file = target.file(entry);
      if (entry.sizeBytes === 0n || entry.sizeBytes >= WHOLE_BYTES) await whole(version, file, entry, options);
    }
    if (entry.sizeBytes >= WHOLE_BYTES) continue;
    let offset = entry.offset;
    for (const [i, sizeBytes] of entry.chunkSizes.entries()) {
      const digest = entry.chunkDigests.subarray(32 * i, 32 * i + 32);
      offset += BigInt(sizeBytes);
      window.push({ file: file!, digest, key: toHex(digest), sizeBytes, isLast: offset === entry.sizeBytes });
      size += sizeBytes;
      if (size >= WINDOW_BYTES || window.length >= 4_096) {
        yield window;
        [window, size] = [[], 0];
      }
    }
  }
  if (window.length > 0) yield window;
}

/** A file as it is; the stream verifies its digest. */
async function whole(version: ArtifactVersion, file: PartialFile, entry: ManifestEntry, options: DownloadOptions): Promise<void> {
  if (entry.sizeBytes === 0n) await file.write(new Uint8Array());
  else {
    const source = { case: "versionId", value: version.id } as const;
    for await (const data of readFile(version.connection, source, entry.path, options, entry.digest)) {
      await file.write(data, true);
      options.onProgress?.(data.length);
    }
  }
  await file.finish(entry.sizeBytes > 0n);
}

/** The chunks of a window, after a broken connection those that did not arrive; one that is wrong is asked for once more. */
async function fetch(connection: Connection, versionId: string, window: Piece[], options: CallOptions): Promise<Map<string, Uint8Array>> {
  const sizes = new Map(window.map((piece) => [piece.key, piece]));
  const [chunks, bad] = [new Map<string, Uint8Array>(), new Set<string>()];
  const attempts = connection.attempts(options);
  while (chunks.size < sizes.size) {
    const digests = [...sizes.values()].filter(({ key }) => !chunks.has(key)).map(({ digest }) => digest);
    const before = chunks.size + bad.size;
    try {
      for await (const message of connection.receive(ArtifactService.method.readChunks, { versionId, digests }, options.signal)) {
        for (const chunk of message.chunks) {
          const key = toHex(chunk.digest);
          const piece = sizes.get(key);
          if (piece === undefined || chunks.has(key)) throw dataLoss(`The server sent the chunk ${key}, which was not asked for.`);
          try {
            chunks.set(key, decodeChunk(chunk, piece.sizeBytes));
          } catch (error) {
            if (bad.has(key)) throw error;
            bad.add(key); // one bad read of the server's store
          }
          attempts.renew();
        }
      }
    } catch (error) {
      if (error instanceof XpstoreError && error.reason === "NOT_FOUND" && error.metadata.resource === "chunk") {
        throw dataLoss(`The server has lost the chunk ${error.metadata.value} of this version.`);
      }
      await attempts.after(error);
      continue;
    }
    if (chunks.size + bad.size === before) throw dataLoss("The server did not send all chunks that were asked for.");
  }
  return chunks;
}

/** The folder that is written to. */
class Target {
  private readonly sound = new Set<string>();
  private readonly open = new Set<PartialFile>();

  constructor(private readonly folder: string) {}

  file(entry: ManifestEntry): PartialFile {
    return new PartialFile(this, entry);
  }

  makeFolder(path: string): Promise<void> {
    return this.holds(join(this.folder, ...path.split("/")));
  }

  /** Makes the folder of a file, and says where the file is. */
  async place(path: string): Promise<string> {
    const place = join(this.folder, ...path.split("/"));
    await this.holds(dirname(place));
    return place;
  }

  /** Makes a folder. One that a link brings elsewhere is refused. */
  private async holds(folder: string): Promise<void> {
    if (this.sound.has(folder)) return;
    await mkdir(folder, { recursive: true });
    const real = await realpath(folder);
    if (real !== folder && !real.startsWith(this.folder + sep)) throw invalid("folder", folder, `is a link to ${real}, outside of what is written to`);
    this.sound.add(folder);
  }

  begun(file: PartialFile): void {
    this.open.add(file);
  }

  ended(file: PartialFile): void {
    this.open.delete(file);
  }

  async discard(): Promise<void> {
    await Promise.all([...this.open].map((file) => file.discard()));
  }
}

/** A file under another name, until all of it is there and right. */
class PartialFile {
  private handle?: FileHandle;
  private hasher?: Hasher;
  private names?: [place: string, partial: string];

  constructor(private readonly target: Target, private readonly entry: ManifestEntry) {}

  /** Appends bytes, which somebody else verifies or not. */
  async write(data: Uint8Array, isVerified = this.isOneChunk): Promise<void> {
    if (this.handle === undefined) {
      const place = await this.target.place(this.entry.path);
      const partial = `${place.slice(0, place.lastIndexOf(sep) + 1)}.xpstore-${randomBytes(8).toString("hex")}.partial`;
      this.names = [place, partial];
      this.handle = await open(partial, "wx", this.entry.executable ? 0o777 : 0o666);
      this.target.begun(this);
      if (!isVerified) this.hasher = await Hasher.create();
    }
    for (let at = 0; at < data.length; ) at += (await this.handle.write(data, at)).bytesWritten;
    this.hasher?.update(data);
  }

  /** All is there: the file appears under its name, if it is what was saved. */
  async finish(isVerified = this.isOneChunk): Promise<void> {
    const [place, partial] = this.names!;
    const digest = isVerified ? this.entry.digest : this.hasher!.digest();
    if (!isEqual(digest, this.entry.digest)) {
      throw dataLoss(`${this.entry.path} arrived with the digest ${toHex(digest)}, and was saved with ${toHex(this.entry.digest)}.`);
    }
    await this.handle!.close();
    await rename(partial, place);
    this.target.ended(this);
  }

  /** Whether the digest of its only chunk, which is verified, is its own. */
  private get isOneChunk(): boolean {
    return this.entry.chunkDigests.length > 0 && isEqual(this.entry.chunkDigests, this.entry.digest);
  }

  async discard(): Promise<void> {
    await this.handle?.close().catch(() => undefined);
    if (this.names !== undefined) await rm(this.names[1], { force: true });
  }
}
