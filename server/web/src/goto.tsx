// Ctrl-K: go to a project, or to a model or an artifact of the project that one is in.

import { useEffect, useState } from "preact/hooks";
import { Chooser, type Choice } from "./common/chooser";
import { useLoaded, useSettled } from "./common/hooks";
import type { Artifact, Found, Project, Row } from "./common/messages";
import { displayName } from "./common/names";
import { go, modelPath, projectPath } from "./common/place";
import { all, call, CallError, sentence } from "./common/wire";

const MOST_MODELS = 8;
const MOST_OF_A_KIND = 12;
// Made-up names are stored nowhere: they are looked for among so many of the newest models.
const MADE_UP = /^[a-z]+(-[a-z]+(-\d*)?)?$/;
const [PAGE, MOST_PAGES] = [1000, 5];

const has = (text: string, words: string): boolean => text.toLowerCase().includes(words.toLowerCase());
const choiceOf = (row: Row): Choice => {
  const name = displayName(row.modelId, row.values[0]?.text);
  return { value: modelPath(row.modelId), text: name, note: `model ${row.values[1]?.text ?? ""}` };
};

async function search(projectUid: string, filter: string, signal: AbortSignal): Promise<Row[]> {
  const request = { projectUid, filter, orderBy: "created_at desc", columns: ["name", "hash"], pageSize: MOST_MODELS };
  return (await call<Found>("ModelService/SearchModels", request, signal)).rows ?? [];
}

async function named(projectUid: string, words: string, signal: AbortSignal): Promise<Row[]> {
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  const like = words.replace(/[\\%_]/g, "\\$&");
  const begins = `hash like ${quoted(`${like}%`)}`;
  try {
    const pattern = words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return await search(projectUid, `name ~ ${quoted(`(?i)${pattern}`)} or ${begins}`, signal);
  } catch (error) {
    // So many different names are too many for regular expressions: then capitals matter.
    if (!(error instanceof CallError) || error.code !== "resource_exhausted") throw error;
    return search(projectUid, `name like ${quoted(`%${like}%`)} or ${begins}`, signal);
  }
}

async function madeUp(projectUid: string, words: string, signal: AbortSignal): Promise<Row[]> {
  if (words.length < 3 || !MADE_UP.test(words)) return [];
  const request = { projectUid, filter: "name is null", orderBy: "created_at desc", columns: ["name", "hash"], pageSize: PAGE };
  const found: Row[] = [];
  let pageToken = "";
  for (let page = 0; page < MOST_PAGES && found.length < MOST_MODELS; page += 1) {
    const answer: Found & { nextPageToken?: string } = await call("ModelService/SearchModels", { ...request, ...(pageToken && { pageToken }) }, signal);
    found.push(...(answer.rows ?? []).filter((row) => has(displayName(row.modelId), words)));
    pageToken = answer.nextPageToken ?? "";
    if (!pageToken) break;
  }
  return found.slice(0, MOST_MODELS);
}

interface Known {
  projects: Project[];
  artifacts: Artifact[];
  uid: string | undefined;
}

// What is asked for once: projects, and the artifacts of this one.
async function know(project: string | undefined): Promise<Known> {
  const { found: projects } = await all<Project, "projects">("ProjectService/ListProjects", { pageSize: 1000 }, "projects", 2000);
  const uid = projects.find((one) => one.id === project)?.uid;
  const artifacts = uid ? (await all<Artifact, "artifacts">("ArtifactService/ListArtifacts", { projectUid: uid, pageSize: 1000 }, "artifacts", 2000)).found : [];
  return { projects, artifacts, uid };
}

export function GoTo({ project }: { project: string | undefined }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      event.preventDefault();
      setOpen(true);
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return isOpen ? <Palette project={project} close={() => setOpen(false)} /> : null;
}

function Palette({ project, close }: { project: string | undefined; close: () => void }) {
  const [text, setText] = useState("");
  const words = useSettled(text.trim(), 150);
  const known = useLoaded(() => know(project), [project]);
  const uid = known.value?.uid;
  const models = useLoaded(async (signal) => {
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(words)) return [{ value: modelPath(words.toLowerCase()), text: words, note: "model by its id" }];
    if (!uid || !words) return [];
    const [byName, byMadeUp] = await Promise.all([named(uid, words, signal), madeUp(uid, words, signal)]);
    const rows = new Map([...byMadeUp, ...byName].map((row) => [row.modelId, row]));
    return [...rows.values()].map(choiceOf);
  }, [uid, words]);
  const { projects = [], artifacts = [] } = known.value ?? {};
  const choices = [
    ...(words ? (models.value ?? []) : []),
    ...(project === undefined ? [] : artifacts.filter((one) => has(one.name, text.trim())).map((one) => ({ value: artifactPath(project, one), text: one.name, note: `artifact, ${one.type}` }))).slice(0, MOST_OF_A_KIND),
    ...projects.filter((one) => has(`${one.id} ${one.name ?? ""}`, text.trim())).map((one) => ({ value: projectPath(one.id), text: one.id, note: "project" })).slice(0, MOST_OF_A_KIND),
  ];
  const error = known.error ?? models.error;
  const isWaiting = !known.value || words !== text.trim();
  return <Chooser title={project === undefined ? "Go to a project" : "Go to a model, an artifact or a project"} choices={choices} choose={go} close={close} onWords={setText}
    nothing={error !== undefined ? sentence(error) : isWaiting ? "Loading…" : "Nothing has this in its name."} />;
}

// Where its newest version is.
const artifactPath = (project: string, { name, latest }: Artifact): string =>
  projectPath(project, latest && !/^\.\.?$/.test(name) ? `/artifacts/${encodeURIComponent(name)}/${latest.version}` : "/artifacts");
