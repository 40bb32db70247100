// What a client of the conformance suite is asked, answered by the TypeScript client.

import { randomUUID } from "node:crypto";
import { mkdtemp, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../../../../client/typescript/dist/core/ids.js";
import { blake3Hex, blake3, Hasher, loadHash } from "../../../../client/typescript/dist/core/hash.js";
import { Cutter } from "../../../../client/typescript/dist/format/cut.js";
import { encode, ofEncoded, ofProcess, list, tuple, text, dictionary } from "../../../../client/typescript/dist/format/fingerprint.js";
import { sortedByPath, treeDigest } from "../../../../client/typescript/dist/format/tree.js";
import { readValue, writeValue } from "../../../../client/typescript/dist/format/values.js";
import * as xpstore from "../../../../client/typescript/dist/node.js";
import { IngestService } from "../../../../client/typescript/dist/xpstore/v1/ingest_pb.js";
import { LimitsService } from "../../../../client/typescript/dist/xpstore/v1/limits_pb.js";
import { MetricService } from "../../../../client/typescript/dist/xpstore/v1/metric_pb.js";

const root = new URL("../../../../client/typescript/package.json", import.meta.url);
const extendable = createRequire(root)("@noble/hashes/blake3").blake3;
const { version: sdk } = JSON.parse(await readFile(root, "utf8"));

class Unsupported extends Error {}

let opened;
const client = () => (opened ??= xpstore.connect());
const project = async (id) => (await client()).getProject(id);

/** The bytes of a content: BLAKE3's extendable output of seeds, one after the other. */
function contentOf(parts) {
  const whole = Buffer.alloc(parts.reduce((sum, { size_bytes }) => sum + size_bytes, 0));
  let at = 0;
  for (const { seed, size_bytes } of parts) {
    const stream = extendable.create().update(Buffer.from(String(seed)));
    if (seed !== "zeros") for (let done = 0; done < size_bytes; done += 1 << 20) stream.xofInto(whole.subarray(at + done, at + Math.min(done + (1 << 20), size_bytes)));
    at += size_bytes;
  }
  return whole;
}

async function timed(act) {
  const began = performance.now();
  const result = await act();
  return [result, (performance.now() - began) / 1000];
}

const saved = (version, seconds) => ({ version_id: version.id, version: Number(version.version), digest: version.digest, created: version.isNew, seconds });

/** The version that is meant by id, or by name and one of number and alias. */
async function versionOf({ version_id, project: id, name, version, alias }) {
  if (version_id !== undefined) return (await client()).version(version_id);
  const which = version !== undefined ? { version } : alias !== undefined ? { alias } : "latest";
  return (await project(id)).artifact(name, which);
}

function* pointsOf(points) {
  for (const { name, kind, value, step, phase, time_us, count = 1 } of points) {
    for (let i = 0; i < count; i++) {
      const made = kind === "float" ? toFloat(value) + i : kind === "int" ? BigInt(value) + BigInt(i) : JSON.parse(value);
      yield { name, value: made, step: step === undefined ? undefined : BigInt(step) + BigInt(i), phase, timeUs: time_us === undefined ? undefined : BigInt(time_us) };
    }
  }
}

const toFloat = (value) => ({ nan: NaN, inf: Infinity, "-inf": -Infinity })[value] ?? Number(value);
const fromFloat = (value) => (Number.isNaN(value) ? "nan" : value === Infinity ? "inf" : value === -Infinity ? "-inf" : Object.is(value, -0) ? "-0.0" : String(value));

function said(value) {
  if (typeof value === "number") return ["float", fromFloat(value)];
  if (typeof value === "bigint") return ["int", value.toString()];
  return ["json", JSON.stringify(value)];
}

/** Points as the contract has them. */
const wiresOf = (points) => [...pointsOf(points)].map(({ value, ...point }) => {
  const [kind, words] = said(value);
  return { ...point, value: kind === "json" ? { case: "jsonValue", value: words } : { case: `${kind}Value`, value } };
});

/** enc of a value in the notation of the vectors. */
function encoded(value) {
  switch (value.type) {
    case "none":
      return encode(null, "value");
    case "bool":
      return encode(value.value, "value");
    case "int":
      return encode(BigInt(value.value), "value");
    case "float":
      return encode(new xpstore.Float(Buffer.from(value.bits, "hex").readDoubleBE()), "value");
    case "str":
      return text(value.utf16_hex ? Buffer.from(value.utf16_hex, "hex").swap16().toString("utf16le") : value.value);
    case "bytes":
      return encode(Buffer.from(value.hex.repeat(value.times ?? 1), "hex"), "value");
    case "list":
      return list(value.items.map(encoded));
    case "tuple":
      return tuple(value.items.map(encoded));
    case "dict":
      return dictionary(value.entries.map(([key, item]) => [encoded(key), encoded(item)]));
    default:
      throw new Unsupported(`values of type ${value.type}`);
  }
}

/** A value in the notation as the client takes it. */
function own(value) {
  switch (value.type) {
    case "none":
      return null;
    case "bool":
      return value.value;
    case "int":
      return BigInt(value.value);
    case "float":
      return new xpstore.Float(Buffer.from(value.bits, "hex").readDoubleBE());
    case "str":
      return value.utf16_hex ? Buffer.from(value.utf16_hex, "hex").swap16().toString("utf16le") : value.value;
    case "bytes":
      return Buffer.from(value.hex.repeat(value.times ?? 1), "hex");
    case "list":
      return value.items.map(own);
    case "tuple":
      return xpstore.Tuple.from(value.items, own);
    case "dict":
      return new Map(value.entries.map(([key, item]) => [own(key), own(item)]));
    default:
      throw new Unsupported(`values of type ${value.type}`);
  }
}

const noFiles = async (path) => {
  throw new Unsupported(`the file ${path} beside a value`);
};

/** A source that has nothing for some time, once, after so many bytes. */
function pausing(data, after, seconds) {
  let pause = 1000 * seconds;
  return {
    sizeBytes: data.length,
    async read(offset, length) {
      if (offset >= after) await sleep(pause, (pause = 0));
      return data.subarray(offset, offset + Math.max(Math.min(length, after - offset), offset >= after ? length : 1));
    },
  };
}

const LISTS = {
  projects: async ({ page_size: pageSize }) => [(await client()).projects({ pageSize }), ({ id }) => id],
  experiments: async ({ project: id, page_size: pageSize }) => [(await project(id)).experiments({ pageSize }), ({ name }) => name],
  models: async ({ project: id, experiment, page_size: pageSize }) =>
    [(await (await project(id)).getExperiment(experiment)).models({ pageSize }), ({ hash }) => hash],
  artifacts: async ({ project: id, page_size: pageSize }) => [(await project(id)).artifacts({ pageSize }), ({ name }) => name],
  versions: async ({ project: id, name, page_size: pageSize }) => [(await project(id)).versions(name, { pageSize }), ({ id: version }) => version],
  files: async ({ version_id, page_size: pageSize }) => [(await (await client()).version(version_id)).files({ pageSize }), ({ path }) => path],
  series: async ({ model_id, page_size: pageSize }) => [
    (await modelOf(model_id)).summaries({ pageSize }), ({ name, phase }) => (phase === undefined ? name : `${name}/${phase}`),
  ],
};

const modelOf = async (id) => (await client()).model(id);

const GETS = {
  async project({ project: id }) {
    const { uid, name } = await project(id);
    return { uid, name };
  },
  async model({ project: id, experiment, hash }) {
    const model = await (await (await project(id)).getExperiment(experiment)).getModel(hash);
    return { model_id: model.id, step: String(model.step), config: model.configJson, tags: model.tags, status: model.status ?? "" };
  },
  async version(which) {
    const { id, version, name, type, digest, sizeBytes, fileCount, aliases, metadataJson } = await versionOf(which);
    return {
      version_id: id, version: Number(version), name, type, digest, size_bytes: Number(sizeBytes), file_count: Number(fileCount), aliases,
      metadata: metadataJson,
    };
  },
};

const COMMANDS = {
  hello: () => ({ language: "typescript", sdk, contract: xpstore.CONTRACT, profile: "full", commands: Object.keys(COMMANDS) }),

  async bye() {
    (await opened?.catch(() => undefined))?.close();
    return {};
  },

  async limits() {
    const { limits } = await (await client()).call(LimitsService.method.getLimits, {});
    return {
      contract_version: limits.contractVersion, server_version: limits.serverVersion, max_message_bytes: Number(limits.maxMessageBytes),
      max_points: limits.maxPoints, max_page_size: limits.maxPageSize,
    };
  },

  async project({ project: id, name }) {
    return { uid: (await (await client()).project(id, { name })).uid };
  },

  async model({ project: id, experiment, hash, config, tags }) {
    const opened = await (await project(id)).experiment(experiment);
    const model = await opened.model(hash, { config, tags });
    return { model_id: model.id, created: model.isNew };
  },

  async run({ model_id, status, error = "" }) {
    const run = await (await modelOf(model_id)).startRun();
    await (status === "failed" ? run.fail(error) : run.finish());
    return { run_id: run.id, status: run.status };
  },

  async log_metrics({ model_id, points, writer, first }) {
    if (writer === undefined) return { stored: await (await modelOf(model_id)).log(pointsOf(points)) };
    const request = { modelId: model_id, points: wiresOf(points), writerId: writer, firstPoint: BigInt(first) };
    const { storedCount, nextPoint } = await (await client()).call(MetricService.method.logMetrics, request);
    return { stored: Number(storedCount), next: Number(nextPoint) };
  },

  async ingest({ project: id, writer, first, models }) {
    const byModel = new Map(); // a request names each model once
    for (const [record, { model_id: modelId, points = [], step }] of models.entries()) {
      const records = byModel.get(modelId) ?? { modelId, points: [], events: [] };
      byModel.set(modelId, records);
      records.points.push(...wiresOf(points).map((point) => ({ record, point })));
      if (step !== undefined) records.events.push({ record, event: { case: "step", value: BigInt(step) } });
    }
    const request = {
      projectUid: (await project(id)).uid, writerId: writer, firstRecord: BigInt(first), recordCount: BigInt(models.length),
      models: [...byModel.values()],
    };
    return { next: Number((await (await client()).call(IngestService.method.ingest, request)).nextRecord) };
  },

  async series({ model_id, name, phase }) {
    const [series] = await (await modelOf(model_id)).series(name, { phase: phase ?? "" });
    if (series === undefined) return { count: 0, values: [], kinds: [], steps: [] };
    const all = Array.from(series.values, said);
    const steps = all.map((_, i) => series.steps?.[i] ?? -1n).map((step) => (step === -1n ? null : String(step)));
    return { count: all.length, kinds: all.map(([kind]) => kind), values: all.map(([, value]) => value), steps };
  },

  async list_all({ of, ...which }) {
    if (LISTS[of] === undefined) throw new Unsupported(`lists of ${of}`);
    const [items, name] = await LISTS[of](which);
    const names = (await xpstore.collect(items)).map(name);
    return { items: names, count: names.length };
  },

  async upload_file({ project: id, name, path, content, type, aliases, metadata, upload_id, blake3: digest, pause_after_bytes, pause_seconds }) {
    const [target, data] = [await project(id), contentOf(content)];
    const options = { name, path, type, aliases, metadata, uploadId: upload_id, blake3: digest };
    let source = data;
    if (pause_after_bytes !== undefined) {
      source = pausing(data, pause_after_bytes, pause_seconds);
      options.blake3 ??= blake3Hex(data); // else it is read once before, and pauses then
    }
    return saved(...(await timed(() => xpstore.uploadFile(target, source, options))));
  },

  async upload_tree({ project: id, name, files, empty_directories = [], executables = [], type, aliases, version_id, force }) {
    const target = await project(id);
    const entries = Object.entries(files).map(([path, content]) => ({ path, data: contentOf(content), executable: executables.includes(path) }));
    entries.push(...empty_directories.map((path) => ({ path })));
    return saved(...(await timed(() => xpstore.uploadTree(target, entries, { name, type, aliases, versionId: version_id, force }))));
  },

  async download(which) {
    const version = await versionOf(which);
    const folder = await mkdtemp(join(process.env.CONFORMANCE_DIR, "download-"));
    const [, seconds] = await timed(() => xpstore.download(version, folder));
    return { version_id: version.id, folder, seconds };
  },

  async read_range({ version_id, path, offset, length }) {
    const version = await (await client()).version(version_id);
    await loadHash();
    const [hasher, file] = [await Hasher.create(), (await xpstore.collect(version.files({ below: path }))).find((one) => one.path === path)];
    let size = 0;
    for await (const data of version.read(path, { offset, length })) {
      hasher.update(data);
      size += data.length;
    }
    return { size_bytes: size, blake3: toHex(hasher.digest()), file_size_bytes: Number(file.sizeBytes) };
  },

  async get({ of, ...which }) {
    if (GETS[of] === undefined) throw new Unsupported(`get of ${of}`);
    return GETS[of](which);
  },

  async alias({ version_id, alias }) {
    const version = await (await client()).version(version_id);
    await version.setAlias(alias);
    return { aliases: version.aliases };
  },

  async cut({ content }) {
    const { chunking } = await (await client()).limits();
    const [data, digests] = [contentOf(content), []];
    const sizes = new Cutter(chunking).sizes(data, true);
    let at = 0;
    for (const size of sizes) digests.push(blake3(data.subarray(at, (at += size))));
    return { chunk_sizes: sizes, chunk_digests_blake3: blake3Hex(...digests) };
  },

  async tree_digest({ entries }) {
    await loadHash();
    return {
      digest: toHex(treeDigest(sortedByPath(entries).map(({ path, type, executable, size_bytes, blake3: digest }) => ({
        path, isDirectory: type === "directory", executable, sizeBytes: BigInt(size_bytes), digest: Buffer.from(digest, "hex"),
      })))),
    };
  },

  async fingerprint({ value, process: name, parts }) {
    await loadHash();
    return { fingerprint: name === undefined ? ofEncoded(encoded(value)).toString("hex") : ofProcess(name, parts) };
  },

  async get_or_compute({ project: id, process: name, version, parameters, value, compute_seconds = 0, raises }) {
    const given = Object.fromEntries(Object.entries(parameters).map(([key, item]) => [key, own(item)]));
    const made = await readValue(`{"xpstore_value": 1, "value": ${value}}`, noFiles);
    const compute = async () => {
      await sleep(1000 * compute_seconds);
      if (raises !== undefined) throw new Raised(raises);
      return made;
    };
    const result = await xpstore.getOrCompute(await project(id), { process: name, version, parameters: given }, compute);
    const { json } = writeValue(result.value);
    return {
      hit: result.isHit, value: json.slice('{"xpstore_value":1,"value":'.length, -1), fingerprint: result.fingerprint, version_id: result.version?.id,
    };
  },
};

class Raised extends Error {}

function failed(error) {
  const message = String(error?.message ?? error);
  if (error instanceof Unsupported) return { reason: "UNSUPPORTED", metadata: {}, message };
  if (error instanceof Raised) return { reason: "COMPUTATION", metadata: {}, message };
  if (!(error instanceof xpstore.XpstoreError)) return { reason: "CLIENT", metadata: {}, message: String(error?.stack ?? error) };
  const { requestId } = error.details;
  const reason = error.reason === "COMPUTATION_FAILED" ? "COMPUTATION" : error.reason;
  return { reason, metadata: { ...error.metadata, ...(requestId ? { request_id: requestId } : {}) }, message };
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim() === "") continue;
  const { id, do: command, with: given = {} } = JSON.parse(line);
  let answer;
  try {
    if (COMMANDS[command] === undefined) throw new Unsupported(command);
    answer = { id, ok: await COMMANDS[command](given) };
  } catch (error) {
    answer = { id, error: failed(error) };
    if (command !== "hello" && opened !== undefined) opened.catch(() => (opened = undefined)); // the next one connects anew
  }
  await new Promise((done) => process.stdout.write(`${JSON.stringify(answer)}\n`, done));
  if (command === "bye") break;
}
process.exit(0);
