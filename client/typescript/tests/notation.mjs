// The notation of docs/fingerprint-vectors.json, all of it: what the client encodes by its own functions, and values that only other
// languages have, so that the whole of docs/fingerprint.md is checked by a second implementation.

import { bool, bytes, dictionary, int, list, NONE, seal, text as str, tuple, twosComplement, utf8 } from "../dist/format/fingerprint.js";
import { blake3 } from "../dist/core/hash.js";
import { treeDigest } from "../dist/format/tree.js";

const { concat } = Buffer;
const byte = (value) => Buffer.from([value]);
const hex = (digits) => Buffer.from(digits, "hex");
const sorted = (items) => [...items].sort(Buffer.compare);
const offset = (microseconds) => (microseconds === null ? NONE : int(microseconds));
const attributes = (entries) => seal(0x18, ...entries.sort(([a], [b]) => Buffer.compare(a, b)).flat());
/** A member that may be left out. */
const or = (value, otherwise) => (value === undefined ? otherwise : enc(value));

/** Bytes by bytes, as Arrow keeps notes beside columns. */
const notes = (pairs) => (pairs ? dictionary(pairs.map(([key, value]) => [bytes(hex(key)), bytes(hex(value))])) : NONE);

const zone = (v) => (v ? seal(0x2c, str(v.class), str(v.name), offset(v.offset)) : NONE);
const clock = (v) => [int(v.microseconds), offset(v.offset), zone(v.zone), int(v.fold ?? 0)];

/** The number that stands for every NaN, and what is larger than infinity without its sign. */
const FLOATS = {
  f2: [2, 0x7e00n, 0x7c00n], f4: [4, 0x7fc00000n, 0x7f800000n], f8: [8, 0x7ff8000000000000n, 0x7ff0000000000000n],
  bfloat16: [2, 0x7fc0n, 0x7f80n],
};
Object.assign(FLOATS, { c8: FLOATS.f4, c16: FLOATS.f8, float16: FLOATS.f2, float32: FLOATS.f4, float64: FLOATS.f8 });

function withOneNaN(kind, data) {
  if (!FLOATS[kind]) return data;
  const [size, nan, infinity] = FLOATS[kind];
  const parts = [];
  for (let start = 0; start < data.length; start += size) {
    const number = data.subarray(start, start + size);
    const bits = BigInt.asUintN(8 * size - 1, BigInt("0x" + Buffer.from(number).reverse().toString("hex")));
    parts.push(bits > infinity ? hex(nan.toString(16).padStart(2 * size, "0")).reverse() : number);
  }
  return concat(parts);
}

const shape = (sizes) => tuple(sizes.map(int));
const axes = (order) => (order ? shape(order) : NONE);
const elements = (tag, kind, sizes, data, ...order) =>
  seal(tag, str(kind), shape(sizes), ...order, withOneNaN(kind, data));
const array = (kind, sizes, data, order) => elements(0x40, kind, sizes, data, axes(order));
const double = (bits) => withOneNaN("f8", hex(bits).reverse());

function numbers(kind, values) {
  const size = Number(kind.slice(1));
  const write = (value) => {
    const data = Buffer.alloc(size);
    if (kind === "f8") data.writeDoubleLE(Number(value));
    else hex(BigInt.asUintN(8 * size, BigInt(value)).toString(16).padStart(2 * size, "0")).reverse().copy(data);
    return data;
  };
  return array(kind, [values.length], concat(values.map(write)));
}

/** A column inside of another one, which may have nulls and has no notes. */
const field = (name, inside) => [str(name), bool(true), NONE, column(inside)];

/** A column: its kind, how many rows, which are not null, and what the kind says. */
function column({ kind, values, inner, fields }) {
  const valid = values.map((value) => value !== null);
  const validity = valid.every(Boolean) ? NONE : numbers("b1", valid);
  return seal(0x50, str(kind), int(values.length), validity, ...parts());

  function parts() {
    if (kind === "null") return [];
    if (kind.startsWith("dictionary")) {
      const words = [...new Set(values)].filter((value) => value !== null);
      return [column({ kind: inner, values: words }), numbers("i8", values.map((value) => Math.max(words.indexOf(value), 0)))];
    }
    if (/string|binary/.test(kind)) {
      const rows = values.map((value) => utf8(value ?? ""));
      return [numbers("i8", rows.map((row) => row.length)), bytes(concat(rows))];
    }
    if (kind === "list") {
      const rows = values.map((value) => value ?? []);
      return [numbers("i8", rows.map((row) => row.length)), ...field("item", { kind: inner, values: rows.flat() })];
    }
    if (kind === "struct")
      return fields.flatMap(([name, kind]) =>
        field(name, { kind, values: values.map((value) => value?.[name] ?? null) }));
    const plain = /^(date32|time32)/.test(kind) ? "i4" : /\[/.test(kind) ? "i8" : kind;
    return [numbers(plain, values.map((value) => value ?? 0))];
  }
}

function decimal(text) {
  if (/nan|inf/i.test(text)) return Buffer.from(text);
  const [, sign, whole, part = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text);
  const digits = (whole + part).replace(/^0+(?=\d)/, "");
  return Buffer.from(`${sign}${digits}E${Number(exponent) - part.length}`);
}

/** The tree digest of files in the notation. */
function tree(entries) {
  const order = [...entries].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return treeDigest(order.map(({ path, executable, hex: digits }) => {
    const data = hex(digits ?? "");
    return { path, executable, isDirectory: digits === null, sizeBytes: BigInt(data.length), digest: blake3(data) };
  }));
}

const all = (values) => values.map(enc);
const named = (fields) => fields.map(([name, value]) => [str(name), enc(value)]);
const data = (v) => concat(Array(v.times ?? 1).fill(hex(v.hex)));

const ENCODERS = {
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
  list: (v) => list(all(v.items)),
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
    const beside = v.notes ?? columns.map(() => [true, null]);
    const head = [int(v.rows), notes(v.metadata ?? null), tuple(beside.map(([nullable, pairs]) => tuple([bool(nullable), notes(pairs)])))];
    return seal(0x51, tuple(columns.map(([name]) => name)), ...head, ...columns.map(([, column]) => column));
  },
  frame: (v) => seal(0x52, enc(v.columns), enc(v.index), or(v.attrs, dictionary([])), bool(true), ...all(v.values)),
  series: (v) => seal(0x53, ...all([v.name, v.index, v.values]), or(v.attrs, dictionary([])), bool(true)),
  index: (v) => seal(0x54, tuple([enc(v.name)]), enc(v.values), v.freq ? str(v.freq) : NONE),
  multi_index: (v) => seal(0x5a, tuple(all(v.names)), ...v.levels.flatMap(([level, codes]) => [enc(level), numbers("i8", codes)])),
  extension: (v) => seal(0x5b, str(v.name), enc(v.content)),
  categorical: (v) => seal(0x55, enc(v.categories), bool(v.ordered), numbers("i4", v.codes)),
  zoned: (v) => seal(0x56, zone(v.zone), enc(v.instants)),
  missing: (v) => seal(0x57, Buffer.from(v.name)),
  timestamp: (v) => seal(0x58, enc(v.value), int(v.nanoseconds), str(v.unit)),
  intervals: (v) => seal(0x59, str(v.closed), enc(v.left), enc(v.right)),
};

/** How a value stands in its parent. */
export function enc(value) {
  const encode = ENCODERS[value.type];
  if (encode === undefined) throw new Error(`${value.type} has no fingerprint`);
  return encode(value);
}
