// Chunks as they travel and rest: compressed where that pays.

import { Zstd } from "@hpcc-js/wasm-zstd";
import { type Chunk, Codec } from "../xpstore/v1/artifact_pb.js";
import { dataLoss } from "../core/errors.js";
import { blake3 } from "../core/hash.js";
import { isEqual, toHex } from "../core/ids.js";

const LEVEL = 1;
const LEAST_BYTES = 256;
const SAMPLE_BYTES = 4 << 10;
// Less than an eighth off is not worth the time of both sides.
const WORTH_IT = 7 / 8;

let zstd: Zstd | undefined;

/** Compiles the library, once. */
export async function loadZstd(): Promise<void> {
  zstd ??= await Zstd.load();
}

/** zstd where a sample says that it saves an eighth, else as they are. */
export function encodeChunk(data: Uint8Array): { codec: Codec; data: Uint8Array } {
  if (data.length >= LEAST_BYTES) {
    const start = Math.max(data.length - SAMPLE_BYTES, 0) >> 1;
    const sample = data.subarray(start, start + SAMPLE_BYTES);
    if (zstd!.compress(sample, LEVEL).length <= WORTH_IT * sample.length) {
      const encoded = zstd!.compress(data, LEVEL);
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
    const said = frameSize(chunk.data);
    if (said !== undefined && said !== sizeBytes) throw dataLoss(`The chunk ${name} says another size than the manifest.`);
    try {
      raw = zstd!.decompress(chunk.data);
    } catch {
      throw dataLoss(`The chunk ${name} arrived damaged.`);
    }
  } else if (chunk.codec !== Codec.NONE) throw dataLoss(`The chunk ${name} has the unknown codec ${chunk.codec}: update this client.`);
  if (raw.length !== sizeBytes || !isEqual(blake3(raw), chunk.digest)) throw dataLoss(`The chunk ${name} arrived with other bytes than it was saved with.`);
  return raw;
}

/** What a frame says of its content (RFC 8878, 3.1.1): the library would take so much memory, whatever it is. */
function frameSize(frame: Uint8Array): number | undefined {
  const head = new Uint8Array(18); // the longest header; zeros where a damaged frame has less
  head.set(frame.subarray(0, head.length));
  const [view, descriptor] = [new DataView(head.buffer), head[4]!];
  const [flag, isSingle, dictionary] = [descriptor >> 6, (descriptor & 0x20) !== 0, [0, 1, 2, 4][descriptor & 3]!];
  const at = 5 + (isSingle ? 0 : 1) + dictionary;
  if (flag === 0) return isSingle ? head[at] : undefined;
  if (flag === 1) return view.getUint16(at, true) + 256;
  return flag === 2 ? view.getUint32(at, true) : Number(view.getBigUint64(at, true));
}
