// The artifacts of a project: names, versions, aliases, sizes.

import { useState } from "preact/hooks";
import { bytes, count, time } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { Artifact, Project, Version } from "../common/messages";
import { ModelLink } from "../common/model-link";
import { Told } from "../common/told";
import { all } from "../common/wire";
import { versionPath } from "./addresses";
import { files } from "./files";

const MOST = 500;

export function Artifacts({ project }: { project: Project }) {
  const [sought, setSought] = useState("");
  const loaded = useLoaded(
    () => all<Artifact, "artifacts">("ArtifactService/ListArtifacts", { projectUid: project.uid, pageSize: MOST }, "artifacts", MOST),
    [project.uid],
  );
  const found = loaded.value?.found ?? [];
  const shown = found.filter((one) => `${one.name} ${one.type}`.toLowerCase().includes(sought.toLowerCase()));
  return (
    <main>
      <h1>Artifacts</h1>
      {!loaded.value && <Told loaded={loaded} />}
      {loaded.value && found.length === 0 && <p class="nothing">This project has no artifacts.</p>}
      {found.length > 10 && (
        <p class="bar">
          <input type="search" aria-label="Search names and types" placeholder="name or type" value={sought} onInput={(event) => setSought(event.currentTarget.value)} />
          <span class="pale" role="status">{count(shown.length)} of {count(found.length)}{loaded.value?.hasMore && ": the first of them"}</span>
        </p>
      )}
      {shown.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Artifacts">
          <table class="numbers">
            <thead>
              <tr>{["artifact", "type", "newest", "size", "saved", ""].map((name) => <th key={name} scope="col">{name || <span class="hidden">all versions</span>}</th>)}</tr>
            </thead>
            <tbody>{shown.map((artifact) => <Versions key={artifact.id} {...{ artifact, project }} isFirstOpen={found.length === 1} />)}</tbody>
          </table>
        </div>
      )}
      {loaded.value?.hasMore && <p class="pale">The first {MOST} artifacts.</p>}
    </main>
  );
}

function Versions({ artifact, project, isFirstOpen }: { artifact: Artifact; project: Project; isFirstOpen: boolean }) {
  const [isOpen, setOpen] = useState(isFirstOpen);
  const { latest } = artifact;
  return (
    <>
      <tr>
        <th scope="row">{latest ? <a href={versionPath(project.id, latest)}>{artifact.name}</a> : artifact.name}</th>
        <td class="right">{artifact.type}</td>
        <td class="right">v{latest?.version}</td>
        <td class="right">{bytes(latest?.sizeBytes)}</td>
        <td class="right">{time(latest?.createdAtUs)}</td>
        <td><button type="button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>All versions<span class="hidden"> of {artifact.name}</span></button></td>
      </tr>
      {isOpen && <tr><td colSpan={6}><VersionTable artifact={artifact} project={project} /></td></tr>}
    </>
  );
}

function VersionTable({ artifact, project }: { artifact: Artifact; project: Project }) {
  const loaded = useLoaded(() => {
    const request = { projectUid: project.uid, name: artifact.name, descending: true, pageSize: MOST };
    return all<Version, "versions">("ArtifactService/ListArtifactVersions", request, "versions", MOST);
  }, [artifact.id]);
  if (!loaded.value) return <Told loaded={loaded} />;
  return (
    <div class="wide" tabIndex={0} role="region" aria-label={`Versions of ${artifact.name}`}>
      <table>
        <thead>
          <tr>{["version", "aliases", "size", "files", "saved", "models"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
        </thead>
        <tbody>
          {loaded.value.found.map((version) => (
            <tr key={version.id}>
              <th scope="row"><a href={versionPath(project.id, version)}>v{version.version}<span class="hidden"> of {artifact.name}</span></a></th>
              <td>{(version.aliases ?? []).map((alias) => <span key={alias} class="tag">{alias}</span>)}</td>
              <td class="right">{bytes(version.sizeBytes)}</td>
              <td class="right">{files(version)}</td>
              <td>{time(version.createdAtUs)} <span class="pale">{version.createdBy}</span></td>
              <td>{[...new Set((version.links ?? []).map((link) => link.modelId))].slice(0, 3).map((id) => <span key={id}><ModelLink id={id} /> </span>)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {loaded.value.hasMore && <p class="pale">The newest {MOST} versions.</p>}
    </div>
  );
}
