// Fingerprints, version 2 (docs/fingerprint.md): what makes two computations the same, in all languages.

import { invalid } from "../core/errors.js";
import { blake3 } from "../core/hash.js";

/** The format that `process` and `fingerprintOf` have. */
export const FORMAT = 2;

const MOST_DEPTH = 500;
const PREFIX = Buffer.from("xpstore value v2\n");

/**
 * What a parameter may be: what JSON can say, and integers beyond 2^53, bytes, and maps whose keys are any of these.
 *
 * The order of an object's keys counts, as in Python. JavaScript itself puts keys that look like numbers first: a map keeps its order.
 */
export type Parameter =
  | null | boolean | number | bigint | string | Uint8Array | Float
  | readonly Parameter[] | ReadonlyMap<Parameter, Parameter> | { readonly [key: string]: Parameter };

/**
 * A number that is a float though it is an integer: `new Float(1)` is Python's `1.0`.
 *
 * To JavaScript 1 and 1.0 are one number. A number that is an exact integer, 1 or -7, counts as an int, as in JSON; others (0.5,
 * NaN, -0, 1e300) are floats. A bigint is always an int.
 */
export class Float {
  constructor(readonly value: number) {}
}

/** An array that is a tuple to Python: `Tuple.of(1, "a")`. A cached tuple comes back as one. */
export class Tuple<T = unknown> extends Array<T> {
  static override get [Symbol.species](): ArrayConstructor {
    return Array; // what `map` and `filter` make of one is a list
  }
}

/** Whether a number of JavaScript stands for an int. */
export const isInt = (value: number): boolean => Number.isSafeInteger(value) && !Object.is(value, -0);

/** How a node stands in its parent. */
export function seal(tag: number, ...body: Uint8Array[]): Buffer {
  const node = Buffer.concat([Buffer.from([tag]), ...body]);
  return node.length <= 64 ? Buffer.concat([Buffer.from([node.length]), node]) : Buffer.concat([Buffer.from([0]), blake3(node)]);
}

/** Two's complement, little-endian, with room for the sign. */
export function twosComplement(value: bigint): Buffer {
  const magnitude = value < 0n ? -value : value;
  const size = Math.floor((magnitude === 0n ? 0 : magnitude.toString(2).length) / 8) + 1;
  return Buffer.from(BigInt.asUintN(8 * size, value).toString(16).padStart(2 * size, "0"), "hex").reverse();
}

/** UTF-8, where half of a surrogate pair is three bytes as well. */
export function utf8(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  return Buffer.concat([...text].map((character) => {
    const code = character.codePointAt(0)!;
    const isHalf = code >= 0xd800 && code < 0xe000;
    return isHalf ? Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]) : Buffer.from(character);
  }));
}

export function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Number.isNaN(value) ? Buffer.from("000000000000f87f", "hex") : bytes;
}

export const NONE = seal(0x01);
export const bool = (value: boolean): Buffer => seal(0x02, Buffer.from([Number(value)]));
export const int = (value: bigint | number): Buffer => seal(0x03, twosComplement(BigInt(value)));
export const text = (value: string): Buffer => seal(0x06, utf8(value));
export const bytes = (value: Uint8Array): Buffer => seal(0x07, value);
export const list = (items: Buffer[]): Buffer => seal(0x10, ...items);
export const tuple = (items: Buffer[]): Buffer => seal(0x11, ...items);
export const dictionary = (entries: [Buffer, Buffer][]): Buffer => seal(0x14, ...entries.flat());

/** A value as it stands in its parent. */
export function encode(value: Parameter, name: string, depth = 0): Buffer {
  if (depth > MOST_DEPTH) throw invalid(name, "a value", "contains itself, or is nested too deep");
  if (value === null) return NONE;
  switch (typeof value) {
    case "boolean":
      return bool(value);
    case "bigint":
      return int(value);
    case "number":
      return isInt(value) ? int(value) : seal(0x04, double(value));
    case "string":
      return text(value);
    case "object":
      return encodeObject(value, name, depth + 1);
    default:
      throw invalid(name, typeof value, "has no fingerprint: give null, booleans, numbers, text, bytes, arrays, maps or plain objects");
  }
}

function encodeObject(value: Exclude<Parameter, null | string | number | bigint | boolean>, name: string, depth: number): Buffer {
  if (value instanceof Float) return seal(0x04, double(value.value));
  if (value instanceof Uint8Array) return bytes(value);
  if (Array.isArray(value)) {
    const items = Array.from(value as Parameter[], (item, i) => encode(item, `${name}[${i}]`, depth));
    return value instanceof Tuple ? tuple(items) : list(items);
  }
  if (value instanceof Map) {
    return dictionary([...(value as Map<Parameter, Parameter>)].map(([key, item]) => [encode(key, `key of ${name}`, depth), encode(item, `${name}[${String(key)}]`, depth)]));
  }
  if (isPlain(value)) return dictionary(Object.entries(value).map(([key, item]) => [text(key), encode(item, `${name}.${key}`, depth)]));
  throw invalid(name, (value as object).constructor.name, "has no fingerprint: give null, booleans, numbers, text, bytes, arrays, maps or plain objects");
}

/** Whether an object is one of braces: what a class adds, nobody would see. */
export function isPlain(value: object): value is Record<string, Parameter> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && Object.getOwnPropertySymbols(value).length === 0;
}

/** The fingerprint of an encoded value. */
export const ofEncoded = (encoded: Uint8Array): Buffer => Buffer.from(blake3(PREFIX, encoded));

/** One part of a process; `kind` is a number of the contract's `ArtifactProcessPartKind`. */
export interface Part {
  kind: number;
  name: string;
  /** 64 lower-case hexadecimal digits. */
  fingerprint: string;
  /** It in words for people; does not count. */
  text?: string;
}

/** The key of a cache entry: the fingerprint of a process, which is a name and parts in any order. */
export function ofProcess(name: string, parts: readonly Part[]): string {
  if (name === "") throw invalid("process", name, "is empty");
  const keyed = parts.map((part): [Buffer, Part] => {
    if (!/^[0-9a-f]{64}$/.test(part.fingerprint)) throw invalid("fingerprint", part.fingerprint, "must have 64 lower-case hexadecimal digits");
    return [utf8(part.name), part];
  });
  keyed.sort(([a, { kind }], [b, { kind: other }]) => kind - other || Buffer.compare(a, b));
  const encoded = keyed.map(([key, part], i) => {
    const before = keyed[i - 1];
    if (before?.[1].kind === part.kind && before[0].equals(key)) throw invalid("parts", part.name, "two parts have the same kind and name");
    return tuple([int(part.kind), text(part.name), bytes(Buffer.from(part.fingerprint, "hex"))]);
  });
  return Buffer.from(blake3(Buffer.from("xpstore process v2\n"), text(name), ...encoded)).toString("hex");
}

export const [PARAMETER, VERSION] = [1, 2];

/** The process of a computation by its declared version and its parameters. */
export function toParts(version: string | number | undefined, parameters: Readonly<Record<string, Parameter>>): Part[] {
  const parts = Object.entries(parameters).map(([name, value]): Part =>
    ({ kind: PARAMETER, name, fingerprint: ofEncoded(encode(value, name)).toString("hex"), text: inWords(value) }));
  if (version !== undefined) {
    parts.push({ kind: VERSION, name: "version", fingerprint: ofEncoded(text(String(version))).toString("hex"), text: String(version).slice(0, 200) });
  }
  return parts;
}

function inWords(value: Parameter): string {
  const said = JSON.stringify(value, (_, item: unknown) => {
    if (typeof item === "bigint") return item.toString();
    if (item instanceof Float) return item.value;
    if (item instanceof Uint8Array) return `${item.length} bytes`;
    return item instanceof Map ? `map of ${item.size}` : item;
  }).toWellFormed();
  return said.length > 200 ? `${[...said.slice(0, 199)].slice(0, -1).join("")}...` : said;
}
