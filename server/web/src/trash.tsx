// What was deleted and can still be brought back.

import { useState } from "preact/hooks";
import { bytes, time } from "./common/figures";
import { useLoaded, type Loaded } from "./common/hooks";
import type { Experiment, Limits, Model, Project, Version } from "./common/messages";
import { displayName } from "./common/names";
import { modelPath } from "./common/place";
import { Told } from "./common/told";
import { all, call, CallError, sentence } from "./common/wire";

const MOST = 500;

// One of those that were deleted.
interface Deleted {
  id: string;
  name: string;
  detail: string;
  deletedAtUs: string | undefined;
}

interface Gone {
  found: Deleted[];
  hasMore: boolean;
  keptUs: number;
}

// Lists what was deleted of one kind.
export function useDeleted<T, K extends string>(method: string, request: object, field: K, of: (one: T) => Deleted): Loaded<Gone> {
  return useLoaded(async () => {
    const [{ limits }, page] = await Promise.all([
      call<Limits>("LimitsService/GetLimits", {}),
      all<T, K>(method, { ...request, deleted: true, pageSize: MOST }, field, MOST),
    ]);
    return { found: page.found.map(of), hasMore: page.hasMore, keptUs: Number(limits.undoKeptUs) };
  }, [method, JSON.stringify(request)]);
}

interface Kind {
  title: string;
  // Of one, and of none, in words.
  what: string;
  none: string;
  loaded: Loaded<Gone>;
  // Brings one back; throws why not.
  undo: (id: string) => Promise<unknown>;
  // Where the one is that has taken its place.
  taken?: (id: string) => string;
}

export function DeletedOf({ title, what, none, loaded, undo, taken }: Kind) {
  const [told, setTold] = useState("");
  const [error, setError] = useState("");
  const [other, setOther] = useState("");
  const bring = async (one: Deleted): Promise<void> => {
    setTold("");
    setError("");
    setOther("");
    try {
      await undo(one.id);
      setTold(`${one.name} is back.`);
    } catch (cause) {
      setError(`${one.name} cannot be brought back: ${sentence(cause)}`);
      if (taken && cause instanceof CallError && cause.code === "already_exists" && cause.metadata["value"]) setOther(taken(cause.metadata["value"]));
    }
    loaded.reload();
  };
  const gone = loaded.value;
  return (
    <section>
      <h2>{title}</h2>
      <p role="status">{told}</p>
      {error && <p class="error" role="alert">{error}{other && <> <a href={other}>See the other</a></>}</p>}
      {!gone && <Told loaded={loaded} />}
      {gone?.found.length === 0 && <p class="nothing">{none}</p>}
      {gone && gone.found.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead>
              <tr>{[what, "", "deleted", "can be brought back until", ""].map((name, at) => <th key={at} scope="col">{name || <span class="hidden">{at === 1 ? "details" : "undo"}</span>}</th>)}</tr>
            </thead>
            <tbody>
              {gone.found.map((one) => (
                <tr key={one.id}>
                  <th scope="row">{one.name}</th>
                  <td class="pale">{one.detail}</td>
                  <td>{time(one.deletedAtUs)}</td>
                  <td>{one.deletedAtUs && time(Number(one.deletedAtUs) + gone.keptUs)}</td>
                  <td><button type="button" onClick={() => void bring(one)}>Bring back<span class="hidden"> {one.name}</span></button></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {gone?.hasMore && <p class="pale">The first {MOST}.</p>}
    </section>
  );
}

const versionOf = (version: Version): Deleted => ({
  id: version.id, name: `${version.name} v${version.version}`, detail: bytes(version.sizeBytes), deletedAtUs: version.deletedAtUs,
});

const modelOf = (model: Model): Deleted => ({
  id: model.id, name: displayName(model.id, model.name), detail: `hash ${model.hash}`, deletedAtUs: model.deletedAtUs,
});

const experimentOf = (experiment: Experiment): Deleted => ({
  id: experiment.id, name: experiment.name, detail: "with its models", deletedAtUs: experiment.deletedAtUs,
});

export function Trash({ project }: { project: Project }) {
  const projectUid = project.uid;
  const versions = useDeleted<Version, "versions">("ArtifactService/ListArtifactVersions", { projectUid, descending: true }, "versions", versionOf);
  const models = useDeleted<Model, "models">("ModelService/ListModels", { projectUid }, "models", modelOf);
  const experiments = useDeleted<Experiment, "experiments">("ExperimentService/ListExperiments", { projectUid }, "experiments", experimentOf);
  return (
    <main>
      <h1>Trash</h1>
      <DeletedOf title="Models" what="model" none="No deleted model can be brought back." loaded={models} taken={modelPath} undo={(modelId) => call("ModelService/UndeleteModel", { modelId })} />
      <DeletedOf title="Experiments" what="experiment" none="No deleted experiment can be brought back." loaded={experiments} undo={(experimentId) => call("ExperimentService/UndeleteExperiment", { experimentId })} />
      <DeletedOf title="Versions of artifacts" what="version" none="No deleted version can be brought back." loaded={versions} undo={(versionId) => call("ArtifactService/UndeleteArtifactVersion", { versionId })} />
    </main>
  );
}

const projectOf = (project: Project): Deleted => ({
  id: project.uid, name: project.id, detail: project.name === project.id ? "" : (project.name ?? ""), deletedAtUs: project.deletedAtUs,
});

// On the start page, where there are some.
export function DeletedProjects({ onBack }: { onBack: () => void }) {
  const loaded = useDeleted<Project, "projects">("ProjectService/ListProjects", {}, "projects", projectOf);
  const undo = async (projectUid: string): Promise<void> => {
    await call("ProjectService/UndeleteProject", { projectUid });
    onBack();
  };
  // Nothing is said of none; once something was brought back, it stays to say so.
  const [isShown, setShown] = useState(false);
  if (!isShown && (loaded.value?.found.length ?? 0) > 0) setShown(true);
  if (!isShown && loaded.error === undefined) return null;
  return <DeletedOf title="Deleted projects" what="project" none="None is left." loaded={loaded} undo={undo} />;
}
