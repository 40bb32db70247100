// A client of xpstore from its contract alone: opens a project, logs metrics, uploads a file in a way that goes on
// after a broken connection, reads it back and checks every byte.
//
//   XPSTORE_API_KEY=... XPSTORE_API_URL=localhost:50051 npm start -- FILE [--break-after BYTES]

import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { basename } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type ChannelCredentials, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import {
  ArtifactServiceClient, type ArtifactVersion, type GetUploadResponse, ReadFileRequest, UploadFileHeader,
  type UploadFileResponse,
} from "../gen/xpstore/v1/artifact.js";
import {
  CreateExperimentRequest, type CreateExperimentResponse, ExperimentServiceClient,
} from "../gen/xpstore/v1/experiment.js";
import { LogMetricsRequest, type LogMetricsResponse, MetricServiceClient } from "../gen/xpstore/v1/metric.js";
import { CreateModelRequest, type CreateModelResponse, ModelServiceClient } from "../gen/xpstore/v1/model.js";
import { CreateProjectRequest, type CreateProjectResponse, ProjectServiceClient } from "../gen/xpstore/v1/project.js";

type Callback<T> = (error: ServiceError | null, response: T) => void;
const unary = <T>(call: (done: Callback<T>) => unknown) =>
  new Promise<T>((resolve, reject) => call((error, response) => (error ? reject(error) : resolve(response))));

const { values: flags, positionals: [file] } = parseArgs({
  allowPositionals: true,
  options: { "break-after": { type: "string" } },
});
const { XPSTORE_API_KEY: key, XPSTORE_API_URL: url = "localhost:50051" } = process.env;
if (!file || !key) throw new Error("usage: XPSTORE_API_KEY=... XPSTORE_API_URL=HOST:PORT npm start -- FILE");

const isLocal = /^(localhost|127\.|\[::1\]|unix:)/.test(url); // a key in plaintext must not leave this machine
const channel = isLocal ? credentials.createInsecure() : credentials.createSsl();
const connect = <T>(Client: new (url: string, channel: ChannelCredentials, options: object) => T) =>
  new Client(url, channel, { "grpc.enable_http_proxy": isLocal ? 0 : 1 });
const auth = new Metadata();
auth.set("authorization", `Bearer ${key}`);
const artifacts = connect(ArtifactServiceClient);
const source = await open(file);

async function logMetrics(projectUid: string): Promise<number> {
  const creation = { projectUid, experimentId: randomUUID(), name: "from node", allowExisting: true };
  const { experiment } = await unary<CreateExperimentResponse>((done) =>
    connect(ExperimentServiceClient).createExperiment(CreateExperimentRequest.create(creation), auth, done));
  const wanted = { experimentId: experiment!.id, modelId: randomUUID(), hash: randomUUID(), name: "typescript" };
  const { model } = await unary<CreateModelResponse>((done) =>
    connect(ModelServiceClient).createModel(CreateModelRequest.create(wanted), auth, done));
  const points = [0.9, 0.5, 0.25].map((loss, step) => ({
    name: "loss", value: { $case: "floatValue" as const, value: loss }, step: BigInt(step), phase: "train",
  }));
  const batch = LogMetricsRequest.create({ modelId: model!.id, points, writerId: randomUUID() });
  const { storedCount } = await unary<LogMetricsResponse>((done) =>
    connect(MetricServiceClient).logMetrics(batch, auth, done));
  return Number(storedCount);
}

/** What follows a header: small messages first, as only whole ones count, larger ones where they get through quickly. */
async function* pieces(offset: number): AsyncGenerator<Buffer> {
  let size = 64 << 10;
  for (let sent = 0; ; ) {
    const began = Date.now();
    const data = await readAt(offset, size);
    if (data.length === 0) return;
    yield data;
    offset += data.length;
    sent += data.length;
    if (Date.now() - began > 500) [size, sent] = [64 << 10, 0];
    else if (sent >= 4 << 20 && size < 1 << 20) [size, sent] = [2 * size, 0];
  }
}

async function readAt(position: number, size: number): Promise<Buffer> {
  const { bytesRead, buffer } = await source.read(Buffer.alloc(size), 0, size, position);
  return buffer.subarray(0, bytesRead);
}

/** One stream: the header, then the bytes from its offset on, then `finish`: without it nothing is published.
 *  Breaks off after `limit` bytes, as a bad network would. */
function sendOnce(header: UploadFileHeader, limit: number): Promise<ArtifactVersion> {
  return new Promise((resolve, reject) => {
    const call = artifacts.uploadFile(auth, (error: ServiceError | null, response: UploadFileResponse) => {
      clearInterval(alive);
      return error ? reject(error) : resolve(response.version!);
    });
    let isSilent = true; // proxies end a stream on which nothing comes, as while a slow disk is read
    const alive = setInterval(() => {
      if (isSilent) call.write({ finish: false });
      isSilent = true;
    }, 15_000);
    const send = async () => {
      call.write({ part: { $case: "header", value: header }, finish: false });
      let sent = 0;
      for await (const data of pieces(Number(header.offset))) {
        isSilent = false;
        const part = { $case: "data" as const, value: data };
        await new Promise((done) => call.write({ part, finish: false }, done)); // sent, not just queued
        if ((sent += data.length) >= limit) return call.cancel();
      }
      call.end({ finish: true });
    };
    send().catch(reject);
  });
}

/** Uploads until it worked: after a broken stream the server says how far it got, and the next stream starts there. */
async function upload(header: UploadFileHeader, breakAfter: number): Promise<[ArtifactVersion, bigint[]]> {
  const offsets: bigint[] = [];
  for (let limit = breakAfter; ; limit = Infinity) {
    offsets.push(header.offset);
    try {
      return [await sendOnce(header, limit), offsets];
    } catch (error) {
      const { code } = error as ServiceError;
      const { UNAVAILABLE, CANCELLED, ABORTED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED } = status;
      const isTemporary = [UNAVAILABLE, CANCELLED, ABORTED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED].includes(code);
      if (!isTemporary || offsets.length > 10) throw error;
      if (code !== CANCELLED) await setTimeout(2_000); // the server comes back, or has less to do
      const state = await unary<GetUploadResponse>((done) =>
        artifacts.getUpload({ uploadId: header.uploadId }, auth, done));
      if (state.version) return [state.version, offsets];
      header = { ...header, offset: state.offset };
    }
  }
}

async function readBack(versionId: string): Promise<string> {
  const hash = createHash("sha256");
  const source = { $case: "versionId" as const, value: versionId };
  const stream = artifacts.readFile(ReadFileRequest.create({ source }), auth);
  for await (const { part } of stream) if (part.$case === "data") hash.update(part.value);
  return hash.digest("hex");
}

async function main(): Promise<boolean> {
  const creation = { projectId: "typescript example", name: "TypeScript", creationId: randomUUID(), allowExisting: true };
  const { project } = await unary<CreateProjectResponse>((done) =>
    connect(ProjectServiceClient).createProject(CreateProjectRequest.create(creation), auth, done));
  const storedCount = await logMetrics(project!.uid);

  const sha256 = createHash("sha256");
  for await (const data of createReadStream(file!)) sha256.update(data);
  const expected = sha256.digest();
  const header = UploadFileHeader.create({
    uploadId: randomUUID(), projectUid: project!.uid, path: basename(file!), sizeBytes: BigInt((await source.stat()).size),
    sha256: expected, draft: { name: basename(file!), type: "directory", aliases: ["from-node"], force: true },
  });
  const [version, offsets] = await upload(header, Number(flags["break-after"] ?? Infinity));
  const isEqual = (await readBack(version.id)) === expected.toString("hex");

  console.log(`project   ${project!.id} (${project!.uid})`);
  console.log(`metrics   ${storedCount} points stored`);
  console.log(`artifact  ${version.name}@${version.version}, ${version.sizeBytes} bytes, tree ${Buffer.from(version.digest).toString("hex")}`);
  console.log(`streams   ${offsets.length}, started at ${offsets.join(", ")}`);
  console.log(`read back ${isEqual ? "every byte is equal" : "DIFFERENT BYTES"}`);
  return isEqual;
}

main().then(
  (isEqual) => process.exit(isEqual ? 0 : 1),
  (error) => {
    console.error(error.details ?? error);
    process.exit(1);
  },
);
