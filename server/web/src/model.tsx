// One model: how it went, what it was made of, where its files are.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useState } from "preact/hooks";
import { AlertStrip, listAlerts, type Alerts } from "./alerts/alerts";
import { Charts } from "./workbench/charts";
import { looks } from "./common/colours";
import { status } from "./workbench/compare";
import { Copied } from "./common/copied";
import { age, bytes, count, duration, number, time } from "./common/figures";
import { isOfSystem, quoted } from "./workbench/fields";
import { Files, files } from "./artifacts/files";
import { Lineage } from "./artifacts/lineage";
import { versionPath } from "./artifacts/addresses";
import { useEvery, useLoaded } from "./common/hooks";
import { Differences } from "./differences";
import { useKeys } from "./common/keys";
import { Status } from "./workbench/list";
import type { Field, Model, ModelModule, Project, Run, Version } from "./common/messages";
import { displayName } from "./common/names";
import { Pairs } from "./common/pairs";
import { Log } from "./log/log";
import { MediaPane } from "./media/media";
import { back, change, modelPath, projectPath, swap, usePlace } from "./common/place";
import { useNeighbours } from "./workbench/neighbours";
import { Told } from "./common/told";
import { all, call, sentence } from "./common/wire";
import { flat, listSeries, type Series } from "./common/values";

interface Whole {
  model: Model;
  project: Project;
  experiment: string;
  runs: Run[];
  modules: ModelModule[];
  series: Series[];
  alerts: Alerts;
}

async function load(modelId: string): Promise<Whole> {
  const { model } = await call<{ model: Model }>("ModelService/GetModel", { modelId });
  const [{ project }, { experiment }, runs, modules, series, alerts] = await Promise.all([
    call<{ project: Project }>("ProjectService/GetProject", { projectUid: model.projectUid }),
    call<{ experiment: { name: string } }>("ExperimentService/GetExperiment", { experimentId: model.experimentId }),
    all<Run, "runs">("RunService/ListRuns", { modelId }, "runs"),
    all<ModelModule, "modules">("ModelService/ListModules", { modelId }, "modules"),
    listSeries([modelId]),
    listAlerts({ modelId }),
  ]);
  return {
    model, project, experiment: experiment.name, runs: runs.found.reverse(), modules: modules.found,
    series: series.get(modelId) ?? [], alerts,
  };
}

const MEDIA_TYPE = "model_media";
// Of what is linked to a model, media and all.
const MOST_VERSIONS = 5000;

async function listVersions({ id, projectUid }: Model): Promise<{ versions: Version[]; hasMore: boolean }> {
  const request = { projectUid, modelId: id, descending: true, pageSize: 1000 };
  const { found, hasMore } = await all<Version, "versions">("ArtifactService/ListArtifactVersions", request, "versions", MOST_VERSIONS);
  return { versions: found.filter((version) => version.type !== MEDIA_TYPE), hasMore };
}

const fieldOf = (one: Series): Field => ({ field: `metrics.${quoted(one.name)}[${quoted(one.phase)}]` });

const PANES = [["", "Overview"], ["media", "Media"], ["log", "Log"]] as const;

export function ModelPage({ id, isDark }: { id: string; isDark: boolean }) {
  const { query } = usePlace();
  const pane = query.get("v") ?? "";
  const loaded = useLoaded(() => load(id), [id]);
  const isLive = loaded.value?.runs[0]?.status === "RUN_STATUS_RUNNING";
  useEvery(isLive ? 5000 : 30000, loaded.reload);
  const names = useCallback(() => (loaded.value ? displayName(id, loaded.value.model.name) : ""), [loaded.value?.model.name, id]);
  useEffect(() => {
    if (loaded.value) document.title = `${names()} · xpstore`;
  }, [loaded.value?.model.name, id]);
  const fields = useMemo(() => loaded.value?.series.map(fieldOf), [loaded.value?.series.map((one) => one.title).join("\n")]);
  const models = useMemo(() => [id], [id]);
  const drawn = useMemo(() => looks(models, isDark), [models, isDark]);
  const neighbours = useNeighbours(id);
  const beside = (by: -1 | 1): void => {
    const other = by < 0 ? neighbours?.previous : neighbours?.next;
    if (neighbours && other) swap(modelPath(other) + (pane && `?v=${pane}`), neighbours.came(by));
  };
  useKeys({ "[": () => beside(-1), "]": () => beside(1), Escape: () => loaded.value && back(projectPath(loaded.value.project.id)) });
  if (!loaded.value) {
    return <main>{loaded.error ? <p class="error" role="alert">{sentence(loaded.error)}</p> : <p class="nothing">Loading…</p>}</main>;
  }
  const { model, project, experiment, runs, alerts } = loaded.value;
  return (
    <main class="model">
      <nav class="bar" aria-label="Where this model is">
        <span><a href={projectPath(project.id)}>{project.id}</a> / {experiment}</span>
        {neighbours && (
          <>
            <button type="button" title="[" disabled={!neighbours.previous} onClick={() => beside(-1)}>← Previous</button>
            <button type="button" title="]" disabled={!neighbours.next} onClick={() => beside(1)}>Next →</button>
          </>
        )}
      </nav>
      <h1>{displayName(model.id, model.name)} <Newest run={runs[0]} /></h1>
      {loaded.error !== undefined && <p class="error" role="alert">{sentence(loaded.error)}</p>}
      <AlertStrip {...alerts} few={pane ? 1 : 3} />
      <div class="panes" role="tablist" aria-label="What is shown">
        {PANES.map(([name, text]) => <button type="button" role="tab" key={name} aria-selected={pane === name} onClick={() => change({ v: name })}>{text}</button>)}
      </div>
      {pane !== "" && <h2 class="hidden">{PANES.find(([name]) => name === pane)?.[1]}</h2>}
      {pane === "media" ? <MediaPane {...{ models, drawn, names, isLive, isDark }} hasKeys />
        : pane === "log" ? <Log runs={runs} name={displayName(model.id, model.name)} />
        : <Overview {...loaded.value} {...{ isLive }}>{fields && fields.length > 0 && <Charts {...{ fields, models, drawn, names, isLive, isDark }} />}</Overview>}
    </main>
  );
}

// What it was made of and how it went; its charts are the children.
function Overview({ model, project, runs, modules, series, isLive, children }: Whole & { isLive: boolean; children: ComponentChildren }) {
  const listed = useLoaded(() => listVersions(model), [model.id]);
  useEvery(isLive ? 15000 : 30000, listed.reload);
  const { versions, hasMore } = listed.value ?? { versions: [], hasMore: false };
  const [own, ofSystem] = [series.filter((one) => !isOfSystem(one)), series.filter(isOfSystem)];
  const config = flat(model.configJson);
  return (
    <>
      {model.description && <p>{model.description}</p>}
      <Facts model={model} run={runs[0]} />
      <Repeat run={runs[0]} />
      {runs[0]?.error && <pre class="traceback" tabIndex={0} aria-label="Error of the newest run">{runs[0].error}</pre>}
      <div class="parts">
        <section>
          <h2>Metrics</h2>
          {own.length === 0 ? <p class="nothing">No metric was logged.</p> : <Metrics series={own} />}
          {ofSystem.length > 0 && <details><summary>What its machine was busy with</summary><Metrics series={ofSystem} /></details>}
        </section>
        <section>
          <h2>Config</h2>
          <Pairs pairs={config} none="Without a config." />
          {modules.map((module) => (
            <section key={module.id}>
              <h3>Module {module.name}</h3>
              <Pairs pairs={flat(module.attributesJson)} none="Without attributes." />
            </section>
          ))}
        </section>
        <section>
          <h2>Files</h2>
          <Told loaded={listed} />
          {listed.value && versions.length === 0 && <p class="nothing">No artifact is linked to this model.</p>}
          {hasMore && <p class="pale">Those among the newest {count(MOST_VERSIONS)} that are linked to it, media and all.</p>}
          {versions.map((version) => (
            <details key={version.id} open={versions.length === 1}>
              <summary>
                {version.name} <b>v{version.version}</b> {(version.aliases ?? []).map((alias) => <span key={alias} class="tag">{alias}</span>)}{" "}
                <span class="pale">{version.type}, {bytes(version.sizeBytes)}, {files(version)}</span>
              </summary>
              <a href={versionPath(project.id, version)}>All of {version.name} v{version.version}</a>
              <Files version={version} show={(path) => versionPath(project.id, version, { f: path })} />
            </details>
          ))}
        </section>
      </div>
      <Differences model={model} />
      {versions.length > 0 && <h2>Lineage</h2>}
      {versions.length > 0 && <Lineage project={project} start={{ modelId: model.id, name: model.name, versions }} />}
      {series.length > 0 && <h2>Charts</h2>}
      {children}
      <h2>Runs</h2>
      {runs.length === 0 && <p class="nothing">It never ran.</p>}
      {runs.map((run, at) => <RunOf key={run.id} run={run} isTold={at === 0} />)}
    </>
  );
}

const sinceUs = (us: string): number => Date.now() * 1000 - Number(us);

function Newest({ run }: { run: Run | undefined }) {
  return <Status status={run && status(run.status)} sinceUs={run && sinceUs(run.heartbeatAtUs)} />;
}

function Facts({ model, run }: { model: Model; run: Run | undefined }) {
  const environment = run?.environment;
  const end = Number(run?.endedAtUs ?? run?.heartbeatAtUs ?? 0);
  const commit = environment?.gitCommit && environment.gitCommit.slice(0, 12) + (environment.gitDirty ? ", with changes" : "");
  const facts: [string, string | undefined][] = [
    ["created", `${time(model.createdAtUs)} by ${model.createdBy ?? ""}`],
    ["step", count(model.step)],
    ["duration", run && duration((end - Number(run.startedAtUs)) / 1e6)],
    ["host", environment?.host],
    ["user", environment?.user],
    ["commit", commit],
    ["Python", environment?.python],
    ...flat(environment?.jobJson).map(([name, value]): [string, string] => [name.replaceAll("_", " "), value]),
    ["tags", (model.tags ?? []).join(", ")],
    ["id", model.id],
    ["hash", model.hash],
  ];
  return (
    <dl class="facts">
      {facts.filter(([, value]) => value).map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

// What starts it again.
function Repeat({ run }: { run: Run | undefined }) {
  const { command, gitCommit, gitDirty } = run?.environment ?? {};
  if (!command) return null;
  return (
    <>
      <Copied label="Command to repeat it" text={(gitCommit ? `git checkout ${gitCommit}\n` : "") + command} />
      {gitDirty && run && <Patch key={run.id} run={run} />}
    </>
  );
}

// The changes that are not in the commit, asked for when somebody looks.
function Patch({ run }: { run: Run }) {
  const [isOpen, setOpen] = useState(false);
  const loaded = useLoaded(() => (isOpen ? call<{ run: Run }>("RunService/GetRun", { runId: run.id }) : Promise.resolve(null)), [isOpen]);
  const patch = loaded.value?.run.environment?.gitDiff;
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Files had changes that are not in this commit</summary>
      {loaded.error !== undefined && <p class="error" role="alert">{sentence(loaded.error)}</p>}
      {patch && <pre class="traceback" tabIndex={0} aria-label="Changes">{patch}</pre>}
      {loaded.value && !patch && <p class="pale">They were not recorded.</p>}
    </details>
  );
}

function Metrics({ series }: { series: Series[] }) {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label="Metrics">
      <table class="numbers">
        <thead>
          <tr>{["metric", "last", "at step", "min", "max", "points"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
        </thead>
        <tbody>
          {series.map((one) => (
            <tr key={one.title}>
              <th scope="row">{one.title}</th>
              <td class="right" title={one.exactLast}>{one.last}</td>
              <td class="right">{one.lastStep}</td>
              <td class="right" title={String(one.min ?? "")}>{one.min === undefined ? "" : number(one.min)}</td>
              <td class="right" title={String(one.max ?? "")}>{one.max === undefined ? "" : number(one.max)}</td>
              <td class="right">{count(one.count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// The error of the newest stands further up.
function RunOf({ run, isTold }: { run: Run; isTold: boolean }) {
  const rank = run.environment?.rank ? `, rank ${run.environment.rank}` : "";
  const end = run.endedAtUs === undefined ? `last heard of ${age(sinceUs(run.heartbeatAtUs))} ago` : `until ${time(run.endedAtUs)}`;
  return (
    <section class="run">
      <Status status={status(run.status)} /> <span class="pale">from {time(run.startedAtUs)} {end}{rank}</span>
      {run.error && !isTold && <pre class="traceback" tabIndex={0}>{run.error}</pre>}
    </section>
  );
}
