// Chunks as they travel and rest: compressed where that pays.

import { compress, decompress, init } from "@bokuweb/zstd-wasm";
import { type Chunk, Codec } from "../xpstore/v1/artifact_pb.js";
import { dataLoss } from "../core/errors.js";
import { blake3 } from "../core/hash.js";
import { isEqual, toHex } from "../core/ids.js";

const LEVEL = 1;
const LEAST_BYTES = 256;
const SAMPLE_BYTES = 4 << 10;
// Less than an eighth off is not worth the time of both sides.
const WORTH_IT = 7 / 8;

const MAGIC = 0xfd2fb528;
const BLOCK_HEAD = 3;
const MOST_WINDOW_LOG = 27;

let loaded: Promise<void> | undefined;

/** Compiles the library, once. */
export function loadZstd(): Promise<void> {
  return (loaded ??= init());
}

/** zstd where a sample says that it saves an eighth, else as they are. */
export function encodeChunk(data: Uint8Array): { codec: Codec; data: Uint8Array } {
  if (data.length >= LEAST_BYTES) {
    const start = Math.max(data.length - SAMPLE_BYTES, 0) >> 1;
    const sample = data.subarray(start, start + SAMPLE_BYTES);
    if (compress(sample, LEVEL).length <= WORTH_IT * sample.length) {
      const encoded = compress(data, LEVEL);
      if (encoded.length <= WORTH_IT * data.length) return { codec: Codec.ZSTD, data: encoded };
    }
  }
  return { codec: Codec.NONE, data };
}

/** The raw bytes of a chunk, verified: of the size that the manifest says, and of its digest. */
export function decodeChunk(chunk: Chunk, sizeBytes: number): Uint8Array {
  const name = toHex(chunk.digest);
  let raw = chunk.data;
  if (chunk.codec === Codec.ZSTD) {
    let said: number | undefined;
    try {
      said = frameSize(chunk.data);
      if (said === undefined || said === sizeBytes) raw = decompress(chunk.data);
    } catch {
      throw dataLoss(`The chunk ${name} arrived damaged.`);
    }
    if (said !== undefined && said !== sizeBytes) throw dataLoss(`The chunk ${name} says another size than the manifest.`);
  } else if (chunk.codec !== Codec.NONE) throw dataLoss(`The chunk ${name} has the unknown codec ${chunk.codec}: update this client.`);
  if (raw.length !== sizeBytes || !isEqual(blake3(raw), chunk.digest)) throw dataLoss(`The chunk ${name} arrived with other bytes than it was saved with.`);
  return raw;
}

/**
 * The size of the content that a frame says; undefined where it says none. What has no sound head is refused: the library would
 * take whatever memory it says (RFC 8878, 3.1.1).
 */
function frameSize(frame: Uint8Array): number | undefined {
  const head = new Uint8Array(18); // the longest one
  head.set(frame.subarray(0, head.length));
  const [view, descriptor] = [new DataView(head.buffer), head[4]!];
  const [flag, isSingle] = [descriptor >> 6, (descriptor & 0x20) !== 0];
  const at = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]!;
  const said = flag === 0 ? (isSingle ? 1 : 0) : 2 ** flag;
  const isWindowSound = isSingle || 10 + (head[5]! >> 3) <= MOST_WINDOW_LOG;
  const isSound = view.getUint32(0, true) === MAGIC && (descriptor & 0x08) === 0 && isWindowSound && frame.length >= at + said + BLOCK_HEAD;
  if (!isSound) throw new Error("no frame");
  switch (said) {
    case 0:
      return undefined;
    case 1:
      return head[at];
    case 2:
      return view.getUint16(at, true) + 256;
    default:
      return said === 4 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
  }
}
