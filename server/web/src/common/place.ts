// Where the page is: all of its state is in the URL.

import { useEffect, useState } from "preact/hooks";

// An entry of the history that one came to from another view.
const INSIDE = { isInside: true };
const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((listener) => listener());
addEventListener("popstate", tell);

interface Entry {
  isInside?: boolean;
  // What views left for when somebody comes back, by their names.
  left?: Record<string, unknown>;
  // What the view before hands over.
  handed?: unknown;
}

const entry = (): Entry => (history.state ?? {}) as Entry;
const leavers = new Map<string, () => unknown>();

function leave(): void {
  if (leavers.size === 0) return;
  const left = Object.fromEntries([...leavers].map(([name, read]) => [name, read()]));
  history.replaceState({ ...entry(), left }, "");
}

addEventListener("pagehide", leave);
let soon = 0;
// A step back of the browser tells nobody before it is done.
addEventListener("scroll", () => (clearTimeout(soon), (soon = setTimeout(leave, 250))), true);

// Leaves something in the entry of the history when the view is left; and what was left there before.
export function useLeft<T>(name: string, read: () => T): T | undefined {
  const [found] = useState(() => entry().left?.[name] as T | undefined);
  useEffect(() => {
    leavers.set(name, read);
    return () => void (leavers.get(name) === read && leavers.delete(name));
  });
  return found;
}

// What the view handed over that one came from.
export const handed = (): unknown => entry().handed;
let handing: (() => unknown) | null = null;
// Says what the next view is handed.
export const hand = (what: (() => unknown) | null): void => void (handing = what);

// Goes to a path with its query.
export function go(to: string): void {
  clearTimeout(soon);
  leave();
  history.pushState({ ...INSIDE, handed: handing?.() }, "", to);
  tell();
  scrollTo(0, 0);
}

// Goes to another of the same kind: a step back goes to where one came from.
export function swap(to: string, next: unknown): void {
  history.replaceState({ ...entry(), left: {}, handed: next }, "", to);
  tell();
  scrollTo(0, 0);
}

// Goes back to where one came from in the page, else to a path.
export function back(to: string): void {
  if (entry().isInside) history.back();
  else go(to);
}

// Changes some of the query; what is empty is left out. A step back goes to before it only if `isStep`.
export function change(values: Record<string, string>, isStep = false): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  const to = location.pathname + (text && `?${text}`);
  if (isStep) history.pushState(INSIDE, "", to);
  else history.replaceState(history.state, "", to);
  tell();
}

export interface Place {
  path: string[];
  query: URLSearchParams;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function read(): Place {
  const path = location.pathname.split("/").filter(Boolean).map(decoded);
  return { path, query: new URLSearchParams(location.search) };
}

export function usePlace(): Place {
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const listener = (): void => setPlace(read());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return place;
}

// A click that the browser would follow in this tab stays in the page.
export function follow(event: MouseEvent): void {
  const link = (event.target as Element).closest?.("a");
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (!/^\/($|[pm]\/)/.test(link.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

export const projectPath = (id: string, rest = ""): string => `/p/${encodeURIComponent(id)}${rest}`;
export const modelPath = (id: string): string => `/m/${id}`;
