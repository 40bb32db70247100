// Where the page is: all of its state is in the URL.

import { useEffect, useState } from "preact/hooks";

// An entry of the history that one came to from another view.
const INSIDE = { isInside: true };
const listeners = new Set<() => void>();
const tell = (): void => listeners.forEach((listener) => listener());
addEventListener("popstate", tell);

// Goes to a path with its query.
export function go(to: string): void {
  history.pushState(INSIDE, "", to);
  tell();
  scrollTo(0, 0);
}

// Goes back to where one came from in the page, else to a path.
export function back(to: string): void {
  if ((history.state as typeof INSIDE | null)?.isInside) history.back();
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
