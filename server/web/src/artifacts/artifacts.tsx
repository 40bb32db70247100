// The artifacts of a project: names, versions, aliases, sizes, files.

import { Fragment } from "preact";
import { useState } from "preact/hooks";
import { bytes, time } from "../common/figures";
import { Files, files } from "./files";
import { useLoaded } from "../common/hooks";
import type { Artifact, Project, Version } from "../common/messages";
import { displayName } from "../common/names";
import { modelPath } from "../common/place";
import { all, call, sentence } from "../common/wire";

const MOST = 500;

export function Artifacts({ project }: { project: Project }) {
  const loaded = useLoaded(
    () => all<Artifact, "artifacts">("ArtifactService/ListArtifacts", { projectUid: project.uid, pageSize: MOST }, "artifacts", MOST),
    [project.uid],
  );
  return (
    <main>
      <h1>Artifacts</h1>
      {loaded.error !== undefined && <p class="error" role="alert">{sentence(loaded.error)}</p>}
      {loaded.value?.found.length === 0 && <p class="nothing">This project has no artifacts.</p>}
      {loaded.value?.found.map((artifact, _, { length }) => <Versions key={artifact.id} {...{ artifact, project }} isFirstOpen={length === 1} />)}
      {loaded.value?.hasMore && <p class="pale">The first {MOST} artifacts.</p>}
    </main>
  );
}

function Versions({ artifact, project, isFirstOpen }: { artifact: Artifact; project: Project; isFirstOpen: boolean }) {
  const [isOpen, setOpen] = useState(isFirstOpen);
  const { latest } = artifact;
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <b>{artifact.name}</b> <span class="pale">{artifact.type}</span> newest v{latest?.version} <span class="pale">{bytes(latest?.sizeBytes)}, {time(latest?.createdAtUs)}</span>
      </summary>
      {isOpen && <VersionTable artifact={artifact} project={project} />}
    </details>
  );
}

function VersionTable({ artifact, project }: { artifact: Artifact; project: Project }) {
  const [open, setOpen] = useState("");
  const loaded = useLoaded(() => {
    const request = { projectUid: project.uid, name: artifact.name, descending: true, pageSize: MOST };
    return all<Version, "versions">("ArtifactService/ListArtifactVersions", request, "versions", MOST);
  }, [artifact.id]);
  if (loaded.error) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  if (!loaded.value) return <p class="nothing">Loading…</p>;
  return (
    <div class="wide" tabIndex={0} role="region" aria-label={`Versions of ${artifact.name}`}>
      <table>
        <thead>
          <tr>{["version", "aliases", "size", "files", "created", "models"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
        </thead>
        <tbody>
          {loaded.value.found.map((version) => (
            <Fragment key={version.id}>
              <tr>
                <th scope="row">v{version.version}</th>
                <td>{(version.aliases ?? []).map((alias) => <span key={alias} class="tag">{alias}</span>)}</td>
                <td class="right">{bytes(version.sizeBytes)}</td>
                <td class="right">
                  <button type="button" aria-expanded={open === version.id} onClick={() => setOpen(open === version.id ? "" : version.id)}>{files(version)}</button>
                </td>
                <td>{time(version.createdAtUs)} <span class="pale">{version.createdBy}</span></td>
                <td>{(version.links ?? []).slice(0, 3).map((link) => <a key={link.modelId} href={modelPath(link.modelId)}>{displayName(link.modelId)} </a>)}</td>
              </tr>
              {open === version.id && <tr><td colSpan={6}><Files version={version} /></td></tr>}
            </Fragment>
          ))}
        </tbody>
      </table>
      {loaded.value.hasMore && <p class="pale">The newest {MOST} versions.</p>}
    </div>
  );
}

// What was deleted and can still be brought back.
export function Trash({ project }: { project: Project }) {
  const [told, setTold] = useState("");
  const loaded = useLoaded(() => {
    const request = { projectUid: project.uid, deleted: true, descending: true, pageSize: MOST };
    return all<Version, "versions">("ArtifactService/ListArtifactVersions", request, "versions", MOST);
  }, [project.uid]);
  const undo = async (version: Version): Promise<void> => {
    try {
      await call("ArtifactService/UndeleteArtifactVersion", { versionId: version.id });
      setTold(`${version.name} v${version.version} is back.`);
    } catch (error) {
      setTold(sentence(error));
    }
    loaded.reload();
  };
  return (
    <main>
      <h1>Trash</h1>
      <p role="status">{told}</p>
      {loaded.error !== undefined && <p class="error" role="alert">{sentence(loaded.error)}</p>}
      {loaded.value?.found.length === 0 && <p class="nothing">No deleted version can be brought back.</p>}
      {loaded.value && loaded.value.found.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Deleted versions">
          <table>
            <thead>
              <tr>{["artifact", "version", "size", "deleted", ""].map((name) => <th key={name} scope="col">{name || <span class="hidden">undo</span>}</th>)}</tr>
            </thead>
            <tbody>
              {loaded.value.found.map((version) => (
                <tr key={version.id}>
                  <th scope="row">{version.name}</th>
                  <td>v{version.version}</td>
                  <td class="right">{bytes(version.sizeBytes)}</td>
                  <td>{time(version.deletedAtUs)}</td>
                  <td><button type="button" onClick={() => void undo(version)}>Bring back<span class="hidden"> {version.name} v{version.version}</span></button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </main>
  );
}
