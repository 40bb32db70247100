// The charts of the selected models, one for each metric.

import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { Chart } from "./chart";
import type { Looks } from "../common/colours";
import { directedFirst, isOfSystem, metricOf, title } from "./fields";
import type { Field } from "../common/messages";
import { change, usePlace } from "../common/place";
import { Pins } from "./pins";
import type { Lines, Window } from "./series";

interface Props {
  fields: Field[] | undefined;
  models: string[];
  drawn: Looks;
  names: (id: string) => string;
  isLive: boolean;
  isDark: boolean;
  merge?: ((found: Lines) => Lines) | undefined;
  // Behind the other options.
  children?: ComponentChildren;
}

export function Charts({ fields, models, drawn, names, isLive, isDark, merge, children }: Props) {
  const { query } = usePlace();
  const axis = query.get("x") === "time" ? "time" : "step";
  const wanted = (query.get("m") ?? "").toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
  const zoom = query.get("z") ?? "";
  const isLog = query.has("l");
  const smoothing = Math.min(0.99, Math.max(0, Number(query.get("w") ?? 0) || 0));
  const window = useMemo((): Window | null => {
    const [start, end] = zoom.split("_").map(Number);
    return start !== undefined && end !== undefined && end > start ? { start, end } : null;
  }, [zoom]);
  const metrics = directedFirst((fields ?? []).flatMap((field) => metricOf(field.field) ?? []));
  const shown = metrics.filter((metric) => wanted.length === 0 || wanted.some((word) => title(metric).toLowerCase().includes(word)));
  const setWindow = (next: Window | null): void => change({ z: next ? `${Math.floor(next.start)}_${Math.ceil(next.end)}` : "" });
  const options = { axis, isLog, smoothing, window, setWindow, isDark } as const;
  // Of a stretch of steps they have none.
  const ofSystem = axis === "time" ? options : ({ ...options, axis: "time", window: null, setWindow: () => undefined } as const);
  return (
    <>
      <div class="bar options">
        <label>Metrics <input type="search" placeholder="all" value={query.get("m") ?? ""} onInput={(event) => change({ m: event.currentTarget.value })} /></label>
        <label>x <select value={axis} onChange={(event) => change({ x: event.currentTarget.value === "time" ? "time" : "", z: "" })}>
          <option value="step">step</option>
          <option value="time">time</option>
        </select></label>
        <label><input type="checkbox" checked={isLog} onChange={() => change({ l: isLog ? "" : "1" })} /> log y</label>
        <label>smooth <input type="range" min="0" max="0.99" step="0.01" value={smoothing}
          onInput={(event) => change({ w: Number(event.currentTarget.value) ? event.currentTarget.value : "" })} /></label>
        {children}
        {window && <button type="button" onClick={() => setWindow(null)}>Whole axis</button>}
      </div>
      {models.length === 0 && fields && <p class="nothing">Select models in the list to draw them.</p>}
      <Pins drawn={drawn} names={names} />
      <div class="charts">
        {models.length > 0 && shown.map((metric) => <Chart key={metric.field} {...{ metric, models, drawn, names, isLive, merge }} options={isOfSystem(metric) ? ofSystem : options} />)}
      </div>
      {fields && metrics.length === 0 && <p class="nothing">No metric was logged yet.</p>}
      {metrics.length > 0 && shown.length === 0 && <p class="nothing">No metric has this in its name.</p>}
    </>
  );
}
