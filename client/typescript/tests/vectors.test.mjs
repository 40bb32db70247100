// The vectors of docs/: this client agrees with all others on every byte.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { blake3 as reference } from "@noble/hashes/blake3";
import { blake3, blake3Hex, Hasher, loadHash } from "../dist/core/hash.js";
import { toHex } from "../dist/core/ids.js";
import { Cutter } from "../dist/format/cut.js";
import { encode, Float, ofEncoded, ofProcess, toParts, Tuple } from "../dist/format/fingerprint.js";
import { faultOf, sortedByPath, toManifest, treeDigest } from "../dist/format/tree.js";
import { readValue, Tagged, writeValue } from "../dist/format/values.js";
import { decodeChunk, encodeChunk, loadZstd } from "../dist/node/zstd.js";
import { enc } from "./notation.mjs";

const read = (name) => JSON.parse(readFileSync(new URL(`../../../docs/${name}-vectors.json`, import.meta.url), "utf8"));
const [protocol, prints, values] = ["protocol", "fingerprint", "value"].map(read);
const hex = (digits) => Buffer.from(digits, "hex");

before(async () => {
  await loadHash();
  await loadZstd();
});

test("BLAKE3 of the library is that of another one, in one piece and in many", async () => {
  const data = Buffer.from(reference(Buffer.from("seed"), { dkLen: 300_001 }));
  for (const size of [0, 1, 63, 64, 65, 1023, 1024, 1025, 16_384, 16_385, 300_001]) {
    const part = data.subarray(0, size);
    const expected = toHex(reference(part));
    assert.equal(blake3Hex(part), expected);
    const hasher = await Hasher.create();
    for (let at = 0; at < size; at += 7_919) hasher.update(part.subarray(at, at + 7_919));
    assert.equal(toHex(hasher.digest()), expected);
  }
});

test("every fingerprint of the vectors", () => {
  for (const { name, value, encoding_hex, fingerprint } of prints.values) {
    assert.equal(enc(value).toString("hex"), encoding_hex, name);
    assert.equal(ofEncoded(enc(value)).toString("hex"), fingerprint, name);
  }
  for (const { name, process, parts, fingerprint } of prints.processes) assert.equal(ofProcess(process, parts), fingerprint, name);
  for (const { name, value } of prints.refused_values) assert.throws(() => enc(value), name);
  for (const { name, process, parts } of prints.refused_processes) {
    assert.throws(() => ofProcess(process, parts), { reason: "INVALID_ARGUMENT" }, name);
  }
  assert.ok(prints.values.length >= 143);
});

test("values of JavaScript have the fingerprints of the same values in the vectors", () => {
  let count = 0;
  for (const { name, value, encoding_hex } of prints.values) {
    const own = toOwn(value);
    if (own === undefined) continue;
    count++;
    assert.equal(encode(own.value, "x").toString("hex"), encoding_hex, name);
  }
  assert.ok(count >= 30, `only ${count} of them`);
});

test("what has no fingerprint is refused and named", () => {
  const circle = [];
  circle.push(circle);
  for (const value of [undefined, () => 1, Symbol("a"), new Date(0), new (class A {})(), [undefined], { a: undefined }, circle, [1, , 2]]) {
    assert.throws(() => encode(value, "x"), (error) => error.reason === "INVALID_ARGUMENT" && error.metadata.field.startsWith("x"));
  }
  assert.throws(() => toParts(1, { a: { b: [new Date(0)] } }), /a\.b\[0\]/);
});

test("every tree digest, cut, path and chunk of the vectors", () => {
  for (const { name, entries, digest } of protocol.trees) {
    const tree = sortedByPath(entries).map((entry) => ({
      ...entry, isDirectory: entry.type === "directory", sizeBytes: BigInt(entry.size_bytes), digest: hex(entry.blake3),
    }));
    assert.equal(toHex(treeDigest(tree)), digest, name);
  }
  const cutter = new Cutter({ minSizeBytes: 98_304, averageSizeBytes: 196_608, maxSizeBytes: 1_048_576 });
  for (const { name, content, chunk_sizes, chunk_digests_blake3 } of protocol.cuts) {
    const data = Buffer.concat(content.map(({ seed, size_bytes }) =>
      seed === "zeros" ? Buffer.alloc(size_bytes) : Buffer.from(reference(Buffer.from(seed), { dkLen: size_bytes }))));
    const sizes = cutter.sizes(data, true);
    assert.deepEqual(sizes, chunk_sizes, name);
    let at = 0;
    assert.equal(blake3Hex(...sizes.map((size) => blake3(data.subarray(at, (at += size))))), chunk_digests_blake3, name);
    // In pieces, as files are read: the same chunks.
    const [found, pieces] = [[], [data.subarray(0, 1_500_000), data.subarray(1_500_000, 3_000_001), data.subarray(3_000_001)]];
    let carried = Buffer.alloc(0);
    pieces.forEach((piece, i) => {
      const block = Buffer.concat([carried, piece]);
      const some = cutter.sizes(block, i === pieces.length - 1);
      carried = block.subarray(some.reduce((sum, size) => sum + size, 0));
      found.push(...some);
    });
    assert.deepEqual(found, chunk_sizes, name);
  }
  for (const { codec, raw_hex, stored_hex, blake3: digest } of protocol.chunks) {
    const raw = hex(raw_hex);
    const chunk = { digest: hex(digest), codec: codec === "zstd" ? 2 : 1, data: hex(stored_hex) };
    assert.deepEqual(Buffer.from(decodeChunk(chunk, raw.length)), raw);
    const encoded = encodeChunk(raw);
    assert.deepEqual(Buffer.from(decodeChunk({ ...encoded, digest: hex(digest) }, raw.length)), raw);
  }
  for (const path of ["", "/a", "a/", "a//b", ".", "a/../b", "a\\b", "C:a", "a\0", "\ud800", "x".repeat(4_097)]) assert.ok(faultOf(path), JSON.stringify(path));
  assert.equal(faultOf("a b/ü/c:d"), undefined);
  assert.throws(() => sortedByPath([{ path: "a" }, { path: "a" }]), { reason: "INVALID_ARGUMENT" });
});

test("damaged chunks are never taken", () => {
  const raw = Buffer.alloc(100_000, "abc");
  const { codec, data } = encodeChunk(raw);
  assert.equal(codec, 2);
  const digest = blake3(raw);
  for (const at of [0, 5, 6, 7, 8, data.length - 1]) {
    const damaged = Uint8Array.from(data);
    damaged[at] ^= 0xff;
    assert.throws(() => decodeChunk({ digest, codec, data: damaged }, raw.length), { reason: "DATA_LOSS" }, `byte ${at}`);
  }
  assert.throws(() => decodeChunk({ digest, codec, data: data.subarray(0, 9) }, raw.length), { reason: "DATA_LOSS" });
  assert.throws(() => decodeChunk({ digest, codec: 9, data: raw }, raw.length), { reason: "DATA_LOSS" });
  // A frame that says 4 GiB of content.
  const bomb = hex("28b52ffde00000000001000000010000");
  assert.throws(() => decodeChunk({ digest, codec, data: bomb }, raw.length), /another size/);
});

test("the manifest of a large tree has pages in order, and a file of many chunks goes on in the next entry", () => {
  const digest = blake3(Buffer.from("x"));
  const chunks = Array.from({ length: 40_000 }, () => ({ digest, size: 3 }));
  const { root, pages } = toManifest([{ path: "a", isDirectory: false, executable: false, sizeBytes: 120_000n, digest, chunks }]);
  assert.deepEqual(root.pages.map((page) => [page.firstPath, page.firstOffset]), [["a", 0n], ["", 36_000n], ["", 72_000n], ["", 108_000n]]);
  for (const [i, page] of pages.entries()) {
    assert.ok(page.data.length <= 1 << 20);
    assert.equal(toHex(page.digest), toHex(root.pages[i].digest));
  }
});

test("every value of the vectors that JavaScript has is written as Python writes it, and read back", async () => {
  let count = 0;
  for (const { name, value, node, files = {} } of values.values) {
    const own = toOwn(value);
    if (own === undefined) continue;
    count++;
    const written = writeValue(own.value);
    assert.deepEqual(JSON.parse(written.json), { xpstore_value: 1, value: node }, name);
    const stored = Object.fromEntries([...written.files].map(([path, data]) => [path, toHex(data)]));
    const expected = Object.fromEntries(Object.entries(files).map(([path, file]) => [path, file.hex.repeat(file.times ?? 1)]));
    assert.deepEqual(stored, expected, name);
    const back = await readValue(written.json, async (path) => written.files.get(path));
    assert.deepEqual(plainly(back), plainly(own.value), name);
  }
  assert.ok(count >= 20, `only ${count} of them`);
});

test("what others wrote is read, and what there is no type for is handed on as it is", async () => {
  const none = async () => assert.fail("there is no file");
  const value = async (text) => readValue(`{"xpstore_value": 1, "value": ${text}}`, none);
  assert.deepEqual(await value('{"$tuple": [1, {"$tuple": []}]}'), Tuple.of(1, Tuple.of()));
  assert.equal(await value("18446744073709551616"), 2n ** 64n);
  assert.equal(await value("9007199254740993"), 9007199254740993n);
  assert.equal(await value("-1.5e3"), -1500);
  assert.deepEqual(await value('"12345678901234567890 \\" 1"'), '12345678901234567890 " 1');
  assert.deepEqual(await value('{"$dict": [["$a", 1], [{"$tuple": [1]}, null]]}'), new Map([["$a", 1], [Tuple.of(1), null]]));
  assert.equal(await value('{"$float": "-Infinity"}'), -Infinity);
  const tagged = await value('{"\\u0024datetime": ["2026-11-22T07:00:00+01:00", null, 12345678901234567890]}');
  assert.deepEqual(tagged, new Tagged("$datetime", ["2026-11-22T07:00:00+01:00", null, 12345678901234567890n]));
  assert.equal(writeValue([tagged]).json, '{"xpstore_value":1,"value":[{"$datetime":["2026-11-22T07:00:00+01:00",null,12345678901234567890]}]}');
  await assert.rejects(readValue('{"xpstore_value": 2, "value": 1}', none), { reason: "INVALID_ARGUMENT" });
  assert.throws(() => writeValue({ a: [1, new Date(0)] }), /value\.a\[1\]/);
  assert.throws(() => writeValue([undefined]), { reason: "INVALID_ARGUMENT" });
  assert.equal(writeValue([1, new Float(1), -0, 1e20, 1e21, 0.1, 10n ** 30n]).json,
    '{"xpstore_value":1,"value":[1,1.0,-0.0,100000000000000000000.0,1e+21,0.1,1000000000000000000000000000000]}');
});

/** A value of the notation as JavaScript has it; undefined where it has none. */
function toOwn(value) {
  const inner = (items) => items.map(toOwn);
  switch (value.type) {
    case "none":
      return { value: null };
    case "bool":
      return { value: value.value };
    case "int":
      return { value: Number.isSafeInteger(Number(value.value)) ? Number(value.value) : BigInt(value.value) };
    case "float": {
      const number = hex(value.bits).readDoubleBE();
      return { value: Number.isInteger(number) ? new Float(number) : number };
    }
    case "str":
      return { value: value.utf16_hex ? hex(value.utf16_hex).swap16().toString("utf16le") : value.value };
    case "bytes":
      return { value: Uint8Array.from(hex(value.hex.repeat(value.times ?? 1))) };
    case "list":
    case "tuple": {
      const items = inner(value.items);
      const made = items.map((item) => item?.value);
      return items.includes(undefined) ? undefined : { value: value.type === "tuple" ? Tuple.from(made) : made };
    }
    case "dict": {
      const entries = value.entries.map(inner);
      if (entries.flat().includes(undefined)) return undefined;
      const pairs = entries.map(([key, item]) => [key.value, item.value]);
      if (new Map(pairs).size < pairs.length) return undefined; // two NaN, which Python has in one dictionary
      const isText = pairs.every(([key]) => typeof key === "string");
      return { value: isText ? Object.fromEntries(pairs) : new Map(pairs) };
    }
    default:
      return undefined;
  }
}

/** As it comes back: 1.0 is 1 here, and an object whose keys begin with "$" a map. */
function plainly(value) {
  if (value instanceof Float) return value.value;
  if (Array.isArray(value)) return (value instanceof Tuple ? Tuple : Array).from(value, plainly);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [plainly(key), plainly(item)]));
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).map(([key, item]) => [key, plainly(item)]);
  return entries.some(([key]) => key.startsWith("$")) ? new Map(entries) : Object.fromEntries(entries);
}
