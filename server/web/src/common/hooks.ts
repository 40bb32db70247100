// What several views need: loading, and asking again while somebody looks.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  value: T | undefined;
  error: unknown;
  reload: () => void;
}

// Loads what `keys` stand for, and again when they change; what was there stays until then.
export function useLoaded<T>(load: (signal: AbortSignal) => Promise<T>, keys: unknown[]): Loaded<T> {
  const [state, setState] = useState<{ value?: T; error?: unknown }>({});
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    load(stop.signal).then(
      (value) => !stop.signal.aborted && setState({ value }),
      (error: unknown) => !stop.signal.aborted && setState((before) => ({ ...before, error })),
    );
    return () => stop.abort();
  }, [...keys, round]);
  const reload = useCallback(() => setRound((before) => before + 1), []);
  return { value: state.value, error: state.error, reload };
}

// Does something every so often, but not while the tab is hidden: then once when it is seen again.
export function useEvery(milliseconds: number, action: () => void): void {
  const latest = useRef(action);
  latest.current = action;
  useEffect(() => {
    let last = Date.now();
    const act = (): void => {
      if (document.hidden || Date.now() - last < milliseconds * 0.9) return;
      last = Date.now();
      latest.current();
    };
    const timer = setInterval(act, milliseconds);
    document.addEventListener("visibilitychange", act);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", act);
    };
  }, [milliseconds]);
}

// A value once it has not changed for a while.
export function useSettled<T>(value: T, milliseconds: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return settled;
}

// Whether an element is on the screen, or nearly: what is far below is not loaded.
export function useSeen(): [(element: HTMLElement | null) => void, boolean] {
  const [element, setElement] = useState<HTMLElement | null>(null);
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    if (!element) return;
    const observer = new IntersectionObserver((entries) => setSeen(entries.some((one) => one.isIntersecting)), { rootMargin: "150px" });
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, isSeen];
}
