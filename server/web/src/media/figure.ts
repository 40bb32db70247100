// What can be drawn of a Plotly figure without Plotly: lines, points and bars along two axes.

import { scaleOf, type Mark, type Scale } from "../workbench/plots/scale";

export interface Trace {
  name: string;
  // As the figure says; undefined if it does not.
  colour: string | undefined;
  hasLine: boolean;
  hasDots: boolean;
  isBars: boolean;
  x: (number | null)[];
  y: (number | null)[];
}

export interface Figure {
  title: string;
  // Titles of the axes.
  axes: [x: string, y: string];
  x: Scale;
  y: Scale;
  marks: Mark[];
  traces: Trace[];
  // What is not drawn, by its kind.
  left: string[];
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json => value !== null && typeof value === "object" && !Array.isArray(value);
const object = (value: unknown): Json => (isObject(value) ? value : {});
const text = (value: unknown): string => (typeof value === "string" ? value : "");
// A title is a text, or an object that has one; its tags of HTML are left out.
const title = (value: unknown): string => (text(value) || text(object(value)["text"])).replace(/<br *\/?>/gi, " ").replace(/<[^>]*>/g, "").trim();

const ARRAYS: Record<string, new (buffer: ArrayBuffer) => ArrayLike<number>> = {
  f8: Float64Array, f4: Float32Array, i4: Int32Array, i2: Int16Array, i1: Int8Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array,
};

// A list of values: as it is, or packed as Plotly 6 does it. undefined if it is none, or of a type that is not known.
function values(of: unknown): unknown[] | undefined {
  if (Array.isArray(of)) return of;
  const { dtype, bdata, shape } = object(of);
  const Kind = ARRAYS[text(dtype)];
  if (!Kind || typeof bdata !== "string" || shape !== undefined) return undefined;
  return Array.from(new Kind(Uint8Array.from(atob(bdata), (sign) => sign.charCodeAt(0)).buffer));
}

const isDate = (value: unknown): value is string => typeof value === "string" && /^\d{4}-\d\d-\d\d/.test(value) && !Number.isNaN(Date.parse(value));
const finite = (value: unknown): number | null => (typeof value === "number" && Number.isFinite(value) ? value : null);
const MOST_POINTS = 200_000;
const MOST_TRACES = 100;

// Why a trace is not drawn; "" if it is.
function obstacle(trace: Json, layout: Json, barCount: number): string {
  const type = text(trace["type"]) || "scatter";
  if (!["scatter", "scattergl", "bar"].includes(type)) return type;
  if (trace["orientation"] === "h") return "horizontal bars";
  if (type === "bar" && barCount > 1 && !["", "group"].includes(text(layout["barmode"]))) return `bars as ${text(layout["barmode"])}`;
  if (!["", "x"].includes(text(trace["xaxis"])) || !["", "y"].includes(text(trace["yaxis"]))) return "further axes";
  const [x, y] = [values(trace["x"]), values(trace["y"])];
  if (!y || (trace["x"] !== undefined && !x) || y.length > MOST_POINTS) return type;
  return y.some((value) => typeof value === "string") ? "texts along y" : "";
}

export function figureOf(json: unknown): Figure {
  const whole = object(json);
  if (!Array.isArray(whole["data"])) throw new Error("It has no data.");
  const layout = object(whole["layout"]);
  const [xAxis, yAxis] = [object(layout["xaxis"]), object(layout["yaxis"])];
  const shown = whole["data"].map(object).filter((trace) => trace["visible"] === undefined || trace["visible"] === true);
  const barCount = shown.filter((trace) => trace["type"] === "bar").length;
  const drawn = shown.filter((trace) => obstacle(trace, layout, barCount) === "").slice(0, MOST_TRACES);
  const xs = drawn.map((trace) => values(trace["x"]) ?? (values(trace["y"]) ?? []).map((_, at) => at));
  const every = xs.flat().filter((value) => value !== null);
  const kind = every.every((value) => typeof value === "number") ? "number" : every.every(isDate) ? "date" : "category";
  const categories = kind === "category" ? [...new Set(every.map(String))] : [];
  const places = new Map(categories.map((one, at) => [one, at]));
  const along = (value: unknown): number | null =>
    value === null ? null : kind === "number" ? finite(value) : kind === "date" ? Date.parse(String(value)) * 1000 : (places.get(String(value)) ?? null);
  const traces = drawn.map((trace, at): Trace => {
    const y = (values(trace["y"]) ?? []).map(finite);
    const isBars = trace["type"] === "bar";
    const mode = text(trace["mode"]) || (y.length < 20 ? "lines+markers" : "lines");
    const colour = text(object(trace["line"])["color"]) || text(object(trace["marker"])["color"]);
    return {
      name: title(trace["name"]) || `trace ${at + 1}`,
      colour: colour && CSS.supports("color", colour) ? colour : undefined,
      hasLine: !isBars && mode.includes("lines"), hasDots: !isBars && mode.includes("markers"), isBars,
      x: (xs[at] ?? []).map(along), y,
    };
  });
  const hasBars = traces.some((trace) => trace.isBars);
  const columns = [...new Set(traces.filter((trace) => trace.isBars).flatMap((trace) => trace.x))].filter((one) => one !== null).sort((one, other) => one - other);
  const half = hasBars ? columns.reduce((least, one, at) => (at > 0 ? Math.min(least, one - (columns[at - 1] ?? 0)) : least), kind === "date" ? 864e8 : 1) / 2 : 0;
  const ends = columns.length > 0 ? [(columns[0] ?? 0) - half, (columns.at(-1) ?? 0) + half] : [];
  const x = scaleOf(kind === "date" ? "created_at" : "x", [...traces.flatMap((trace) => trace.x), ...ends], xAxis["type"] === "log" && kind === "number" && !hasBars);
  const y = scaleOf("y", [...traces.flatMap((trace) => trace.y), ...(hasBars ? [0] : [])], yAxis["type"] === "log" && !hasBars);
  const apart = Math.ceil(categories.length / 6);
  const named = categories.flatMap((one, at) => (at % apart === 0 ? [{ at: x.place(at) ?? 0, text: one }] : []));
  return {
    title: title(layout["title"]), axes: [title(xAxis["title"]), title(yAxis["title"])],
    x, y, marks: kind === "category" ? named : x.marks(5), traces,
    left: [...new Set(shown.map((trace) => obstacle(trace, layout, barCount) || (drawn.includes(trace) ? "" : "further traces")).filter(Boolean))],
  };
}

// How wide a bar is along x, from 0 to 1, and by how much that of each trace is moved from the middle.
export function barsOf({ traces, x }: Figure): { width: number; shift: (trace: Trace) => number } {
  const bars = traces.filter((trace) => trace.isBars);
  const places = [...new Set(bars.flatMap((trace) => trace.x.flatMap((one) => x.place(one) ?? [])))].sort((one, other) => one - other);
  const apart = places.reduce((least, one, at) => (at > 0 ? Math.min(least, one - (places[at - 1] ?? 0)) : least), 1);
  const width = (apart * 0.8) / Math.max(1, bars.length);
  return { width, shift: (trace) => (bars.indexOf(trace) - (bars.length - 1) / 2) * width };
}
