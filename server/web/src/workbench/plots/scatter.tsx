// Two fields of the models that a filter finds against each other, coloured by a third.

import { useCallback, useMemo, useState } from "preact/hooks";
import type { Bench } from "./bench";
import { Canvas, clipped, type Ink } from "../../common/canvas";
import { ChoiceButton } from "../../common/chooser";
import { count } from "../../common/figures";
import { change, go, modelPath, usePlace } from "../../common/place";
import { sentence } from "../../common/wire";
import { isVaried, label, measure, metricOf, directedFirst, offers } from "../fields";
import { Legend } from "./legend";
import { GREY, painterOf, type Painter } from "./painter";
import { usePoints, type Points } from "./points";
import { PointsTable } from "./points-table";
import { scaleOf, told, type Scale } from "./scale";
import type { Field } from "../../common/messages";
import "./plots.css";

const HEIGHT = 420;
const EDGE = { left: 64, right: 18, top: 14, bottom: 40 };
// How near, in pixels, the pointer is to a point that it means.
const NEAR = 18;

function axesOf(fields: Field[]): [string, string] {
  const varied = fields.filter((field) => field.field.startsWith("config.") && isVaried(field));
  const x = (varied.find((field) => field.numberCount && !field.textCount) ?? varied[0])?.field ?? "created_at";
  const metric = directedFirst(fields.flatMap((field) => metricOf(field.field) ?? []))[0];
  return [x, metric ? `${metric.field}.${measure(metric)}` : "step"];
}

interface Dot {
  at: number;
  // From 0 to 1, from the left and from below.
  x: number;
  y: number;
}

export function Scatter({ source, fields, drawn, toggle, isLive, isDark }: Bench) {
  const { query } = usePlace();
  const defaults = useMemo(() => (fields ? axesOf(fields) : null), [fields]);
  const x = query.get("sx") ?? defaults?.[0] ?? "";
  const y = query.get("sy") ?? defaults?.[1] ?? "";
  const k = query.get("k") ?? "";
  const logs = query.get("sl");
  const { points, isOld, error } = usePoints(source, x && y ? [x, y, ...(k ? [k] : [])] : [], isLive);
  const logOf = (axis: string): boolean | undefined => (logs === null ? undefined : logs.includes(axis));
  const found = useMemo(() => {
    const [xs, ys] = [points?.cells.get(x), points?.cells.get(y)];
    if (!points || !xs || !ys) return null;
    const scales = { x: scaleOf(x, xs, logOf("x")), y: scaleOf(y, ys, logOf("y")) };
    const painter = k && points.cells.has(k) ? painterOf(k, points.cells.get(k) ?? [], isDark) : null;
    const dots: Dot[] = [];
    points.ids.forEach((_, at) => {
      const [left, up] = [scales.x.place(xs[at] ?? null), scales.y.place(ys[at] ?? null)];
      if (left !== null && up !== null) dots.push({ at, x: left, y: up });
    });
    return { points, scales, painter, dots };
  }, [points, x, y, k, logs, isDark]);
  const choices = useMemo(() => offers(fields ?? [], true), [fields]);
  const colours = useMemo(() => [{ value: "", text: "none" }, ...choices], [choices]);
  const setLog = (axis: "x" | "y", isOn: boolean): void => {
    const other = axis === "x" ? "y" : "x";
    const isOther = found?.scales[other].isLog ?? false;
    change({ sl: [isOn && axis, isOther && other].filter(Boolean).sort().join("") || "-" });
  };
  const logBox = (axis: "x" | "y") => found && (found.scales[axis].canLog || found.scales[axis].isLog) && (
    <label><input type="checkbox" checked={found.scales[axis].isLog} onChange={(event) => setLog(axis, event.currentTarget.checked)} /> log {axis}</label>
  );
  const none = found ? found.points.ids.length - found.dots.length : 0;
  return (
    <>
      <div class="bar options">
        <ChoiceButton label="x" text={label(x)} choices={choices} choose={(field) => change({ sx: field, sl: "" })} />
        <ChoiceButton label="y" text={label(y)} choices={choices} choose={(field) => change({ sy: field, sl: "" })} />
        <ChoiceButton label="colour" text={k && label(k)} choices={colours} choose={(field) => change({ k: field })} />
        {logBox("x")}
        {logBox("y")}
      </div>
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {!found && error === undefined && <p class="nothing">Loading…</p>}
      {found && (
        <>
          {found.painter && <Legend painter={found.painter} isDark={isDark} none={`no ${label(k)}`} />}
          <Cloud {...found} {...{ drawn, toggle, isDark, isOld }} />
          <p class="notes">
            {count(found.dots.length)} {found.dots.length === 1 ? "model" : "models"}
            {found.points.total > found.points.ids.length && `, of the first ${count(found.points.ids.length)} in the list's order, of ${count(found.points.total)}: narrow the filter to see others`}
            {none > 0 && `; ${count(none)} without a value in both, or with none above 0 on a logarithmic axis`}
            . Click on a point to select its model, twice to open it.
          </p>
          <PointsTable points={found.points} fields={[...new Set([x, y, ...(k ? [k] : [])])]} />
        </>
      )}
    </>
  );
}

interface CloudProps {
  points: Points;
  scales: { x: Scale; y: Scale };
  painter: Painter | null;
  dots: Dot[];
  drawn: Bench["drawn"];
  toggle: Bench["toggle"];
  isDark: boolean;
  isOld: boolean;
}

function Cloud({ points, scales, painter, dots, drawn, toggle, isDark, isOld }: CloudProps) {
  const [width, setWidth] = useState(600);
  // The model that is pointed at.
  const [hovered, setHovered] = useState<string | null>(null);
  const dot = hovered === null ? undefined : dots.find((one) => points.ids[one.at] === hovered);
  const place = useCallback(
    (one: { x: number; y: number }, across: number): [number, number] => [
      EDGE.left + one.x * (across - EDGE.left - EDGE.right),
      HEIGHT - EDGE.bottom - one.y * (HEIGHT - EDGE.top - EDGE.bottom),
    ],
    [],
  );
  const values = painter && points.cells.get(painter.scale.field);
  const radius = dots.length > 1000 ? 2.5 : 3.5;
  const put = (context: CanvasRenderingContext2D, ink: Ink, one: Dot, isMarked: boolean): void => {
    const id = points.ids[one.at] ?? "";
    const [left, top] = place(one, ink.width);
    context.beginPath();
    context.arc(left, top, isMarked ? radius + 2 : radius, 0, Math.PI * 2);
    context.fillStyle = painter ? painter.colour(values?.[one.at] ?? null) : ((isMarked && drawn.get(id)?.colour) || (isDark ? GREY.dark : GREY.light));
    context.globalAlpha = isMarked ? 1 : 0.75;
    context.fill();
    context.globalAlpha = 1;
    if (!isMarked) return;
    context.beginPath();
    context.arc(left, top, radius + 3.5, 0, Math.PI * 2);
    context.strokeStyle = isDark ? "#ffffff" : "#000000";
    context.lineWidth = id === hovered ? 3 : 1.5;
    context.stroke();
  };
  const paintDots = (context: CanvasRenderingContext2D, ink: Ink): void => {
    frame(context, ink, scales);
    for (const one of dots) put(context, ink, one, false);
  };
  // What changes under the pointer.
  const paintMarks = (context: CanvasRenderingContext2D, ink: Ink): void => {
    context.clearRect(0, 0, ink.width, HEIGHT);
    for (const one of dots) if (drawn.has(points.ids[one.at] ?? "") || points.ids[one.at] === hovered) put(context, ink, one, true);
  };
  const nearest = (event: MouseEvent): string | null => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    let [best, least] = [null as Dot | null, NEAR];
    for (const one of dots) {
      const [left, top] = place(one, box.width);
      const away = Math.hypot(left - event.clientX + box.left, top - event.clientY + box.top);
      if (away < least) [best, least] = [one, away];
    }
    return best ? (points.ids[best.at] ?? null) : null;
  };
  const onKey = (event: KeyboardEvent): void => {
    const along = { ArrowRight: ["x", 1], ArrowLeft: ["x", -1], ArrowUp: ["y", 1], ArrowDown: ["y", -1] }[event.key] as ["x" | "y", number] | undefined;
    if (along) {
      const [axis, by] = along;
      const order = dots.toSorted((one, other) => one[axis] - other[axis] || one.at - other.at);
      const next = dot ? order[Math.max(0, Math.min(order.length - 1, order.indexOf(dot) + by))] : order[by > 0 ? 0 : order.length - 1];
      setHovered(next ? (points.ids[next.at] ?? null) : null);
    } else if (event.key === " " && hovered) toggle(hovered);
    else if (event.key === "Enter" && hovered) go(modelPath(hovered));
    else if (event.key === "Escape" && hovered) setHovered(null);
    else return;
    event.preventDefault();
  };
  const words = dot && [scales.x, scales.y, ...(painter ? [painter.scale] : [])].map(({ field }) => `${label(field)}: ${told(field, points.cells.get(field)?.[dot.at] ?? null)}`);
  const [left, top] = dot ? place(dot, width) : [0, 0];
  const isRight = left > width / 2;
  return (
    <div class={isOld ? "canvas layers old" : "canvas layers"} tabIndex={0} role="application" aria-roledescription="scatter plot" onKeyDown={onKey}
      aria-label={`${label(scales.y.field)} by ${label(scales.x.field)} of ${dots.length} models. Arrow keys go from model to model, space selects, enter opens.`}
      data-points={dots.length}>
      <Canvas height={HEIGHT} paint={paintDots} keys={[dots, scales, painter, isDark]} onWidth={setWidth} aria-hidden="true" />
      <Canvas height={HEIGHT} paint={paintMarks} keys={[dots, painter, drawn, hovered, isDark]} aria-hidden="true"
        onMouseMove={(event) => setHovered(nearest(event))} onMouseLeave={() => setHovered(null)}
        onClick={(event) => ((one) => one && toggle(one))(nearest(event))}
        onDblClick={(event) => ((one) => one && go(modelPath(one)))(nearest(event))} />
      <div class="tip" role="status" style={dot ? { [isRight ? "right" : "left"]: `${(isRight ? width - left : left) + 10}px`, top: `${Math.min(top + 8, HEIGHT - 90)}px` } : { visibility: "hidden" }}>
        {dot && <b>{points.names[dot.at]}{drawn.has(points.ids[dot.at] ?? "") && " (selected)"}</b>}
        {words?.map((word) => <div key={word}>{word}</div>)}
      </div>
    </div>
  );
}

// Axes with their marks and names.
function frame(context: CanvasRenderingContext2D, ink: Ink, { x, y }: { x: Scale; y: Scale }): void {
  const [right, bottom] = [ink.width - EDGE.right, HEIGHT - EDGE.bottom];
  context.clearRect(0, 0, ink.width, HEIGHT);
  context.lineWidth = 1;
  context.strokeStyle = ink.line;
  context.fillStyle = ink.text;
  context.beginPath();
  const columns = x.marks(Math.max(2, Math.floor((right - EDGE.left) / 60)));
  const each = (right - EDGE.left) / Math.max(1, columns.length);
  for (const mark of columns) {
    const left = Math.round(EDGE.left + mark.at * (right - EDGE.left)) + 0.5;
    context.moveTo(left, EDGE.top - 6);
    context.lineTo(left, bottom + 6);
    context.textAlign = "center";
    context.fillText(clipped(context, mark.text, Math.max(40, each - 6)), left, bottom + 18);
  }
  for (const mark of y.marks(Math.floor((bottom - EDGE.top) / 34))) {
    const top = Math.round(bottom - mark.at * (bottom - EDGE.top)) + 0.5;
    context.moveTo(EDGE.left - 6, top);
    context.lineTo(right + 6, top);
    context.textAlign = "right";
    context.fillText(clipped(context, mark.text, EDGE.left - 12), EDGE.left - 10, top + 4);
  }
  context.stroke();
  const name = (scale: Scale): string => label(scale.field) + (scale.isLog ? " (log)" : "");
  context.font = "600 12px system-ui, sans-serif";
  context.textAlign = "right";
  context.fillText(clipped(context, `${name(x)} →`, right - EDGE.left), right, HEIGHT - 6);
  context.textAlign = "left";
  context.fillText(clipped(context, `↑ ${name(y)}`, right - 8), 6, 11);
  context.font = "11px system-ui, sans-serif";
}
