// Fingerprints from docs/fingerprint.md alone. Checks the vectors of docs/fingerprint-vectors.json:
//
//   npm run fingerprint -- ../../docs/fingerprint-vectors.json

import { readFileSync } from "node:fs";
import { blake3 } from "@noble/hashes/blake3";

// Values in the notation of the vectors: `type` says which other members there are.
type Notation = any; // eslint-disable-line @typescript-eslint/no-explicit-any

const { concat } = Buffer;
const byte = (value: number) => Buffer.from([value]);
const hex = (digits: string) => Buffer.from(digits, "hex");
const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

const seal = (tag: number, ...body: Buffer[]): Buffer => {
  const node = concat([byte(tag), ...body]);
  return node.length <= 64 ? concat([byte(node.length), node]) : concat([byte(0), blake3(node)]);
};

/** Two's complement, little-endian, with room for the sign. */
function twosComplement(value: bigint): Buffer {
  const magnitude = value < 0n ? -value : value;
  const size = Math.floor((magnitude === 0n ? 0 : magnitude.toString(2).length) / 8) + 1;
  const digits = BigInt.asUintN(8 * size, value).toString(16).padStart(2 * size, "0");
  return hex(digits).reverse();
}

/** UTF-8, where half of a surrogate pair is three bytes as well. */
function utf8(text: string): Buffer {
  return concat([...text].map((character) => {
    const code = character.codePointAt(0)!;
    const isHalf = code >= 0xd800 && code < 0xe000;
    return isHalf ? Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]) : Buffer.from(character);
  }));
}

const NONE = seal(0x01);
const bool = (value: boolean) => seal(0x02, byte(Number(value)));
const int = (value: bigint | number | string) => seal(0x03, twosComplement(BigInt(value)));
const str = (text: string) => seal(0x06, utf8(text));
const bytes = (data: Buffer) => seal(0x07, data);
const tuple = (items: Buffer[]) => seal(0x11, ...items);
const sorted = (items: Buffer[]) => [...items].sort(Buffer.compare);
const offset = (microseconds: string | null) => (microseconds === null ? NONE : int(microseconds));
const dictionary = (entries: Buffer[][]) => seal(0x14, ...entries.flat());
const attributes = (entries: Buffer[][]) => seal(0x18, ...entries.sort(([a], [b]) => Buffer.compare(a!, b!)).flat());
/** A member that may be left out. */
const or = (value: Notation | undefined, otherwise: Buffer) => (value === undefined ? otherwise : enc(value));

/** Bytes by bytes, as Arrow keeps notes beside columns. */
const notes = (pairs: [string, string][] | null) =>
  pairs ? dictionary(pairs.map(([key, value]) => [bytes(hex(key)), bytes(hex(value))])) : NONE;

const zone = (v: Notation) => (v ? seal(0x2c, str(v.class), str(v.name), offset(v.offset)) : NONE);
const clock = (v: Notation) => [int(v.microseconds), offset(v.offset), zone(v.zone), int(v.fold ?? 0)];

/** The number that stands for every NaN, and what is larger than infinity without its sign. */
const FLOATS: Record<string, [size: number, nan: bigint, infinity: bigint]> = {
  f2: [2, 0x7e00n, 0x7c00n], f4: [4, 0x7fc00000n, 0x7f800000n], f8: [8, 0x7ff8000000000000n, 0x7ff0000000000000n],
  bfloat16: [2, 0x7fc0n, 0x7f80n],
};
Object.assign(FLOATS, { c8: FLOATS.f4, c16: FLOATS.f8, float16: FLOATS.f2, float32: FLOATS.f4, float64: FLOATS.f8 });

function withOneNaN(kind: string, data: Buffer): Buffer {
  if (!FLOATS[kind]) return data;
  const [size, nan, infinity] = FLOATS[kind];
  const parts: Buffer[] = [];
  for (let start = 0; start < data.length; start += size) {
    const number = data.subarray(start, start + size);
    const bits = BigInt.asUintN(8 * size - 1, BigInt("0x" + Buffer.from(number).reverse().toString("hex")));
    parts.push(bits > infinity ? hex(nan.toString(16).padStart(2 * size, "0")).reverse() : number);
  }
  return concat(parts);
}

const shape = (sizes: number[]) => tuple(sizes.map(int));
const axes = (order?: number[]) => (order ? shape(order) : NONE);
const elements = (tag: number, kind: string, sizes: number[], data: Buffer, ...order: Buffer[]) =>
  seal(tag, str(kind), shape(sizes), ...order, withOneNaN(kind, data));
const array = (kind: string, sizes: number[], data: Buffer, order?: number[]) => elements(0x40, kind, sizes, data, axes(order));
const double = (bits: string) => withOneNaN("f8", hex(bits).reverse());

function numbers(kind: string, values: (number | bigint | boolean)[]): Buffer {
  const size = Number(kind.slice(1));
  const write = (value: number | bigint | boolean) => {
    const data = Buffer.alloc(size);
    if (kind === "f8") data.writeDoubleLE(Number(value));
    else hex(BigInt.asUintN(8 * size, BigInt(value)).toString(16).padStart(2 * size, "0")).reverse().copy(data);
    return data;
  };
  return array(kind, [values.length], concat(values.map(write)));
}

/** A column inside of another one, which may have nulls and has no notes. */
const field = (name: string, inside: Notation) => [str(name), bool(true), NONE, column(inside)];

/** A column: its kind, how many rows, which are not null, and what the kind says. */
function column({ kind, values, inner, fields }: Notation): Buffer {
  const valid: boolean[] = values.map((value: unknown) => value !== null);
  const validity = valid.every(Boolean) ? NONE : numbers("b1", valid);
  return seal(0x50, str(kind), int(values.length), validity, ...parts());

  function parts(): Buffer[] {
    if (kind === "null") return [];
    if (kind.startsWith("dictionary")) {
      const words: Notation[] = [...new Set<Notation>(values)].filter((value) => value !== null);
      return [column({ kind: inner, values: words }), numbers("i8", values.map((value: Notation) => Math.max(words.indexOf(value), 0)))];
    }
    if (/string|binary/.test(kind)) {
      const rows: Buffer[] = values.map((value: string | null) => utf8(value ?? ""));
      return [numbers("i8", rows.map((row) => row.length)), bytes(concat(rows))];
    }
    if (kind === "list") {
      const rows: unknown[][] = values.map((value: unknown[] | null) => value ?? []);
      return [numbers("i8", rows.map((row) => row.length)), ...field("item", { kind: inner, values: rows.flat() })];
    }
    if (kind === "struct")
      return fields.flatMap(([name, kind]: [string, string]) =>
        field(name, { kind, values: values.map((value: Notation) => value?.[name] ?? null) }));
    const plain = /^(date32|time32)/.test(kind) ? "i4" : /\[/.test(kind) ? "i8" : kind;
    return [numbers(plain, values.map((value: number | null) => value ?? 0))];
  }
}

function decimal(text: string): Buffer {
  if (/nan|inf/i.test(text)) return Buffer.from(text);
  const [, sign, whole, part = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text)!;
  const digits = (whole! + part).replace(/^0+(?=\d)/, "");
  return Buffer.from(`${sign}${digits}E${Number(exponent) - part.length}`);
}

/** The tree digest of docs/protocol.md. */
function tree(entries: { path: string; hex: string | null; executable: boolean }[]): Uint8Array {
  const order = [...entries].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return blake3(concat([Buffer.from("xpstore tree v1\n"), ...order.flatMap((entry) => {
    const [path, data, head, size] = [Buffer.from(entry.path), hex(entry.hex ?? ""), Buffer.alloc(4), Buffer.alloc(8)];
    head.writeUInt32LE(path.length);
    size.writeBigUInt64LE(BigInt(data.length));
    const isFile = entry.hex !== null;
    return [head, path, byte(isFile ? 1 : 2), byte(Number(entry.executable)), size, isFile ? blake3(data) : Buffer.alloc(32)];
  })]));
}

const all = (values: Notation[]): Buffer[] => values.map(enc);
const named = (fields: [string, Notation][]) => fields.map(([name, value]) => [str(name), enc(value)] as [Buffer, Buffer]);
const data = (v: Notation) => concat(Array(v.times ?? 1).fill(hex(v.hex)));

const ENCODERS: Record<string, (v: Notation) => Buffer> = {
  none: () => NONE,
  bool: (v) => bool(v.value),
  int: (v) => int(v.value),
  float: (v) => seal(0x04, double(v.bits)),
  complex: (v) => seal(0x05, ...v.bits.map(double)),
  str: (v) => str(v.utf16_hex ? hex(v.utf16_hex).swap16().toString("utf16le") : v.value),
  bytes: (v) => bytes(data(v)),
  bytearray: (v) => seal(0x08, data(v)),
  decimal: (v) => seal(0x09, decimal(v.value)),
  fraction: (v) => seal(0x0a, int(v.numerator), int(v.denominator)),
  list: (v) => seal(0x10, ...all(v.items)),
  tuple: (v) => tuple(all(v.items)),
  set: (v) => seal(0x12, ...sorted(all(v.items))),
  frozenset: (v) => seal(0x13, ...sorted(all(v.items))),
  dict: (v) => dictionary(v.entries.map(all)),
  attributes: (v) => attributes(v.entries.map(all)),
  back: (v) => seal(0x19, twosComplement(BigInt(v.up))),
  ordered_dict: (v) => seal(0x15, ...v.entries.flatMap(all)),
  range: (v) => seal(0x16, int(v.start), int(v.stop), int(v.step)),
  slice: (v) => seal(0x17, ...all([v.start, v.stop, v.step])),
  date: (v) => seal(0x20, Buffer.from(v.value)),
  datetime: (v) => seal(0x21, ...clock(v)),
  time: (v) => seal(0x22, ...clock(v)),
  timedelta: (v) => seal(0x23, twosComplement(BigInt(v.microseconds))),
  uuid: (v) => seal(0x24, hex(v.value.replaceAll("-", ""))),
  pattern: (v) => seal(0x25, enc(v.pattern), int(v.flags)),
  file: (v) => seal(0x26, str(v.name), Buffer.from(blake3(hex(v.hex)))),
  path_text: (v) => seal(0x2d, str(v.value)),
  directory: (v) => seal(0x27, Buffer.from(tree(v.entries))),
  artifact: (v) => seal(0x28, hex(v.digest)),
  model: (v) => seal(0x29, str(v.hash)),
  type: (v) => seal(0x2a, Buffer.from(v.name)),
  fields: (v) => seal(0x30, str(v.class), attributes(named(v.fields))),
  named_tuple: (v) => seal(0x31, str(v.class), tuple(named(v.fields).map(tuple))),
  enum: (v) => seal(0x32, str(v.class), v.name === null ? NONE : str(v.name), enc(v.value)),
  subclass: (v) => seal(0x33, str(v.class), enc(v.value), attributes(named(v.attributes))),
  own: (v) => seal(0x34, str(v.class), enc(v.value)),
  reduced: (v) => seal(0x35, str(v.class), str(v.make), enc(v.arguments), or(v.state, NONE), or(v.items, NONE), or(v.entries, NONE), NONE),
  idle: (v) => seal(0x36, str(v.class)),
  array: (v) => array(v.dtype, v.shape, hex(v.hex), v.axes),
  scalar: (v) => elements(0x41, v.dtype, [], hex(v.hex)),
  records: (v) => {
    const fields = named(v.fields);
    const places = tuple(fields.map(([name], i) => tuple([name, int(v.offsets[i])])));
    return seal(0x42, shape(v.shape), tuple([places, int(v.itemsize), bool(false)]), ...fields.map(([, field]) => field));
  },
  objects: (v) => seal(0x43, shape(v.shape), axes(v.axes), ...all(v.items)),
  dtype: (v) => seal(0x44, Buffer.from(v.name)),
  tensor: (v) => elements(0x45, v.dtype, v.shape, hex(v.hex)),
  column,
  table: (v) => {
    const columns = named(v.columns);
    const beside: [boolean, [string, string][] | null][] = v.notes ?? columns.map(() => [true, null]);
    const head = [int(v.rows), notes(v.metadata ?? null), tuple(beside.map(([nullable, pairs]) => tuple([bool(nullable), notes(pairs)])))];
    return seal(0x51, tuple(columns.map(([name]) => name)), ...head, ...columns.map(([, column]) => column));
  },
  frame: (v) => seal(0x52, enc(v.columns), enc(v.index), or(v.attrs, dictionary([])), bool(true), ...all(v.values)),
  series: (v) => seal(0x53, ...all([v.name, v.index, v.values]), or(v.attrs, dictionary([])), bool(true)),
  index: (v) => seal(0x54, tuple([enc(v.name)]), enc(v.values), v.freq ? str(v.freq) : NONE),
  multi_index: (v) => seal(0x5a, tuple(all(v.names)), ...v.levels.flatMap(([level, codes]: [Notation, number[]]) => [enc(level), numbers("i8", codes)])),
  extension: (v) => seal(0x5b, str(v.name), enc(v.content)),
  categorical: (v) => seal(0x55, enc(v.categories), bool(v.ordered), numbers("i4", v.codes)),
  zoned: (v) => seal(0x56, zone(v.zone), enc(v.instants)),
  missing: (v) => seal(0x57, Buffer.from(v.name)),
  timestamp: (v) => seal(0x58, enc(v.value), int(v.nanoseconds), str(v.unit)),
  intervals: (v) => seal(0x59, str(v.closed), enc(v.left), enc(v.right)),
};

/** How a value stands in its parent. */
export function enc(value: Notation): Buffer {
  return ENCODERS[value.type]!(value);
}

const digest = (prefix: string, ...data: Buffer[]) =>
  Buffer.from(blake3(concat([Buffer.from(prefix), ...data]))).toString("hex");

export const fingerprint = (value: Notation): string => digest("xpstore value v2\n", enc(value));

type Part = { kind: number; name: string; fingerprint: string };

/** The key of a cache entry. */
export function fingerprintProcess(name: string, parts: Part[]): string {
  if (!name) throw new Error("the name is empty");
  const order = [...parts].sort((a, b) => a.kind - b.kind || Buffer.compare(utf8(a.name), utf8(b.name)));
  order.forEach((part, i) => {
    if (!/^[0-9a-f]{64}$/.test(part.fingerprint)) throw new Error("a fingerprint has 64 lower-case hexadecimal digits");
    if (i && order[i - 1]!.kind === part.kind && order[i - 1]!.name === part.name)
      throw new Error("two parts have the same kind and name");
  });
  const encoded = order.map((part) => tuple([int(part.kind), str(part.name), bytes(hex(part.fingerprint))]));
  return digest("xpstore process v2\n", str(name), ...encoded);
}

function isRefused(act: () => string): boolean {
  try {
    act();
    return false;
  } catch {
    return true;
  }
}

const vectors = JSON.parse(readFileSync(process.argv[2]!, "utf8"));
const wrong: string[] = [
  ...vectors.values.filter((v: Notation) => enc(v.value).toString("hex") !== v.encoding_hex || fingerprint(v.value) !== v.fingerprint),
  ...vectors.processes.filter((v: Notation) => fingerprintProcess(v.process, v.parts) !== v.fingerprint),
  ...vectors.refused_values.filter((v: Notation) => !isRefused(() => fingerprint(v.value))),
  ...vectors.refused_processes.filter((v: Notation) => !isRefused(() => fingerprintProcess(v.process, v.parts))),
].map((v) => v.name);
const total = sum(["values", "processes", "refused_values", "refused_processes"].map((key) => vectors[key].length));
console.log(`${total - wrong.length} of ${total} vectors agree`);
if (wrong.length) console.log(`wrong: ${wrong.join("; ")}`);
process.exitCode = wrong.length ? 1 : 0;
