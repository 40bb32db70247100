// The cut: where a file is divided into chunks, by FastCDC (docs/protocol.md). The digests do not depend on it; clients
// that cut alike share chunks.

import { createHash } from "node:crypto";
import type { Chunking } from "../xpstore/v1/limits_pb.js";

// The masks of the contract, 0x0000d91747537000 and 0x0000d90303537000, in halves of 24 bits: bits above 48 are in neither,
// and so the hash is kept without them, in two numbers that are integers to the engine.
const [HARD_HIGH, HARD_LOW] = [0xd91747, 0x537000];
const [EASY_HIGH, EASY_LOW] = [0xd90303, 0x537000];
const HALF = 0xffffff;

const [GEAR_HIGH, GEAR_LOW] = gear();

/** First 8 bytes, big-endian, of the MD5 of 64 bytes of each value: the lower 48 bits in two halves. */
function gear(): [Int32Array, Int32Array] {
  const [high, low] = [new Int32Array(256), new Int32Array(256)];
  for (let value = 0; value < 256; value++) {
    const digest = createHash("md5").update(Buffer.alloc(64, value)).digest();
    [high[value], low[value]] = [digest.readUIntBE(2, 3), digest.readUIntBE(5, 3)];
  }
  return [high, low];
}

const even = (size: number): number => size - (size % 2);

/** Where chunks end. */
export class Cutter {
  private readonly min: number;
  private readonly average: number;
  private readonly max: number;

  constructor(chunking: Pick<Chunking, "minSizeBytes" | "averageSizeBytes" | "maxSizeBytes">) {
    this.min = chunking.minSizeBytes;
    this.average = chunking.averageSizeBytes;
    this.max = chunking.maxSizeBytes;
  }

  /**
   * The sizes of the chunks of some bytes that start where a chunk starts. If the file does not end with them, the last ones are
   * left out: where those end is not known before the bytes after them are.
   */
  sizes(data: Uint8Array, isEnd: boolean): number[] {
    const sizes: number[] = [];
    for (let start = 0; start < data.length && (isEnd || data.length - start >= this.max); ) {
      const size = this.one(data, start);
      sizes.push(size);
      start += size;
    }
    return sizes;
  }

  private one(data: Uint8Array, start: number): number {
    const left = data.length - start;
    if (left <= this.min) return left;
    const size = Math.min(this.max, left);
    const end = start + even(size);
    const center = Math.min(start + even(this.average), end);
    let [high, low, position] = [0, 0, start + even(this.min)];
    for (; position < center; position++) {
      const byte = data[position]!;
      low = (low << 1) + GEAR_LOW[byte]!;
      high = ((high << 1) + GEAR_HIGH[byte]! + (low >>> 24)) & HALF;
      low &= HALF;
      if ((high & HARD_HIGH) === 0 && (low & HARD_LOW) === 0) return position - start;
    }
    for (; position < end; position++) {
      const byte = data[position]!;
      low = (low << 1) + GEAR_LOW[byte]!;
      high = ((high << 1) + GEAR_HIGH[byte]! + (low >>> 24)) & HALF;
      low &= HALF;
      if ((high & EASY_HIGH) === 0 && (low & EASY_LOW) === 0) return position - start;
    }
    return size;
  }
}
