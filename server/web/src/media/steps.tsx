// One slider for the step of all media that are shown.

import { useRef, useState } from "preact/hooks";
import { count } from "../common/figures";
import { useKeys } from "../common/keys";
import { change } from "../common/place";
import { sentence } from "../common/wire";
import { list, stepOf } from "./named";

interface Props {
  models: string[];
  // Of what is shown; a search for the next step takes no more than the server lets it.
  names: string[];
  first: number;
  last: number;
  // null: the newest of each, as it comes.
  step: number | null;
  // Whether arrow keys step wherever one is on the page.
  hasKeys: boolean;
}

const MOST_NAMES = 100; // of one request

export function Steps({ models, names, first, last, step, hasKeys }: Props) {
  const isBusy = useRef(false);
  const [error, setError] = useState("");
  const at = Math.max(first, Math.min(last, step ?? last));
  const show = (next: number): void => change({ step: next >= last ? "" : String(next) });
  // To where the next or the one before was logged.
  const go = async (by: 1 | -1): Promise<void> => {
    if (isBusy.current || at + by < first || at + by > last) return;
    isBusy.current = true;
    try {
      const request = { names: names.length > MOST_NAMES ? [] : names, pageSize: 1, ...(by > 0 ? { fromStep: at + 1 } : { toStep: at - 1, descending: true }) };
      const steps = (await Promise.all(models.map((id) => list(id, request)))).flatMap(({ media }) => media.map(stepOf));
      setError("");
      if (steps.length > 0) show(by > 0 ? Math.min(...steps) : Math.max(...steps));
    } catch (cause) {
      setError(sentence(cause));
    } finally {
      isBusy.current = false;
    }
  };
  const keys: Record<string, () => unknown> = { ArrowLeft: () => go(-1), ArrowRight: () => go(1) };
  useKeys(hasKeys ? keys : {});
  const onKey = (event: KeyboardEvent): void => {
    const act = { ...keys, ArrowDown: () => go(-1), ArrowUp: () => go(1), Home: () => show(first), End: () => show(last) }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    void act();
  };
  return (
    <div class="bar steps">
      <div>
        <button type="button" aria-label="Step before" title="←" disabled={at <= first} onClick={() => void go(-1)}>←</button>
        <input type="range" aria-label="Step" min={first} max={last} step={1} value={at} aria-valuetext={`step ${at}`} onKeyDown={onKey} onInput={(event) => show(Number(event.currentTarget.value))} />
        <button type="button" aria-label="Next step" title="→" disabled={at >= last} onClick={() => void go(1)}>→</button>
      </div>
      <output>{step === null ? "the newest" : `at or before step ${count(at)}`}<span class="pale"> of {first === last ? count(first) : `${count(first)}–${count(last)}`}</span></output>
      {step !== null && <button type="button" onClick={() => show(last)}>Newest</button>}
      {error && <p class="error" role="alert">{error}</p>}
    </div>
  );
}
