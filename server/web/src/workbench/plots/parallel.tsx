// Fields of many models side by side, a line for each model; a stretch of an axis that is dragged over becomes a part of the filter.

import { useMemo, useRef, useState } from "preact/hooks";
import { AxisEditor } from "./axis-editor";
import type { Bench } from "./bench";
import { Canvas, clipped, type Ink } from "../../common/canvas";
import { ChoiceButton } from "../../common/chooser";
import { count } from "../../common/figures";
import type { Field } from "../../common/messages";
import { change, go, modelPath, usePlace } from "../../common/place";
import { sentence } from "../../common/wire";
import { brushesOf, clausesOfBrush, joined, type Brush } from "../clauses";
import { directedFirst, isRange, isVaried, label, measure, metricOf, offers, splitList } from "../fields";
import { Legend } from "./legend";
import { GREY, painterOf, type Painter } from "./painter";
import { usePoints, type Points } from "./points";
import { PointsTable } from "./points-table";
import { scaleOf, told, type Scale } from "./scale";
import "./plots.css";

const HEIGHT = 400;
const [TOP, BOTTOM, SIDE] = [16, 40, 56];
// Below an axis, for models without a value.
const NONE = HEIGHT - 14;
const [LEAST_APART, MOST_AXES] = [92, 12];
// How near, in pixels, the pointer is to a line or an axis that it means.
const [NEAR, GRIP] = [10, 16];

function axesOf(fields: Field[]): string[] {
  const varied = fields.filter((field) => field.field.startsWith("config.") && isVaried(field));
  const configs = varied.sort((one, other) => Number(isRange(one)) - Number(isRange(other))).map((field) => field.field);
  const metrics = directedFirst(fields.flatMap((field) => metricOf(field.field) ?? [])).slice(0, 2);
  // The last one colours the lines: what tells which is best.
  return [...configs.slice(0, 5), ...metrics.map((metric) => `${metric.field}.${measure(metric)}`).reverse()];
}

// Four digits are finer than a pixel.
const round = (scale: Scale, at: number): number => {
  const value = scale.value(at);
  return Math.abs(value) > 1e12 ? Math.round(value) : Number(value.toPrecision(4));
};

// What a stretch of an axis says, from below; null where it holds for every value.
export function brushOf(scale: Scale, low: number, high: number): Brush | null {
  if (!scale.isNumeric) {
    const values = scale.categories.filter((cell) => {
      const at = scale.place(cell) ?? -1;
      return at >= low && at <= high;
    }) as NonNullable<Brush["values"]>;
    return values.length > 0 && values.length < scale.categories.length ? { values } : null;
  }
  if (low <= 0 && high >= 1) return null;
  return { ...(low > 0 && { low: round(scale, low) }), ...(high < 1 && { high: round(scale, high) }) };
}

// Where a brush stands on its axis.
function stretch(scale: Scale, brush: Brush): [number, number] {
  if (!brush.values) return [(brush.low !== undefined && scale.place(brush.low)) || 0, brush.high === undefined ? 1 : (scale.place(brush.high) ?? 1)];
  const places = brush.values.flatMap((value) => scale.place(value) ?? []);
  const half = 0.5 / Math.max(1, scale.categories.length);
  return [Math.min(...places) - half, Math.max(...places) + half];
}

export function Parallel({ source, fields, drawn, toggle, isLive, isDark }: Bench) {
  const { query } = usePlace();
  const [edited, setEdited] = useState("");
  const chosen = query.get("pa");
  const axes = useMemo(() => (chosen === null ? axesOf(fields ?? []) : splitList(chosen)).slice(0, MOST_AXES), [chosen, fields]);
  const read = useMemo(() => brushesOf(source.filter, axes), [source.filter, axes]);
  const isBrushed = (read?.brushes.size ?? 0) > 0;
  const whole = useMemo(() => ({ ...source, filter: joined(read?.rest ?? []) }), [source, read]);
  const found = usePoints(source, axes, isLive);
  // Those outside the brushes, pale: a brush could not be widened without them.
  const around = usePoints(whole, isBrushed ? axes : [], isLive);
  const context = isBrushed ? around.points : undefined;
  const shown = useMemo(() => {
    const points = found.points;
    if (!points || axes.length === 0 || axes.some((field) => !points.cells.has(field))) return null;
    const scales = axes.map((field) => scaleOf(field, [...(points.cells.get(field) ?? []), ...(context?.cells.get(field) ?? [])]));
    const last = axes.at(-1) ?? "";
    return { points, scales, painter: painterOf(last, [...(points.cells.get(last) ?? []), ...(context?.cells.get(last) ?? [])], isDark) };
  }, [found.points, context, axes, isDark]);
  const choices = useMemo(() => offers(fields ?? [], false), [fields]);
  const put = (next: string[]): void => change({ pa: next.join(",") });
  const brush = (field: string, next: Brush | null): void => {
    if (!read) return;
    const brushes = new Map(read.brushes);
    brushes.delete(field);
    if (next) brushes.set(field, next);
    change({ q: joined([...read.rest, ...[...brushes].flatMap(([axis, one]) => clausesOfBrush(axis, one))]) }, true);
  };
  const error = found.error ?? around.error;
  return (
    <>
      <div class="bar options">
        <ChoiceButton label="Add axis" title="Add an axis" text="" choices={choices.filter((choice) => !axes.includes(choice.value))} choose={(field) => put([field, ...axes].slice(0, MOST_AXES))} />
        <button type="button" aria-pressed={edited !== ""} onClick={() => setEdited(edited ? "" : (axes[0] ?? ""))}>Edit axes</button>
        {isBrushed && <button type="button" onClick={() => change({ q: joined(read?.rest ?? []) }, true)}>Whole axes</button>}
      </div>
      {axes.includes(edited) && shown && (
        <AxisEditor key={edited} {...{ axes, edited, setEdited, put }} scale={shown.scales[axes.indexOf(edited)]} brush={read?.brushes.get(edited)} setBrush={(next) => brush(edited, next)} />
      )}
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {fields && axes.length === 0 && <p class="nothing">No field differs yet. Add axes.</p>}
      {!shown && axes.length > 0 && error === undefined && <p class="nothing">Loading…</p>}
      {shown && (
        <>
          <Legend painter={shown.painter} isDark={isDark} />
          <Lines {...shown} {...{ drawn, toggle, isDark, context, brush, setEdited }} brushes={read?.brushes ?? new Map<string, Brush>()} isOld={found.isOld} />
          <p class="notes">
            {count(shown.points.ids.length)} {shown.points.ids.length === 1 ? "model" : "models"}
            {shown.points.total > shown.points.ids.length && `, the first in the list's order of ${count(shown.points.total)}: narrow the filter to see others`}
            . Drag along an axis to filter by it, click on it to see it whole. Click on a line to select its model, twice to open it.
          </p>
          <PointsTable points={shown.points} fields={axes} />
        </>
      )}
    </>
  );
}

interface LinesProps {
  points: Points;
  context: Points | undefined;
  scales: Scale[];
  painter: Painter;
  brushes: Map<string, Brush>;
  drawn: Bench["drawn"];
  toggle: Bench["toggle"];
  isDark: boolean;
  isOld: boolean;
  brush: (field: string, next: Brush | null) => void;
  setEdited: (field: string) => void;
}

const heightOf = (at: number | null): number => (at === null ? NONE : HEIGHT - BOTTOM - at * (HEIGHT - BOTTOM - TOP));
const leftOf = (axis: number, axes: number, width: number): number => (axes < 2 ? width / 2 : SIDE + (axis * (width - 2 * SIDE)) / (axes - 1));

// The heights of the lines of some models at each axis.
const heightsOf = (points: Points, scales: Scale[]): number[][] =>
  points.ids.map((_, at) => scales.map((scale) => heightOf(scale.place(points.cells.get(scale.field)?.[at] ?? null))));

function Lines({ points, context, scales, painter, brushes, drawn, toggle, isDark, isOld, brush, setEdited }: LinesProps) {
  const [width, setWidth] = useState(600);
  const [hovered, setHovered] = useState<string | null>(null);
  const [drag, setDrag] = useState<{ axis: number; from: number; to: number } | null>(null);
  const dragged = useRef(false);
  const heights = useMemo(() => heightsOf(points, scales), [points, scales]);
  const pale = useMemo(() => {
    if (!context) return [];
    const inside = new Set(points.ids);
    return heightsOf(context, scales).filter((_, at) => !inside.has(context.ids[at] ?? ""));
  }, [context, points, scales]);
  const lacks = useMemo(() => scales.map((_, axis) => [...heights, ...pale].some((places) => places[axis] === NONE)), [heights, pale, scales]);
  const at = hovered === null ? -1 : points.ids.indexOf(hovered);
  const last = scales.at(-1)?.field ?? "";
  const line = (context: CanvasRenderingContext2D, places: number[], across: number): void => {
    context.beginPath();
    places.forEach((height, axis) => context.lineTo(leftOf(axis, scales.length, across), height));
    context.stroke();
  };
  const cells = points.cells.get(last) ?? [];
  const paintLines = (context: CanvasRenderingContext2D, ink: Ink): void => {
    context.clearRect(0, 0, ink.width, HEIGHT);
    const clear = (lines: number): number => Math.max(0.12, Math.min(0.85, 60 / Math.max(1, lines)));
    context.lineWidth = 1;
    context.strokeStyle = isDark ? GREY.dark : GREY.light;
    context.globalAlpha = clear(pale.length) * 0.4;
    for (const places of pale) line(context, places, ink.width);
    context.globalAlpha = clear(heights.length);
    heights.forEach((places, one) => {
      context.strokeStyle = painter.colour(cells[one] ?? null);
      line(context, places, ink.width);
    });
    context.globalAlpha = 1;
  };
  // What changes under the pointer: selected lines stand out, and the one that is pointed at most.
  const paintMarks = (context: CanvasRenderingContext2D, ink: Ink): void => {
    context.clearRect(0, 0, ink.width, HEIGHT);
    const mark = (one: number, thick: number): void => {
      for (const [width, colour] of [[thick + 2.5, ink.back], [thick, painter.colour(cells[one] ?? null)]] as const) {
        context.lineWidth = width;
        context.strokeStyle = colour;
        line(context, heights[one] ?? [], ink.width);
      }
    };
    points.ids.forEach((id, one) => drawn.has(id) && mark(one, 2));
    if (at >= 0) mark(at, 4);
    scales.forEach((scale, axis) => {
      const left = leftOf(axis, scales.length, ink.width);
      paintAxis(context, ink, scale, left, ink.width / scales.length, lacks[axis] ?? false);
      const own = drag?.axis === axis ? ([Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)] as const) : null;
      const set = brushes.get(scale.field);
      const range = own ?? (set && stretch(scale, set));
      if (range) paintBrush(context, left, heightOf(Math.max(0, range[0])), heightOf(Math.min(1, range[1])), isDark);
    });
  };
  const spot = (event: MouseEvent): { x: number; y: number; across: number } => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, across: box.width };
  };
  const axisAt = (x: number, across: number): number => scales.findIndex((_, axis) => Math.abs(leftOf(axis, scales.length, across) - x) <= GRIP);
  const shareAt = (y: number): number => Math.max(0, Math.min(1, (HEIGHT - BOTTOM - y) / (HEIGHT - BOTTOM - TOP)));
  const nearest = (event: MouseEvent): string | null => {
    const { x, y, across } = spot(event);
    const apart = (across - 2 * SIDE) / Math.max(1, scales.length - 1);
    const axis = Math.max(0, Math.min(scales.length - 2, Math.floor((x - SIDE) / apart)));
    const share = Math.max(0, Math.min(1, (x - SIDE - axis * apart) / apart));
    let [best, least] = [-1, NEAR];
    heights.forEach((places, one) => {
      const [from = 0, to = from] = [places[axis], places[axis + 1]];
      const away = Math.abs(from + (to - from) * share - y);
      if (away < least) [best, least] = [one, away];
    });
    return points.ids[best] ?? null;
  };
  const onDown = (event: PointerEvent): void => {
    const { x, y, across } = spot(event);
    const axis = axisAt(x, across);
    dragged.current = false;
    if (axis < 0 || event.button !== 0) return;
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    setDrag({ axis, from: shareAt(y), to: shareAt(y) });
  };
  const onMove = (event: PointerEvent): void => {
    if (drag) setDrag({ ...drag, to: shareAt(spot(event).y) });
    else setHovered(nearest(event));
  };
  const onUp = (): void => {
    if (!drag) return;
    setDrag(null);
    const scale = scales[drag.axis];
    if (!scale) return;
    const isDrag = Math.abs(drag.from - drag.to) * (HEIGHT - BOTTOM - TOP) > 4;
    dragged.current = isDrag || brushes.has(scale.field);
    if (dragged.current) brush(scale.field, isDrag ? brushOf(scale, Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)) : null);
  };
  const onKey = (event: KeyboardEvent): void => {
    const by = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by !== undefined) {
      const order = points.ids.map((_, one) => one).sort((one, other) => (heights[one]?.at(-1) ?? 0) - (heights[other]?.at(-1) ?? 0) || one - other);
      const next = order[Math.max(0, Math.min(order.length - 1, at < 0 ? 0 : order.indexOf(at) + by))];
      setHovered(next === undefined ? null : (points.ids[next] ?? null));
    } else if (event.key === " " && hovered) toggle(hovered);
    else if (event.key === "Enter" && hovered) go(modelPath(hovered));
    else if (event.key === "Escape" && hovered) setHovered(null);
    else return;
    event.preventDefault();
  };
  return (
    <div class={isOld ? "canvas parallel old" : "canvas parallel"} tabIndex={0} role="application" aria-roledescription="parallel coordinates" onKeyDown={onKey} data-lines={points.ids.length}
      aria-label={`${scales.map((scale) => label(scale.field)).join(", ")} of ${points.ids.length} models. Arrow keys go from model to model along the last axis, space selects, enter opens. The ranges of axes are under Edit axes.`}>
      <div style={{ minWidth: `${scales.length * LEAST_APART}px` }}>
        <div class="heads">
          {scales.map((scale, axis) => (
            <button type="button" key={scale.field} title={`${scale.field}: edit this axis`} onClick={() => setEdited(scale.field)} style={{ left: `${leftOf(axis, scales.length, width)}px`, maxWidth: `${width / scales.length - 4}px` }}>
              {label(scale.field)}
            </button>
          ))}
        </div>
        <div class="layers">
          <Canvas height={HEIGHT} paint={paintLines} keys={[heights, pale, painter, isDark]} onWidth={setWidth} aria-hidden="true" />
          <Canvas height={HEIGHT} paint={paintMarks} keys={[heights, scales, painter, drawn, hovered, drag, brushes, isDark]} aria-hidden="true"
            onPointerDown={onDown} onPointerMove={onMove} onPointerUp={onUp} onPointerCancel={() => setDrag(null)} onPointerLeave={() => !drag && setHovered(null)}
            onClick={(event) => !dragged.current && ((one) => one && toggle(one))(nearest(event))}
            onDblClick={(event) => !dragged.current && ((one) => one && go(modelPath(one)))(nearest(event))} />
        </div>
      </div>
      <p class="readout" role="status">
        {at >= 0 && <><b>{points.names[at]}</b>{drawn.has(points.ids[at] ?? "") && " (selected)"} {scales.map(({ field }) => `${label(field)}: ${told(field, points.cells.get(field)?.[at] ?? null)}`).join(" · ")}</>}
      </p>
    </div>
  );
}

function paintBrush(context: CanvasRenderingContext2D, left: number, low: number, high: number, isDark: boolean): void {
  context.fillStyle = isDark ? "rgb(122 183 245 / 30%)" : "rgb(11 92 173 / 22%)";
  context.strokeStyle = isDark ? "#7ab7f5" : "#0b5cad";
  context.lineWidth = 1.5;
  context.fillRect(left - 8, high, 16, Math.max(2, low - high));
  context.strokeRect(left - 8, high, 16, Math.max(2, low - high));
}

function paintAxis(context: CanvasRenderingContext2D, ink: Ink, scale: Scale, left: number, apart: number, lacks: boolean): void {
  const bottom = HEIGHT - BOTTOM;
  context.strokeStyle = ink.text;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(Math.round(left) + 0.5, TOP);
  context.lineTo(Math.round(left) + 0.5, bottom);
  context.stroke();
  context.textAlign = "right";
  const write = (text: string, height: number): void => {
    const told = clipped(context, text, Math.min(90, apart - 14));
    // On the colour of the page, as lines go through it.
    context.strokeStyle = ink.back;
    context.lineWidth = 3;
    context.strokeText(told, left - 7, height + 4);
    context.fillStyle = ink.text;
    context.fillText(told, left - 7, height + 4);
    context.fillRect(left - 4, Math.round(height), 5, 1);
  };
  for (const mark of scale.marks(9)) write(mark.text, heightOf(mark.at));
  context.textAlign = "center";
  context.fillText(scale.isLog ? "log" : "", left, bottom + 12);
  if (lacks) context.fillText("none", left, NONE + 12);
}
