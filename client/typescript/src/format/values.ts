// Values as files and back: `value.json` of docs/artifact-types.md, which other languages read too.

import { invalid, XpstoreError } from "../core/errors.js";
import { Float, isInt, isPlain, Tuple } from "./fingerprint.js";

/** What a computation may return: what JSON can say, integers beyond 2^53, bytes, maps, and values of other languages. */
export type Value =
  | null | boolean | number | bigint | string | Uint8Array | Float | Tagged
  | readonly Value[] | ReadonlyMap<Value, Value> | { readonly [key: string]: Value };

/**
 * A value that this language has no type for, as another one wrote it: `tag` is "$datetime" or the like, `body` the JSON
 * of it (docs/artifact-types.md), in which integers beyond 2^53 are bigints.
 */
export class Tagged {
  constructor(readonly tag: string, readonly body: unknown) {}
}

/** A value as the files of an artifact. */
export interface ValueFiles {
  json: string;
  /** Beside it, by name. */
  files: Map<string, Uint8Array>;
}

const INLINE_BYTES = 4_096;
const MOST_DEPTH = 500;
// Stands for an integer that a number of JavaScript cannot hold, while JSON is read. No tag has a NUL.
const BIG = "$\0int";

/** Writes a value. Throws INVALID_ARGUMENT for what has no safe format, naming where it is. */
export function writeValue(value: Value): ValueFiles {
  const files = new Map<string, Uint8Array>();
  const node = writeNode(value, "value", files, 0);
  return { json: `{"xpstore_value":1,"value":${node}}`, files };
}

function writeNode(value: Value, name: string, files: Map<string, Uint8Array>, depth: number): string {
  if (depth > MOST_DEPTH) throw invalid(name, "a value", "contains itself, or is nested too deep");
  const inner = (item: Value, at: string): string => writeNode(item, `${name}${at}`, files, depth + 1);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return isInt(value) ? String(value) : writeFloat(value);
  if (typeof value === "string") return writeText(value);
  if (value instanceof Float) return writeFloat(value.value);
  if (value instanceof Uint8Array) return writeBytes(value, files);
  if (value instanceof Tagged) return tagged(value.tag, writeJson(value.body, name));
  if (Array.isArray(value)) {
    const items = `[${Array.from(value as Value[], (item, i) => inner(item, `[${i}]`)).join()}]`;
    return value instanceof Tuple ? tagged("$tuple", items) : items;
  }
  if (value instanceof Map) {
    const entries = [...(value as Map<Value, Value>)];
    return tagged("$dict", `[${entries.map(([key, item]) => `[${inner(key, " key")},${inner(item, `[${String(key)}]`)}]`).join()}]`);
  }
  if (typeof value === "object" && isPlain(value)) {
    const entries = Object.entries(value as Record<string, Value>);
    if (entries.every(([key]) => !key.startsWith("$") && key.isWellFormed())) {
      return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${inner(item, `.${key}`)}`).join()}}`;
    }
    return tagged("$dict", `[${entries.map(([key, item]) => `[${writeText(key)},${inner(item, `.${key}`)}]`).join()}]`);
  }
  const kind = typeof value === "object" ? (value as object).constructor.name : typeof value;
  throw invalid(name, kind, "has no safe format: return null, booleans, numbers, text, bytes, arrays, maps or plain objects");
}

const tagged = (tag: string, body: string): string => `{${JSON.stringify(tag)}:${body}}`;

/** With a point or an exponent, or it would come back as an integer. */
function writeFloat(value: number): string {
  if (Number.isNaN(value)) return tagged("$float", '"nan"');
  if (!Number.isFinite(value)) return tagged("$float", value > 0 ? '"inf"' : '"-inf"');
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function writeText(value: string): string {
  if (value.isWellFormed()) return JSON.stringify(value);
  const points = Array.from(value, (character) => character.codePointAt(0)!.toString(16).padStart(8, "0"));
  return tagged("$text", `"${points.join("")}"`);
}

function writeBytes(value: Uint8Array, files: Map<string, Uint8Array>): string {
  if (value.length <= INLINE_BYTES) return tagged("$bytes", `"${Buffer.from(value).toString("base64")}"`);
  const name = `${files.size}.bin`;
  files.set(name, value);
  return tagged("$large_bytes", JSON.stringify(name));
}

/** The JSON of a tagged value, as it was read. */
function writeJson(body: unknown, name: string): string {
  if (typeof body === "bigint") return body.toString();
  if (body instanceof Float) return writeFloat(body.value);
  if (Array.isArray(body)) return `[${body.map((item) => writeJson(item, name)).join()}]`;
  if (typeof body === "object" && body !== null) {
    return `{${Object.entries(body).map(([key, item]) => `${JSON.stringify(key)}:${writeJson(item, name)}`).join()}}`;
  }
  const text = JSON.stringify(body) as string | undefined;
  if (text === undefined) throw invalid(name, typeof body, "is no JSON");
  return text;
}

/**
 * Reads a value. Floats without a fraction come back as numbers like any other, integers beyond 2^53 as bigints, dictionaries whose keys are not all text as
 * maps, and what this language has no type for as `Tagged`.
 *
 * @param bytesOf - reads a file beside it.
 */
export async function readValue(json: string, bytesOf: (path: string) => Promise<Uint8Array>): Promise<Value> {
  const whole = parse(json) as { xpstore_value?: unknown; value?: unknown } | null;
  if (whole?.xpstore_value !== 1) {
    throw new XpstoreError("The result was written by a newer version of xpstore: update this client.", "INVALID_ARGUMENT", { field: "xpstore_value" });
  }
  return readNode(whole.value, bytesOf);
}

/** JSON with all digits of its integers. */
function parse(json: string): unknown {
  return JSON.parse(json.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `{"$\\u0000int":"${token}"}` : token));
}

async function readNode(node: unknown, bytesOf: (path: string) => Promise<Uint8Array>): Promise<Value> {
  if (typeof node !== "object" || node === null) return node as Value;
  const inner = (item: unknown): Promise<Value> => readNode(item, bytesOf);
  if (Array.isArray(node)) return each(node, inner);
  const keys = Object.keys(node);
  const tag = keys.length === 1 && keys[0]!.startsWith("$") ? keys[0]! : "";
  const body: unknown = (node as Record<string, unknown>)[tag];
  switch (tag) {
    case "":
      return Object.fromEntries(await each(Object.entries(node), async ([key, item]): Promise<[string, Value]> => [key, await inner(item)]));
    case BIG:
      return BigInt(body as string);
    case "$tuple":
      return Tuple.from(await each(body as unknown[], inner));
    case "$dict":
    case "$ordered_dict":
      return new Map(await each(body as [unknown, unknown][], async ([key, item]): Promise<[Value, Value]> => [await inner(key), await inner(item)]));
    case "$float":
      return { nan: NaN, inf: Infinity, infinity: Infinity, "-inf": -Infinity, "-infinity": -Infinity }[String(body).toLowerCase()] ?? Number(body);
    case "$text":
      return (String(body).match(/.{8}/g) ?? []).map((digits) => String.fromCodePoint(Number.parseInt(digits, 16))).join("");
    case "$bytes":
    case "$bytearray":
      return Uint8Array.from(Buffer.from(String(body), "base64"));
    case "$large_bytes":
    case "$large_bytearray":
      return bytesOf(String(body));
    default:
      return new Tagged(tag, plain(body));
  }
}

/** One after the other: there may be many, and few of them wait for anything. */
async function each<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const all: R[] = [];
  for (const item of items) all.push(await read(item));
  return all;
}

/** The JSON of a tag's body, its large integers as bigints. */
function plain(node: unknown): unknown {
  if (typeof node !== "object" || node === null) return node;
  if (Array.isArray(node)) return node.map(plain);
  const entries = Object.entries(node);
  if (entries.length === 1 && entries[0]![0] === BIG) return BigInt(entries[0]![1] as string);
  return Object.fromEntries(entries.map(([key, item]) => [key, plain(item)]));
}
