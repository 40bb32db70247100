// Keys that do something wherever one is on the page, but not while one writes.

import { useEffect, useRef } from "preact/hooks";

export function useKeys(actions: Record<string, () => unknown>): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const target = event.target as HTMLElement;
      if (target.closest("input:not([type=checkbox]), textarea, select, dialog")) return;
      // What has a use of its own for these keys keeps it.
      if ((event.key === " " || event.key === "Enter") && target.closest("button, a, summary, input")) return;
      if (/^(Arrow|Page|Home|End)/.test(event.key) && target.closest(".wide, pre, audio, [role=application]")) return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
