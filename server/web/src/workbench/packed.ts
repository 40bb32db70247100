// ReadSeries in the binary form of its messages: half the bytes of JSON, and numbers that need no reading one by one.

import type { Metric } from "./fields";

const text = new TextEncoder();
const words = new TextDecoder();

// Numbers of the fields in metric.proto.
const REQUEST = { keys: 1, buckets: 3, axis: 4, axisStart: 5, axisEnd: 6, columns: 7, binary32: 8 };
const KEY = { modelId: 1, name: 2, phase: 3 };
const RESPONSE = { modelId: 1, buckets: 5 };
const BUCKETS = { counts: 1, mins: 2, maxs: 3, means: 6, lastOrdinal: 11, bucketCount: 12, axisStart: 13, axisWidth: 14 };
export const AXES = { step: 1, time: 2 };
export const COLUMNS = { count: 1, min: 2, max: 3, mean: 6 };
const BYTES = 2;

// Whole numbers that are not negative, up to 2^53.
function varint(value: number): number[] {
  const found = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) found.push((rest % 128) | 128);
  return [...found, rest];
}

function field(number: number, content: number | Uint8Array | number[]): number[] {
  if (typeof content === "number") return [...varint(number * 8), ...varint(content)];
  return [...varint(number * 8 + BYTES), ...varint(content.length), ...content];
}

export interface Asked {
  models: string[];
  metric: Metric;
  buckets: number;
  axis: number;
  axisStart?: number;
  axisEnd?: number;
  columns: number[];
}

// A ReadSeriesRequest.
export function packed({ models, metric, buckets, axis, axisStart, axisEnd, columns }: Asked): Uint8Array<ArrayBuffer> {
  const named = [...field(KEY.name, text.encode(metric.name)), ...field(KEY.phase, text.encode(metric.phase))];
  return Uint8Array.from([
    ...models.flatMap((id) => field(REQUEST.keys, [...field(KEY.modelId, text.encode(id)), ...named])),
    ...field(REQUEST.buckets, buckets),
    ...field(REQUEST.axis, axis),
    ...(axisStart === undefined ? [] : field(REQUEST.axisStart, axisStart)),
    ...(axisEnd === undefined ? [] : field(REQUEST.axisEnd, axisEnd)),
    ...field(REQUEST.columns, columns),
    ...field(REQUEST.binary32, 1),
  ]);
}

// The fields of a message: numbers, and bytes where they lie.
function* fields(data: Uint8Array<ArrayBuffer>): Generator<[number, number, Uint8Array<ArrayBuffer>]> {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let unit = 1; ; unit *= 128) {
      const byte = data[at++] ?? 0;
      value += (byte & 127) * unit;
      if (byte < 128) return value;
    }
  };
  while (at < data.length) {
    const head = number();
    const value = number(); // of a field of bytes how many
    const end = at + (head % 8 === BYTES ? value : 0);
    yield [Math.floor(head / 8), value, data.subarray(at, end)];
    at = end;
  }
}

// Numbers of four bytes, as all machines with browsers have them: the lowest first.
const floats = (bytes: Uint8Array<ArrayBuffer>): Float32Array => new Float32Array(bytes.slice().buffer);

// A series in buckets.
export interface Line {
  modelId: string;
  // Of the last point, among all of its model.
  ordinal: number;
  // Points, and buckets up to the last that has one, where counts were asked for.
  count: number;
  reach: number;
  means: Float32Array;
  mins: Float32Array;
  maxs: Float32Array;
}

// With the axis that all series of an answer share.
export interface SeriesBuckets extends Line {
  bucketCount: number;
  axisStart: number;
  axisWidth: number;
}

// A ReadSeriesResponse.
export function unpacked(data: Uint8Array<ArrayBuffer>): SeriesBuckets {
  const none = new Float32Array();
  const found: SeriesBuckets = { modelId: "", ordinal: 0, count: 0, reach: 0, means: none, mins: none, maxs: none, bucketCount: 0, axisStart: 0, axisWidth: 1 };
  for (const [outer, , content] of fields(data)) {
    if (outer === RESPONSE.modelId) found.modelId = words.decode(content);
    if (outer !== RESPONSE.buckets) continue;
    for (const [inner, value, bytes] of fields(content)) {
      if (inner === BUCKETS.means) found.means = floats(bytes);
      else if (inner === BUCKETS.mins) found.mins = floats(bytes);
      else if (inner === BUCKETS.maxs) found.maxs = floats(bytes);
      else if (inner === BUCKETS.counts) {
        const counts = new BigInt64Array(bytes.slice().buffer);
        found.count = counts.reduce((sum, one) => sum + Number(one), 0);
        found.reach = counts.findLastIndex((one) => one > 0n) + 1;
      }
      else if (inner === BUCKETS.lastOrdinal) found.ordinal = value;
      else if (inner === BUCKETS.bucketCount) found.bucketCount = value;
      else if (inner === BUCKETS.axisStart) found.axisStart = value;
      else if (inner === BUCKETS.axisWidth) found.axisWidth = value;
    }
  }
  return found;
}
