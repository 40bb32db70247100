// A page that uses the client in a browser, and writes what it found into its DOM. Its fragment says what to do, as JSON.

import { Client, collect, connect, type Model, XpstoreError } from "@xpstore/client/browser";

interface Task {
  /** Where the server serves HTTP. */
  url: string;
  apiKey: string;
  projectId: string;
  /** Long where all is well; a page that may not call learns so only after it. */
  timeoutMs: number;
}

const task = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Task;

/** What was asked and how that was answered, of each path in its order. */
const asked: Record<string, string[]> = {};
const real = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = new Request(input, init);
  const answers = (asked[new URL(request.url).pathname] ??= []);
  try {
    const response = await real(request);
    answers.push(`${response.status} ${response.headers.get("content-type")}`);
    return response;
  } catch (error) {
    if (!answers.includes("none")) answers.push("none");
    throw error;
  }
};

const sha256 = async (bytes: Uint8Array): Promise<string> =>
  Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes))), (byte) => byte.toString(16).padStart(2, "0")).join("");

async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return `no error, but ${String(await promise)}`;
  } catch (error) {
    if (!(error instanceof XpstoreError)) return `another error: ${String(error)}`;
    return { reason: error.reason, metadata: error.metadata, hasRequestId: Boolean(error.details.requestId) };
  }
}

async function seriesOf(model: Model): Promise<unknown> {
  const all = await model.series("loss", { phase: "train" });
  return all.map(({ name, phase, values, steps, cursor }) => ({
    name,
    phase,
    type: values.constructor.name,
    count: values.length,
    first: values[0],
    last: values.at(-1),
    sum: (values as Float64Array).reduce((sum, value) => sum + value, 0),
    areStepsInOrder: steps?.every((step, index) => step === BigInt(index)),
    cursor,
  }));
}

async function notesOf(model: Model): Promise<unknown> {
  const all = await model.series("note");
  return Promise.all(all.map(async ({ values }) => [values.length, await sha256(new TextEncoder().encode([...values].join("")))]));
}

/** Stops a stream after its first message by a signal; what was thrown then. */
async function stopped(client: Client, versionId: string): Promise<string> {
  const controller = new AbortController();
  const version = await client.version(versionId);
  let size = 0;
  try {
    for await (const data of version.read("", { signal: controller.signal })) {
      size += data.length;
      controller.abort(new Error("enough"));
    }
  } catch (error) {
    return size > 0 && BigInt(size) < version.sizeBytes ? String(error) : `${String(error)} after ${size} bytes`;
  }
  return `nothing, after ${size} bytes`;
}

async function look(): Promise<Record<string, unknown>> {
  const client = await connect(task.url, task);
  const limits = await client.limits();
  const project = await client.getProject(task.projectId);
  const models = await collect(project.search("config.depth > 2 and metrics.loss[train].last < 20000"));
  const version = await project.artifact("weights");
  const bytes = await version.bytes(); // verified
  return {
    contract: limits.contractVersion,
    projects: (await collect(client.projects())).map(({ id, name }) => [id, name]),
    models: models.map(({ hash, config, tags }) => [hash, config, tags]),
    series: await seriesOf(models[0]!),
    notes: await notesOf(models[0]!),
    file: { size: bytes.length, sha256: await sha256(bytes) },
    notFound: await errorOf(client.getProject("nobody")),
    badFilter: await errorOf(collect(project.search("config.depth >"))),
    wrongKey: await errorOf(connect(task.url, { ...task, apiKey: "wrong" })),
    stopped: await stopped(client, version.id),
  };
}

let found: unknown;
try {
  found = await look();
} catch (error) {
  found = { failed: await errorOf(Promise.reject(error as Error)), message: (error as Error).message };
}
const text = JSON.stringify({ origin: location.origin, found, asked }, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
document.querySelector("pre")!.textContent = text;
await real("/done", { method: "POST" });
