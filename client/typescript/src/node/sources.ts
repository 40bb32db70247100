// What there is to save: files of this machine, and bytes in memory.

import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, readdir, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { invalid, XpstoreError } from "../core/errors.js";

/** Bytes that can be read from any place, as a broken upload goes on where it was. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** Reads at most `length` bytes at `offset`; none at the end. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Whether it is still what it was when it was opened. */
  isUnchanged?(): Promise<boolean>;
  close?(): Promise<void>;
}

/** An entry of a tree to be saved: bytes, a file, or an empty directory if neither is given. */
export interface TreeEntry {
  /** Relative, with "/" between its parts. */
  path: string;
  data?: Uint8Array;
  /** A file of this machine. */
  file?: string;
  executable?: boolean;
}

/** Opens a path of this machine, bytes in memory, or what is a source already. */
export async function openSource(source: string | Uint8Array | ByteSource): Promise<ByteSource> {
  if (typeof source === "string") return FileSource.open(source);
  return source instanceof Uint8Array ? bytesSource(source) : source;
}

function bytesSource(data: Uint8Array): ByteSource {
  return { sizeBytes: data.length, read: (offset, length) => Promise.resolve(data.subarray(offset, offset + length)) };
}

class FileSource implements ByteSource {
  private constructor(private readonly path: string, private readonly handle: FileHandle, private readonly status: BigIntStats) {}

  static async open(path: string): Promise<FileSource> {
    try {
      // Not blocked by a pipe that nobody writes to: it is refused below.
      const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
      const status = await handle.stat({ bigint: true });
      if (status.isFile()) return new FileSource(path, handle, status);
      await handle.close();
    } catch (error) {
      throw unreadable(path, error);
    }
    throw invalid("source", path, "is not a file");
  }

  get sizeBytes(): number {
    return Number(this.status.size);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    try {
      const buffer = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await this.handle.read(buffer, 0, length, offset);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw unreadable(this.path, error);
    }
  }

  async isUnchanged(): Promise<boolean> {
    const now = await stat(this.path, { bigint: true }).catch(() => undefined);
    const { ino, size, mtimeNs } = this.status;
    return now !== undefined && now.ino === ino && now.size === size && now.mtimeNs === mtimeNs;
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** The tree of a file or a folder, in no order. Links are followed; sockets, pipes and devices are refused. */
export async function scan(path: string): Promise<TreeEntry[]> {
  const status = await stat(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (status.isFile()) return [{ path: basename(path), file: path, executable: (status.mode & 0o100) !== 0 }];
  if (!status.isDirectory()) throw invalid("source", path, "is neither a file nor a directory");
  const found: TreeEntry[] = [];
  await walk(path, "", [], found);
  return found;
}

async function walk(root: string, prefix: string, above: string[], found: TreeEntry[]): Promise<void> {
  const folder = join(root, prefix);
  const real = await realpath(folder);
  if (above.includes(real)) throw invalid("source", folder, "this link leads back to a directory above it");
  // As bytes: a name that is no UTF-8 would otherwise be read as another one.
  const names = await readdir(folder, { encoding: "buffer" }).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  if (names.length === 0 && prefix !== "") found.push({ path: prefix.slice(0, -1) });
  for (const bytes of names) {
    const name = bytes.toString();
    if (!Buffer.from(name).equals(bytes)) throw invalid("source", join(folder, name), "the name is not valid UTF-8");
    const file = join(folder, name);
    const status = await stat(file).catch((error: unknown) => {
      throw unreadable(file, error);
    });
    if (status.isDirectory()) await walk(root, `${prefix}${name}/`, [...above, real], found);
    else if (status.isFile()) found.push({ path: prefix + name, file, executable: (status.mode & 0o100) !== 0 });
    else throw invalid("source", file, "is neither a file nor a directory");
  }
}

function unreadable(path: string, error: unknown): XpstoreError {
  if (error instanceof XpstoreError) return error;
  return invalid("source", path, `cannot be read (${(error as Error).message})`);
}
