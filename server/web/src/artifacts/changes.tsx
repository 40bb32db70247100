// What differs between a version and another one of its artifact.

import { bytes, count, time } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { ArtifactFile, Project, Version } from "../common/messages";
import { shortId } from "../common/model-link";
import { change, usePlace } from "../common/place";
import { Told } from "../common/told";
import { flat } from "../common/values";
import { versionPath } from "./addresses";
import { compare, type Change, type Comparison } from "./comparing";
import { read, textOf } from "./preview/reading";
import { difference, hunks, type Line } from "./text-difference";
import "./changes.css";

const MOST_FILES = 20_000;
const MOST_CHANGES = 1000;
// Of each text whose lines are compared.
const MOST_TEXT = 256 << 10;
const AROUND = 3;

export function Changes({ project, version, others }: { project: Project; version: Version; others: Version[] }) {
  const { query } = usePlace();
  const at = others.findIndex((one) => one.id === version.id);
  // The one before it, or, of the oldest, the one after.
  const before = others.find((one) => one.version === query.get("from")) ?? others[at + 1] ?? others[at - 1];
  if (!before) return <p class="nothing">It is the only version of {version.name}.</p>;
  return (
    <section aria-label="Changes">
      <p class="bar">
        <label>
          from{" "}
          <select value={before.version} onChange={(event) => change({ from: event.currentTarget.value, f: "" }, true)}>
            {others.filter((one) => one.id !== version.id).map((one) => <option key={one.id} value={one.version}>v{one.version}{(one.aliases ?? []).map((alias) => `, ${alias}`)}</option>)}
          </select>
        </label>
        <span>to <b>v{version.version}</b></span>
      </p>
      <About before={before} after={version} />
      <FileChanges key={before.id} {...{ project, before, after: version }} chosen={query.get("f") ?? ""} />
    </section>
  );
}

function told(version: Version): Map<string, string> {
  return new Map([
    ["description", version.description ?? ""],
    ["aliases", (version.aliases ?? []).join(", ")],
    ["size", bytes(version.sizeBytes)],
    ["files", count(version.fileCount)],
    ["saved", time(version.createdAtUs)],
    ["saved by", version.createdBy ?? ""],
    ["models", [...new Set((version.links ?? []).map((link) => shortId(link.modelId)))].join(", ")],
    ["computed by", version.process?.name ?? ""],
    ...(version.process?.parts ?? []).map((part): [string, string] => [`${partKind(part.kind)} ${part.name}`, part.text ?? part.fingerprint ?? ""]),
    ...flat(version.metadataJson, Infinity).map(([path, value]): [string, string] => [`metadata ${path}`, value]),
  ]);
}

export const partKind = (kind: string | undefined): string => (kind ?? "").replace("ARTIFACT_PROCESS_PART_KIND_", "").toLowerCase();

function About({ before, after }: { before: Version; after: Version }) {
  const [left, right] = [told(before), told(after)];
  const names = [...new Set([...left.keys(), ...right.keys()])].filter((name) => left.get(name) !== right.get(name));
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="What is said of both">
      <table>
        <thead><tr><th scope="col">what</th><th scope="col">v{before.version}</th><th scope="col">v{after.version}</th></tr></thead>
        <tbody>
          {names.slice(0, MOST_CHANGES).map((name) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {[left, right].map((side, at) => <td key={at}>{side.get(name) || <span class="pale">none</span>}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
      {names.length > MOST_CHANGES && <p class="pale">The first {count(MOST_CHANGES)} of {count(names.length)}.</p>}
    </div>
  );
}

interface Sides {
  project: Project;
  before: Version;
  after: Version;
}

function FileChanges({ project, before, after, chosen }: Sides & { chosen: string }) {
  const isEqual = before.digest === after.digest;
  const loaded = useLoaded(async (signal) => {
    if (isEqual) return { changes: [], sameCount: Number(after.fileCount ?? 0), seenCount: 0, isWhole: true };
    return compare(before.id, after.id, signal, MOST_FILES, MOST_CHANGES);
  }, [before.id, after.id]);
  if (!loaded.value) return <Told loaded={loaded} />;
  const { changes, sameCount } = loaded.value;
  if (changes.length === 0 && loaded.value.isWhole) return <p>Both have the same {count(sameCount)} {sameCount === 1 ? "file" : "files"}, byte for byte.</p>;
  return (
    <>
      <h2>Files</h2>
      <p role="status">{summary(loaded.value)}</p>
      <Renamed changes={changes} />
      <div class="wide" tabIndex={0} role="region" aria-label="Files that differ">
        <table class="changes">
          <thead><tr>{["", "file", `v${before.version}`, `v${after.version}`].map((name) => <th key={name} scope="col">{name || <span class="hidden">what</span>}</th>)}</tr></thead>
          <tbody>{changes.map((one) => <Row key={one.path} {...{ project, before, after, one }} isChosen={one.path === chosen} />)}</tbody>
        </table>
      </div>
      {chosen && <TextChange key={chosen} {...{ before, after }} one={changes.find((one) => one.path === chosen)} path={chosen} />}
    </>
  );
}

function summary({ changes, sameCount, seenCount, isWhole }: Comparison): string {
  const added = changes.filter((one) => !one.before).length;
  const removed = changes.filter((one) => !one.after).length;
  const text = `${count(added)} added, ${count(removed)} removed, ${count(changes.length - added - removed)} changed, ${count(sameCount)} the same.`;
  return isWhole ? text : `${text} This is of the first ${count(seenCount)} paths of both; the rest was not compared.`;
}

// Files that are there under another path.
function Renamed({ changes }: { changes: Change[] }) {
  const gone = new Map(changes.filter((one) => !one.after && one.before?.digest).map((one) => [one.before?.digest, one.path]));
  const found = changes.filter((one) => !one.before && one.after?.digest && gone.has(one.after.digest));
  if (found.length === 0) return null;
  return (
    <details>
      <summary>{count(found.length)} of the added have the bytes of a removed one</summary>
      <ul>{found.slice(0, 200).map((one) => <li key={one.path}>{gone.get(one.after?.digest)} → {one.path}</li>)}</ul>
    </details>
  );
}

const size = (file: ArtifactFile | undefined): string => (!file ? "" : file.type === "FILE_TYPE_DIRECTORY" ? "folder" : bytes(file.sizeBytes));

function Row({ project, before, after, one, isChosen }: Sides & { one: Change; isChosen: boolean }) {
  const what = !one.before ? "added" : !one.after ? "removed" : "changed";
  const to = what === "removed" ? versionPath(project.id, before, { f: one.path })
    : what === "added" ? versionPath(project.id, after, { f: one.path })
    : versionPath(project.id, after, { v: "changes", from: before.version, f: one.path });
  return (
    <tr class={what}>
      <td>{what}</td>
      <th scope="row"><a href={to} aria-current={isChosen ? "true" : undefined}>{one.path}</a></th>
      <td class="right">{size(one.before)}</td>
      <td class="right">{size(one.after)}</td>
    </tr>
  );
}

function TextChange({ before, after, one, path }: Omit<Sides, "project"> & { one: Change | undefined; path: string }) {
  const loaded = useLoaded(async (signal) => {
    if (one?.before?.digest === one?.after?.digest) return "The bytes are the same: what changed is whether it can be executed.";
    const texts = await Promise.all(([[before, one?.before], [after, one?.after]] as const).map(async ([version, file]) => {
      const sizeBytes = Number(file?.sizeBytes ?? 0);
      if (sizeBytes > MOST_TEXT) return `${path} has ${bytes(sizeBytes)}: lines are compared up to ${bytes(MOST_TEXT)}.`;
      const text = textOf(await read({ versionId: version.id, path, sizeBytes, signal }, 0, MOST_TEXT), false);
      return text === null ? `${path} of v${version.version} is no text.` : { lines: text.split("\n") };
    }));
    const [left, right] = texts;
    if (typeof left === "string" || typeof right === "string") return typeof left === "string" ? left : String(right);
    const lines = difference(left?.lines ?? [], right?.lines ?? []);
    return lines ? hunks(lines, AROUND) : "The texts have too little in common to be compared by lines.";
  }, [before.id, after.id, path, one?.path]);
  if (!one?.before || !one.after) return <p class="nothing">{path} did not change between these versions.</p>;
  if (!loaded.value) return <Told loaded={loaded} />;
  return (
    <section aria-label={`Changes of ${path}`}>
      <h2>{path}</h2>
      {typeof loaded.value === "string" ? <p class="pale">{loaded.value}</p> : <Lines lines={loaded.value} />}
    </section>
  );
}

const NAMES = { "+": "added", "-": "removed", " ": "" } as const;

function Lines({ lines }: { lines: (Line | null)[] }) {
  return (
    <pre class="lines" tabIndex={0} aria-label="Lines that differ">
      {lines.map((line, at) => (line === null ? <div key={at} class="pale">⋯</div> : (
        <div key={at} class={NAMES[line.sign]}>
          <span class="place">{line.sign === "+" ? "" : line.before}</span><span class="place">{line.sign === "-" ? "" : line.after}</span>{line.sign} {line.text.replace(/\r$/, "␍")}
        </div>
      )))}
    </pre>
  );
}
