// Calls over a real connection, to a server of a few lines that fails as servers and networks do.

import assert from "node:assert/strict";
import http2 from "node:http2";
import { after, test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { blake3 as reference } from "@noble/hashes/blake3";
import { fromWire } from "../dist/core/errors.js";
import { int64 } from "../dist/core/numbers.js";
import { parseAddress } from "../dist/node/address.js";
import { collect, connect, uploadFile, XpstoreError } from "../dist/node.js";
import { ArtifactService, ArtifactVersionSchema } from "../dist/xpstore/v1/artifact_pb.js";
import { LimitsService } from "../dist/xpstore/v1/limits_pb.js";
import { MetricService } from "../dist/xpstore/v1/metric_pb.js";
import { ModelService } from "../dist/xpstore/v1/model_pb.js";
import { ProjectService } from "../dist/xpstore/v1/project_pb.js";

const LIMITS = { contractVersion: "1.7", maxPoints: 3, maxMessageBytes: 4n << 20n };
const UID = "01890a5d-ac96-474b-8cce-b302099a8057";
const content = (size) => Buffer.from(reference(Buffer.from("content"), { dkLen: size }));
const servers = [];
after(() => servers.forEach((server) => server.close()));

/** A server with some methods, by service. */
async function serve(...services) {
  const adapter = connectNodeAdapter({
    routes(router) {
      router.service(LimitsService, { getLimits: () => ({ limits: LIMITS }) });
      for (const [service, methods] of services) router.service(service, methods);
    },
  });
  const server = http2.createServer(adapter);
  const sessions = new Set();
  server.on("session", (session) => sessions.add(session));
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  servers.push({ close: () => [...sessions].forEach((session) => session.destroy()) || server.close() });
  return { address: `127.0.0.1:${server.address().port}`, cut: () => sessions.forEach((session) => session.destroy()) };
}

const open = (address, options = {}) => connect(address, { apiKey: "xps_test-key", ...options });
const away = () => new ConnectError("away", Code.Unavailable);
const project = { id: "p", uid: UID, name: "P" };
const projects = [ProjectService, { getProject: () => ({ project }) }];

test("addresses", () => {
  const base = (text) => parseAddress(text).baseUrl;
  assert.equal(base("localhost:50051"), "http://localhost:50051");
  assert.equal(base("127.0.0.1"), "http://127.0.0.1:50051");
  assert.equal(base("[::1]:1"), "http://[::1]:1");
  assert.equal(base("store.example.com:50051"), "https://store.example.com:50051");
  assert.equal(base("https://store.example.com"), "https://store.example.com:443");
  assert.equal(base("grpcs://store.example.com"), "https://store.example.com:50051");
  assert.equal(base("https://localhost:1/"), "https://localhost:1");
  assert.deepEqual([parseAddress("unix:/tmp/s").socket, parseAddress("unix:///tmp/s").socket, parseAddress("unix:s").socket], ["/tmp/s", "/tmp/s", "s"]);
  for (const text of ["http://store.example.com", "grpc://10.0.0.1:1", "ftp://a", "", "a b", "host:0", "host:70000", "https://u@host", "https://host/path", "https://"]) {
    assert.throws(() => parseAddress(text), { reason: "INVALID_ARGUMENT" }, text);
  }
});

test("integers are exact, or refused", () => {
  assert.equal(int64("step", 2 ** 53 - 1), 9007199254740991n);
  assert.equal(int64("step", -(2n ** 63n)), -(2n ** 63n));
  for (const value of [0.5, NaN, 2 ** 53, 2n ** 63n]) assert.throws(() => int64("step", value), { reason: "INVALID_ARGUMENT" });
});

test("what the service says of an error, and what others say", () => {
  const entry = (key, value) => new BinaryWriter().tag(1, 2).string(key).tag(2, 2).string(value).finish();
  const info = (domain) => new BinaryWriter().tag(1, 2).string("NOT_FOUND").tag(2, 2).string(domain)
    .tag(3, 2).bytes(entry("resource", "project")).tag(3, 2).bytes(entry("request_id", "r1")).finish();
  const retry = new BinaryWriter().tag(1, 2).bytes(new BinaryWriter().tag(1, 0).int64(2).tag(2, 0).int32(5e8).finish()).finish();
  const error = new ConnectError("There is no project", Code.NotFound);
  error.details.push({ type: "google.rpc.RetryInfo", value: retry }, { type: "google.rpc.ErrorInfo", value: info("xpstore") });
  const typed = fromWire(error, "host:1", "mine");
  assert.deepEqual([typed.reason, typed.metadata, typed.details.requestId, typed.details.retryAfterMs, typed.details.isTemporary],
    ["NOT_FOUND", { resource: "project" }, "r1", 2500, true]);
  error.details.splice(0, 2, { type: "google.rpc.ErrorInfo", value: info("example.com") });
  assert.deepEqual([fromWire(error, "host:1", "mine").metadata, fromWire(error, "host:1", "mine").details.requestId], [{}, "mine"]);
  error.details.splice(0, 1, { type: "google.rpc.ErrorInfo", value: Uint8Array.of(0xff, 1, 2) });
  assert.equal(fromWire(error, "host:1", "mine").reason, "NOT_FOUND");
  for (const [said, code, reason, isTemporary] of [
    ["HTTP 413", Code.Unknown, "RESOURCE_EXHAUSTED", false], ["HTTP 502", Code.Unavailable, "UNAVAILABLE", true],
    ["HTTP 404", Code.Unimplemented, "UNIMPLEMENTED", false], ["http/2 stream closed with error code CANCEL", Code.Canceled, "UNAVAILABLE", true],
    ["read ECONNRESET", Code.Aborted, "UNAVAILABLE", true], ["message too large", Code.ResourceExhausted, "RESOURCE_EXHAUSTED", false],
  ]) {
    const made = fromWire(new ConnectError(said, code), "host:1", "mine");
    assert.deepEqual([made.reason, made.details.isTemporary ?? false], [reason, isTemporary], said);
  }
});

test("a contract with another first number is refused", async () => {
  const adapter = connectNodeAdapter({ routes: (router) => router.service(LimitsService, { getLimits: () => ({ limits: { contractVersion: "2.0" } }) }) });
  const server = http2.createServer(adapter);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  await assert.rejects(open(`127.0.0.1:${server.address().port}`), { reason: "CONTRACT", metadata: { value: "2.0", expected: "1.0" } });
  server.close();
});

test("a server that is away is UNAVAILABLE after the time allowed, and a missing method is no server of ours", async () => {
  const began = performance.now();
  await assert.rejects(open("127.0.0.1:1", { timeoutMs: 300 }), (error) => error instanceof XpstoreError && error.reason === "UNAVAILABLE");
  assert.ok(performance.now() - began < 20_000);
  const { address } = await serve();
  const client = await open(address);
  await assert.rejects(client.getProject("p"), { reason: "UNIMPLEMENTED" });
  client.close();
});

test("calls are repeated while the server is away, and end with their signal", async () => {
  let calls = 0;
  const { address } = await serve([ProjectService, {
    getProject({ key }) {
      if (++calls < 3 || key.value === "never") throw away();
      return { project };
    },
  }]);
  const client = await open(address);
  assert.equal((await client.getProject("p")).uid, UID);
  assert.equal(calls, 3);
  const reason = new Error("enough");
  await assert.rejects(client.getProject("never", { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  const controller = new AbortController();
  const call = client.getProject("never", { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 100);
  await assert.rejects(call, (error) => error === reason);
  client.close();
});

test("lists go on after pages that are short or empty", async () => {
  const pages = { "": [["a"], "1"], 1: [[], "2"], 2: [["b", "c"], ""] };
  const { address } = await serve([ProjectService, {
    listProjects({ pageToken, pageSize }) {
      assert.equal(pageSize, 7);
      const [ids, nextPageToken] = pages[pageToken];
      return { projects: ids.map((id) => ({ id })), nextPageToken };
    },
  }]);
  const client = await open(address);
  assert.deepEqual((await collect(client.projects({ pageSize: 7 }))).map(({ id }) => id), ["a", "b", "c"]);
  client.close();
});

test("points go in batches of one writer, numbered by the answers; after a failure those of another", async () => {
  const seen = [];
  let isBroken = false;
  const { address } = await serve([ModelService, { getModel: () => ({ model: { id: UID, projectUid: UID } }) }], [MetricService, {
    logMetrics({ points, writerId, firstPoint }) {
      if (isBroken) throw new ConnectError("broken", Code.InvalidArgument);
      seen.push([writerId, Number(firstPoint), points.map(({ value }) => value.value)]);
      return { nextPoint: firstPoint + BigInt(points.length), storedCount: BigInt(points.length) };
    },
  }]);
  const client = await open(address);
  const model = await client.model(UID);
  const point = (value) => ({ name: "loss", value });
  const [first, second] = await Promise.all([model.log([1, 2n, "a", [1], null].map(point)), model.log([point(3)])]);
  assert.deepEqual([first, second], [5, 1]);
  assert.deepEqual(seen.map(([, from, values]) => [from, values]), [[0, [1, 2n, '"a"']], [3, ["[1]", "null"]], [5, [3]]]);
  isBroken = true;
  await assert.rejects(model.log([point(4)]), { reason: "INVALID_ARGUMENT" });
  isBroken = false;
  await model.log([point(5)]);
  assert.equal(new Set(seen.slice(0, 3).map(([writer]) => writer)).size, 1);
  assert.deepEqual(seen[3].slice(1), [0, [5]]);
  assert.notEqual(seen[3][0], seen[0][0]);
  await assert.rejects(async () => model.log([point(undefined)]), { reason: "INVALID_ARGUMENT" });
  client.close();
});

test("an upload begins with small messages, goes on where it was when its connection breaks, and finishes", async () => {
  const data = content(9_000_000);
  let [durable, streams] = [0, 0];
  const sizes = [];
  const stored = Buffer.alloc(data.length);
  const { address, cut } = await serve(projects, [ArtifactService, {
    async uploadFile(requests) {
      streams++;
      let [offset, isFinished] = [0, false];
      for await (const { part, finish } of requests) {
        if (part.case === "header") {
          assert.deepEqual([part.value.sizeBytes, Buffer.from(part.value.blake3)], [BigInt(data.length), Buffer.from(reference(data))]);
          offset = Number(part.value.offset);
          assert.ok(offset <= durable);
        } else if (part.case === "data") {
          sizes.push(part.value.length);
          stored.set(part.value, offset);
          offset += part.value.length;
          durable = Math.max(durable, offset);
          if (streams === 1 && offset > 3_000_000) cut();
        }
        isFinished ||= finish;
      }
      assert.ok(isFinished && offset === data.length);
      return { version: { id: UID, version: 1n }, created: true };
    },
    getUpload: () => ({ offset: BigInt(durable) }),
  }]);
  const client = await open(address);
  const version = await uploadFile(await client.getProject("p"), data, { name: "w" });
  assert.deepEqual([version.version, version.isNew, streams], [1n, true, 2]);
  assert.ok(stored.equals(data));
  assert.ok(sizes.slice(0, 20).every((size) => size === 65_536 - 64) && Math.max(...sizes) > 65_536 && Math.max(...sizes) <= 1 << 20);
  client.close();
});

test("an answer that comes before all is sent is an answer", async () => {
  const { address } = await serve(projects, [ArtifactService, {
    async uploadFile(requests) {
      for await (const { part } of requests) if (part.case === "data") break;
      return { version: { id: UID, version: 7n }, created: false };
    },
  }]);
  const client = await open(address);
  const version = await uploadFile(await client.getProject("p"), content(30_000_000), { name: "w", blake3: "0".repeat(64) });
  assert.equal(version.version, 7n);
  client.close();
});

test("what a source throws is thrown", async () => {
  const { address } = await serve(projects, [ArtifactService, {
    async uploadFile(requests) {
      for await (const _ of requests);
      throw new ConnectError("no finish", Code.InvalidArgument);
    },
    getUpload: () => ({ offset: 0n }),
  }]);
  const client = await open(address);
  const source = { sizeBytes: 10, read: async () => new Uint8Array() };
  await assert.rejects(uploadFile(await client.getProject("p"), source, { name: "w", blake3: "0".repeat(64) }), { reason: "DATA_LOSS" });
  client.close();
});

test("a read goes on where it was, is verified, and may be left", async () => {
  const data = content(2_000_000);
  const digest = reference(data);
  let [streams, damage] = [0, false];
  const { address } = await serve([ArtifactService, {
    getArtifactVersion: () => ({ version: { id: UID } }),
    async *readFile({ offset, length }) {
      streams++;
      const end = length === undefined ? data.length : Number(offset + length);
      yield { part: { case: "header", value: { path: "f", sizeBytes: BigInt(data.length), digest, offset, length: BigInt(end) - offset } } };
      for (let at = Number(offset); at < end; at += 300_000) {
        if (streams === 1 && at > 1_000_000) throw away();
        const piece = Buffer.from(data.subarray(at, Math.min(at + 300_000, end)));
        if (damage) piece[0] ^= 1;
        yield { part: { case: "data", value: piece } };
      }
    },
  }]);
  const client = await open(address);
  const version = await client.version(UID);
  assert.ok(data.equals(await version.bytes("f")));
  assert.equal(streams, 2);
  assert.ok(data.subarray(5, 1_700_000).equals(await version.bytes("f", { offset: 5, length: 1_699_995 })));
  for await (const piece of version.read("f")) {
    assert.equal(piece.length, 300_000);
    break;
  }
  damage = true;
  await assert.rejects(version.bytes("f"), { reason: "DATA_LOSS" });
  client.close();
});

test("messages of the contract are what others make of them", () => {
  const message = create(ArtifactVersionSchema, { version: 2n ** 40n, name: "ü" });
  assert.equal(Buffer.from(toBinary(ArtifactVersionSchema, message)).toString("hex"), "2202c3bc3080808080" + "8020");
});
