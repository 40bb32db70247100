// 64-bit numbers: what the service says is a bigint, as a number of JavaScript is exact up to 2^53 only.

import { invalid } from "./errors.js";

/** Steps, versions, offsets and times that a caller gives: a bigint, or a number that is an exact integer. */
export type Integer = number | bigint;

export function int64(field: string, value: Integer): bigint {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw invalid(field, value, "must be an integer; beyond 2^53 give a bigint");
  const integer = BigInt(value);
  if (BigInt.asIntN(64, integer) !== integer) throw invalid(field, value, "must fit into 64 bits");
  return integer;
}

/** A JSON object: as an object, or as text where the spelling of numbers matters (`1.0`). */
export type JsonObject = string | Readonly<Record<string, unknown>>;

/** It as the contract takes it: text, which the server checks. */
export function jsonObject(field: string, value: JsonObject | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw invalid(field, "an object", `has something that JSON cannot say: ${(error as Error).message}`);
  }
  if (!text?.startsWith("{")) throw invalid(field, text, "must be an object");
  return text;
}

/** Little-endian numbers of 8 bytes, as columns of points are. */
export function floats(column: Uint8Array): Float64Array {
  return new Float64Array(aligned(column));
}

export function integers(column: Uint8Array): BigInt64Array {
  return new BigInt64Array(aligned(column));
}

/** The bytes at an address that typed arrays take. Whatever JavaScript runs on is little-endian. */
function aligned(column: Uint8Array): ArrayBuffer {
  return column.slice().buffer as ArrayBuffer;
}
