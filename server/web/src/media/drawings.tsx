// Figures and histograms, drawn.

import { palette, plain } from "../common/colours";
import { count } from "../common/figures";
import { Swatch } from "../common/swatch";
import { scaleOf } from "../workbench/plots/scale";
import { barsOf, type Figure, type Trace } from "./figure";
import { across, down, Frame } from "./frame";

export function FigureDrawing({ figure, label, isDark }: { figure: Figure; label: string; isDark: boolean }) {
  const colours = palette(isDark);
  const colour = (trace: Trace, at: number): string => trace.colour ?? colours[at % colours.length] ?? "";
  const { title, axes, traces, left } = figure;
  const told = `${label}: ${title || "figure"}, ${traces.map((trace) => trace.name).join(", ")}`;
  return (
    <>
      {title && <p class="words"><b>{title}</b></p>}
      {traces.length > 0 && (
        <Frame label={told} y={figure.y} marks={figure.marks}>
          {traces.map((trace, at) => <Drawn key={at} {...{ figure, trace }} colour={colour(trace, at)} />)}
        </Frame>
      )}
      {(axes[0] || axes[1]) && traces.length > 0 && <p class="pale">{[axes[1] && `y: ${axes[1]}`, axes[0] && `x: ${axes[0]}`].filter(Boolean).join(", ")}</p>}
      {traces.length > 1 && <p class="legend">{traces.map((trace, at) => <span key={at}><Swatch look={plain(colour(trace, at))} />{trace.name}</span>)}</p>}
      {left.length > 0 && <p class="pale">Not drawn here: {left.join(", ")}. The JSON has it, for Plotly.</p>}
    </>
  );
}

function Drawn({ figure, trace, colour }: { figure: Figure; trace: Trace; colour: string }) {
  const { x, y } = figure;
  const points = trace.x.map((value, at): [number, number] | null => {
    const [right, up] = [x.place(value), y.place(trace.y[at] ?? null)];
    return right === null || up === null ? null : [right, up];
  });
  if (trace.isBars) {
    const { width, shift } = barsOf(figure);
    const zero = down(y.place(0) ?? 0);
    const bars = points.flatMap((point) => (point ? [`M${across(point[0] + shift(trace) - width / 2)} ${zero}V${down(point[1])}H${across(point[0] + shift(trace) + width / 2)}V${zero}Z`] : []));
    return <path fill={colour} d={bars.join("")} />;
  }
  const at = ([right, up]: [number, number]): string => `${across(right)} ${down(up)}`;
  // A gap ends a line.
  const line = points.map((point, one) => (point ? `${points[one - 1] ? "L" : "M"}${at(point)}` : "")).join("");
  const dots = points.map((point) => (point ? `M${at(point)}h0` : "")).join("");
  return (
    <>
      {trace.hasLine && <path class="line" stroke={colour} d={line} />}
      {trace.hasDots && <path class="dots" stroke={colour} d={dots} />}
    </>
  );
}

export interface Histogram {
  edges: number[];
  counts: number[];
  // How many values are in none.
  not_finite?: number;
}

export function histogramOf(json: unknown): Histogram {
  const { edges, counts, not_finite } = (json ?? {}) as Partial<Histogram>;
  const areNumbers = (list: unknown): list is number[] => Array.isArray(list) && list.every((one) => typeof one === "number");
  if (!areNumbers(edges) || !areNumbers(counts) || edges.length !== counts.length + 1) throw new Error("It is no histogram.");
  return { edges, counts, ...(typeof not_finite === "number" && { not_finite }) };
}

export function HistogramDrawing({ histogram: { edges, counts, not_finite }, label }: { histogram: Histogram; label: string }) {
  const [x, y] = [scaleOf("x", edges, false), scaleOf("y", [0, ...counts], false)];
  const bars = counts.map((height, at) => {
    const [left, right] = [across(x.place(edges[at] ?? 0) ?? 0), across(x.place(edges[at + 1] ?? 0) ?? 0)];
    return `M${left} ${down(0)}V${down(counts.some(Boolean) ? (y.place(height) ?? 0) : 0)}H${Math.max(left + 0.5, right - 0.6)}V${down(0)}Z`;
  });
  const sum = counts.reduce((one, other) => one + other, 0);
  return (
    <>
      <Frame label={`${label}: histogram of ${sum} values from ${edges[0] ?? ""} to ${edges.at(-1) ?? ""}`} y={y} marks={x.marks(5)}>
        <path class="bars" d={bars.join("")} />
      </Frame>
      {not_finite !== undefined && <p class="pale">{count(not_finite)} more are NaN or infinite.</p>}
    </>
  );
}
