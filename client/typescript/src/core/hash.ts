// BLAKE3, which a library computes in WebAssembly.

import { createBLAKE3, type IHasher } from "hash-wasm";
import { toHex } from "./ids.js";

let shared: IHasher | undefined;
const idle: IHasher[] = [];

/** Compiles the library, once: `blake3` needs it. */
export async function loadHash(): Promise<void> {
  shared ??= await createBLAKE3();
}

/** The digest of some bytes, one piece after the other: 32 bytes. `loadHash` was awaited before. */
export function blake3(...pieces: Uint8Array[]): Uint8Array {
  const hasher = shared!.init();
  for (const piece of pieces) hasher.update(piece);
  return hasher.digest("binary");
}

export const blake3Hex = (...pieces: Uint8Array[]): string => toHex(blake3(...pieces));

/** The digest of bytes that come over time. Each has 64 KiB of memory, which `digest` gives back. */
export class Hasher {
  private constructor(private readonly hasher: IHasher) {}

  static async create(): Promise<Hasher> {
    return new Hasher((idle.pop() ?? (await createBLAKE3())).init());
  }

  update(data: Uint8Array): void {
    this.hasher.update(data);
  }

  /** The digest; the object is of no use afterwards. */
  digest(): Uint8Array {
    const digest = this.hasher.digest("binary");
    idle.push(this.hasher);
    return digest;
  }
}
