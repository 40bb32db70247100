// Opens a project, logs metrics, uploads a file in a way that goes on after a broken connection, reads it back, and computes
// something once.
//
//   XPSTORE_API_KEY=... XPSTORE_API_URL=localhost:50051 npm start -- FILE

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { type Client, connect, getOrCompute, type Project, uploadFile, XpstoreError } from "@xpstore/client";

async function train(project: Project): Promise<number> {
  const experiment = await project.experiment("from node");
  const model = await experiment.model(crypto.randomUUID(), { name: "typescript", config: { lr: 0.01 } });
  const run = await model.startRun();
  try {
    const stored = await model.log([0.9, 0.5, 0.25].map((value, step) => ({ name: "loss", value, step, phase: "train" })));
    await run.finish();
    return stored;
  } catch (error) {
    await run.fail(error);
    throw error;
  }
}

async function sha256(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

async function main(client: Client, file: string): Promise<boolean> {
  const project = await client.project("typescript example", { name: "TypeScript" });
  console.log(`metrics   ${await train(project)} points stored`);

  // After a broken connection bytes are sent from where the server has them for good.
  const version = await uploadFile(project, file, { name: basename(file), aliases: ["from-node"], force: true });
  console.log(`artifact  ${version.name}@${version.version}, ${version.sizeBytes} bytes, tree ${version.digest}`);
  const isEqual = (await sha256(version.read())) === (await sha256([await readFile(file)]));
  console.log(`read back ${isEqual ? "every byte is equal" : "DIFFERENT BYTES"}`);

  const words = ["a", "bc"]; // with the same name, version and parameters it is the same result in Python
  const options = { process: "lengths", version: 1, parameters: { words } };
  const { value, isHit } = await getOrCompute(project, options, () => words.map((word) => word.length));
  console.log(`lengths   ${JSON.stringify(value)}, ${isHit ? "a hit" : "computed"}`);
  return isEqual;
}

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: XPSTORE_API_KEY=... XPSTORE_API_URL=HOST:PORT npm start -- FILE");
try {
  const client = await connect();
  process.exitCode = (await main(client, file)) ? 0 : 1;
  client.close();
} catch (error) {
  console.error(error instanceof XpstoreError ? error.message : error);
  process.exitCode = 1;
}
