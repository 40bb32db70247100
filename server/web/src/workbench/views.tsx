// Views of a project that somebody named: kept in this browser, and each a link that works anywhere.

import { useEffect, useRef, useState } from "preact/hooks";
import { copyText } from "../common/copy";
import type { Project } from "../common/messages";
import { go, projectPath, usePlace } from "../common/place";
import "./views.css";

// What a view is made of: not which models are selected, nor which stretch is seen of a chart.
const PARTS = ["q", "o", "c", "g", "gs", "v", "m", "mn", "x", "l", "w", "k", "sx", "sy", "sl", "pa"];

interface View {
  name: string;
  query: string;
}

const keyOf = (project: Project): string => `views ${project.uid}`;

function read(project: Project): View[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(project)) ?? "[]");
    const isView = (one: unknown): one is View => typeof (one as View).name === "string" && typeof (one as View).query === "string";
    return Array.isArray(kept) ? kept.filter((one) => one && isView(one)) : [];
  } catch {
    return [];
  }
}

function viewOf(query: URLSearchParams): string {
  return new URLSearchParams(PARTS.flatMap((part) => (query.has(part) ? [[part, query.get(part) ?? ""]] : []))).toString();
}

export const copyLink = (): Promise<boolean> => copyText(location.href);

export function Views({ project, close, say }: { project: Project; close: () => void; say: (text: string) => void }) {
  const { query } = usePlace();
  const dialog = useRef<HTMLDialogElement>(null);
  const [views, setViews] = useState(() => read(project));
  const [name, setName] = useState("");
  const [error, setError] = useState("");
  useEffect(() => dialog.current?.showModal(), []);
  const now = viewOf(query);
  const pathOf = (view: View): string => projectPath(project.id) + (view.query && `?${view.query}`);
  const keep = (next: View[]): boolean => {
    try {
      localStorage.setItem(keyOf(project), JSON.stringify(next));
      setViews(next);
      setError("");
      return true;
    } catch {
      setError("This browser keeps nothing more for this page. Delete views, or copy the link instead.");
      return false;
    }
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const bare = name.trim();
    const others = views.filter((view) => view.name !== bare);
    if (bare && keep([...others, { name: bare, query: now }].sort((one, other) => one.name.localeCompare(other.name)))) setName("");
  };
  const copy = async (view: View): Promise<void> => {
    if (await copyText(location.origin + pathOf(view))) say(`The link of ${view.name} is copied.`);
    dialog.current?.close();
  };
  const open = (view: View): void => {
    dialog.current?.close();
    go(pathOf(view));
  };
  const replaces = views.some((view) => view.name === name.trim());
  return (
    <dialog ref={dialog} class="views" aria-label={`Views of ${project.id}`} onClose={close}>
      <h2>Views</h2>
      <form class="bar" onSubmit={save}>
        <label>What is shown now, as <input type="text" value={name} maxLength={100} placeholder="name" onInput={(event) => setName(event.currentTarget.value)} /></label>
        <button type="submit" disabled={!name.trim()}>{replaces ? "Replace" : "Save"}</button>
      </form>
      {error && <p class="error" role="alert">{error}</p>}
      {views.length === 0 && <p class="nothing">No view was saved yet.</p>}
      <ul>
        {views.map((view) => (
          <li key={view.name} class="bar">
            <button type="button" class="open" aria-current={view.query === now ? "true" : undefined} onClick={() => open(view)}>{view.name}</button>
            <span class="push pale">{new URLSearchParams(view.query).get("q") || "all models"}</span>
            <button type="button" aria-label={`Copy the link of ${view.name}`} onClick={() => void copy(view)}>Copy link</button>
            <button type="button" aria-label={`Delete ${view.name}`} onClick={() => keep(views.filter((one) => one !== view))}>Delete</button>
          </li>
        ))}
      </ul>
      <p class="pale">Filter, order, columns, groups, metrics, axes, colours and tab. A view is kept in this browser alone; its link works anywhere.</p>
      <form method="dialog"><button type="submit">Close</button></form>
    </dialog>
  );
}
