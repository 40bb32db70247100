// One version: what it is, how to get it, its files, what changed in it, what it was made of.

import { useEffect } from "preact/hooks";
import { bytes, count, time } from "../common/figures";
import { Copied } from "../common/copied";
import { useLoaded } from "../common/hooks";
import type { ArtifactFile, Project, Version } from "../common/messages";
import { ModelLink } from "../common/model-link";
import { Pairs } from "../common/pairs";
import { go, projectPath, usePlace } from "../common/place";
import { Told } from "../common/told";
import { flat } from "../common/values";
import { all, call } from "../common/wire";
import { command, fileAddress, python, versionPath } from "./addresses";
import { Changes } from "./changes";
import { Files, files } from "./files";
import { Lineage } from "./lineage";
import { Preview } from "./preview/preview";
import "./version.css";

const MOST = 500;
const VIEWS = [["", "Files"], ["changes", "Changes"], ["lineage", "Lineage"]] as const;

interface Whole {
  version: Version;
  // Of its artifact, newest first.
  others: Version[];
  hasMore: boolean;
}

// By its id, or by the name of its artifact with a number or alias; by the name alone, the newest.
export interface Wanted {
  id?: string | undefined;
  name?: string | undefined;
  selector?: string | undefined;
}

async function load(project: Project, { id, name, selector = "latest" }: Wanted): Promise<Whole> {
  const chosen = /^\d+$/.test(selector) ? { version: selector } : { alias: selector };
  const source = id !== undefined ? { versionId: id } : { artifactName: { projectId: project.id, name, ...chosen } };
  const { version } = await call<{ version: Version }>("ArtifactService/GetArtifactVersion", source);
  const request = { projectUid: project.uid, name: version.name, descending: true, pageSize: MOST };
  const { found, hasMore } = await all<Version, "versions">("ArtifactService/ListArtifactVersions", request, "versions", MOST);
  return { version, others: found.some((one) => one.id === version.id) ? found : [...found, version], hasMore };
}

export function VersionPage({ project, wanted }: { project: Project; wanted: Wanted }) {
  const { query } = usePlace();
  const loaded = useLoaded(() => load(project, wanted), [project.uid, wanted.id, wanted.name, wanted.selector]);
  const version = loaded.value?.version;
  useEffect(() => {
    if (version) document.title = `${version.name} v${version.version} · ${project.id} · xpstore`;
  }, [version?.id]);
  if (!loaded.value || !version) return <main><h1>{wanted.name ?? "Artifact"}</h1><Told loaded={loaded} /></main>;
  const { others, hasMore } = loaded.value;
  const view = query.get("v") ?? "";
  const chosen = query.get("f") ?? "";
  const at = (to: Version | undefined): string => (to ? versionPath(project.id, to, view ? { v: view } : chosen ? { f: chosen } : {}) : "");
  return (
    <main class="version">
      <nav aria-label="Where this version is"><a href={projectPath(project.id)}>{project.id}</a> / <a href={projectPath(project.id, "/artifacts")}>artifacts</a></nav>
      <div class="bar">
        <h1>{version.name} v{version.version}</h1>
        {(version.aliases ?? []).map((alias) => <span key={alias} class="tag">{alias}</span>)}
        <span class="push" />
        <label>
          version{" "}
          <select value={version.id} onChange={(event) => go(at(others.find((one) => one.id === event.currentTarget.value)))}>
            {others.map((one) => <option key={one.id} value={one.id}>v{one.version}{(one.aliases ?? []).map((alias) => `, ${alias}`)}</option>)}
          </select>
          {hasMore && <span class="pale"> the newest {MOST}</span>}
        </label>
      </div>
      {version.description && <p class="words">{version.description}</p>}
      <Facts version={version} />
      <details>
        <summary>Get it</summary>
        <Copied label="Command that gets it" text={command(project.id, version)} />
        <Copied label="Python that gets it" text={python(project.id, version)} />
      </details>
      <Metadata version={version} />
      <nav class="panes" aria-label="Views of this version">
        {VIEWS.map(([name, text]) => <a key={name} class="pane" href={versionPath(project.id, version, name ? { v: name } : {})} aria-current={name === view ? "page" : undefined}>{text}</a>)}
      </nav>
      {view === "changes" ? <Changes {...{ project, version, others }} />
        : view === "lineage" ? <Lineage {...{ project }} start={{ version }} />
        : <Explorer {...{ project, version }} chosen={chosen} />}
    </main>
  );
}

function Facts({ version }: { version: Version }) {
  const links = [...new Map((version.links ?? []).map((link) => [link.modelId, link])).values()];
  const modelCount = Number(version.linkCount ?? 0);
  return (
    <dl class="facts">
      <div><dt>type</dt><dd>{version.type}</dd></div>
      <div><dt>size</dt><dd>{bytes(version.sizeBytes)}</dd></div>
      <div><dt>holds</dt><dd>{files(version)}</dd></div>
      <div><dt>saved</dt><dd>{time(version.createdAtUs)} by {version.createdBy}</dd></div>
      {links.length > 0 && (
        <div>
          <dt>{links.length === 1 ? "model" : "models"}</dt>
          <dd>
            {links.slice(0, 5).map((link) => <span key={link.modelId}><ModelLink id={link.modelId} />{link.step !== undefined && <span class="pale"> step {count(link.step)}</span>} </span>)}
            {links.length > 5 && <span class="pale">and {count(Math.max(modelCount, links.length) - 5)} more</span>}
          </dd>
        </div>
      )}
      {version.process && <div><dt>computed by</dt><dd>{version.process.name}</dd></div>}
      <div><dt>id</dt><dd>{version.id}</dd></div>
    </dl>
  );
}

function Metadata({ version }: { version: Version }) {
  const pairs = flat(version.metadataJson, Infinity);
  if (pairs.length === 0) return null;
  return (
    <details open={pairs.length <= 6}>
      <summary>Metadata <span class="pale">{count(pairs.length)}</span></summary>
      <div class="wide" tabIndex={0} role="region" aria-label="Metadata"><Pairs pairs={pairs.slice(0, MOST)} none="" /></div>
      {pairs.length > MOST && <p class="pale">The first {MOST}: the rest is in <code>artifact.metadata</code>.</p>}
    </details>
  );
}

// The files, and beside them what one of them holds.
export function Explorer({ project, version, chosen }: { project: Project; version: Version; chosen: string }) {
  const show = (path: string): string => versionPath(project.id, version, { f: path });
  const isSingle = version.fileCount === "1" && !chosen;
  return (
    <div class="explorer">
      <section aria-label="Files"><Files version={version} chosen={chosen} show={show} /></section>
      {(chosen || isSingle) && <Chosen key={chosen} version={version} path={chosen} />}
    </div>
  );
}

// Without a path the only one is meant.
function Chosen({ version, path }: { version: Version; path: string }) {
  const loaded = useLoaded(async () => {
    const request = { versionId: version.id, pathPrefix: path, pageSize: 1 };
    const { files: [file] = [] } = await call<{ files?: ArtifactFile[] }>("ArtifactService/ListArtifactFiles", request);
    if (!file || (path && file.path !== path) || file.type === "FILE_TYPE_DIRECTORY") return { file: null };
    return { file };
  }, [version.id, path]);
  if (!loaded.value) return <section aria-label="File"><Told loaded={loaded} /></section>;
  const { file } = loaded.value;
  if (!file) return path ? <section aria-label="File"><p class="error" role="alert">No file has the path {path}.</p></section> : null;
  const address = fileAddress(version.id, file.path);
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  return (
    <section class="chosen" aria-label="File">
      <div class="bar">
        <h2>{file.path}</h2>
        <span class="pale">{bytes(file.sizeBytes)}</span>
        <span class="push" />
        <a class="button" href={address} download={name}>Download</a>
        <a class="button" href={address} target="_blank" rel="noreferrer">Open<span class="hidden"> in a new tab</span></a>
      </div>
      <Preview versionId={version.id} path={file.path} sizeBytes={Number(file.sizeBytes ?? 0)} />
    </section>
  );
}
