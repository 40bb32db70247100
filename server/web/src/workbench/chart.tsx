// One chart: a metric of the selected models.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Looks } from "../common/colours";
import { title, type Metric } from "./fields";
import { pointAt } from "./pins";
import { number, time, timeMark } from "../common/figures";
import { useEvery, useSeen } from "../common/hooks";
import { Followed } from "./followed";
import { smoothed, type Axis, type Lines, type Window } from "./series";
import { sentence } from "../common/wire";

const HEIGHT = 210;
// With more lines bands hide one another.
const MOST_BANDS = 12;
const EVERY_MS = 5000;
// What takes the server long is asked for again after so many times of that.
const PATIENCE = 50;

export interface ChartOptions {
  axis: Axis;
  isLog: boolean;
  smoothing: number;
  window: Window | null;
  setWindow: (window: Window | null) => void;
  isDark: boolean;
}

interface Props {
  metric: Metric;
  models: string[];
  drawn: Looks;
  names: (id: string) => string;
  isLive: boolean;
  options: ChartOptions;
  // Makes the lines of models those of groups.
  merge?: ((found: Lines) => Lines) | undefined;
}

export function Chart({ metric, models, drawn: looks, names, isLive, options, merge }: Props) {
  const [setCard, isSeen] = useSeen();
  const plotBox = useRef<HTMLDivElement>(null);
  const [lines, setLines] = useState<Lines | null>(null);
  const [error, setError] = useState("");
  const [readout, setReadout] = useState("");
  const [round, setRound] = useState(0);
  const { axis, window } = options;
  const shown = JSON.stringify([metric.field, models, axis, window]);
  const wanted = `${shown} ${round}`;
  const loaded = useRef("");
  const followed = useRef<{ shown: string; lines: Followed } | null>(null);
  const nextAt = useRef(0);
  useEffect(() => {
    if (!isSeen || loaded.current === wanted) return;
    const stop = new AbortController();
    if (followed.current?.shown !== shown) {
      const buckets = Math.max(50, Math.min(400, Math.round((plotBox.current?.clientWidth ?? 400) / 2)));
      const hasBands = models.length <= MOST_BANDS;
      followed.current = { shown, lines: new Followed(metric, models, { axis, buckets, window, hasBands }) };
    }
    const began = Date.now();
    nextAt.current = Infinity;
    followed.current.lines.read(stop.signal).then(
      (found) => {
        if (stop.signal.aborted) return;
        loaded.current = wanted;
        setLines(merge ? merge(found) : found);
        setError("");
      },
      (cause: unknown) => !stop.signal.aborted && setError(sentence(cause)),
    ).finally(() => !stop.signal.aborted && (nextAt.current = Date.now() + PATIENCE * (Date.now() - began) - EVERY_MS));
    return () => {
      stop.abort();
      nextAt.current = 0;
    };
  }, [wanted, isSeen]);
  const goOn = (): void => setRound((before) => before + 1);
  useEvery(EVERY_MS, () => isLive && isSeen && Date.now() >= nextAt.current && goOn());
  // What was logged between the last look and the end.
  const wasLive = useRef(isLive);
  useEffect(() => {
    if (wasLive.current && !isLive) goOn();
    wasLive.current = isLive;
  }, [isLive]);
  const latestNames = useRef(names);
  latestNames.current = names;
  const drawing = useMemo(() => (lines ? drawingOf(lines, options, looks) : null), [lines, looks, options.isLog, options.smoothing]);
  const plot = useRef<uPlot | null>(null);
  const shape = drawing && drawing.owners.length > 1 ? JSON.stringify([drawing.shape, options.isLog, options.axis, options.isDark]) : "";
  useEffect(() => {
    if (!drawing || shape === "" || !plotBox.current) return;
    const made = draw(plotBox.current, drawing, options, (id) => latestNames.current(id), setReadout, title(metric));
    plot.current = made.plot;
    return () => ((plot.current = null), made.end());
  }, [shape]);
  // New points in the same lines: what one looks at stays as it is.
  useEffect(() => {
    if (drawing && plot.current && plot.current.data !== drawing.data) plot.current.setData(drawing.data);
  }, [drawing]);
  const drawn = lines?.lines.length ?? 0;
  const state = error || (!lines ? (isSeen ? "Loading…" : "") : drawn === 0 ? "The selected models have no points here." : "");
  return (
    <section class="chart" ref={setCard} aria-label={`Chart of ${title(metric)}`} data-lines={lines ? drawn : ""}>
      <header>
        <h3>{title(metric)}</h3>
        <output>{readout}</output>
      </header>
      <div class="plot" ref={plotBox} role="img" aria-label={`${title(metric)} of ${drawn} ${merge ? "groups" : "models"} by ${axis}`} />
      {state && <p class={error ? "error" : "nothing"}>{state}</p>}
    </section>
  );
}

interface Drawing {
  data: uPlot.AlignedData;
  width: number;
  series: uPlot.Series[];
  bands: uPlot.Band[];
  // Whose line each series is; null of x and of what only belongs to a line.
  owners: (string | null)[];
  // What is not data: as long as it is equal, a plot can go on with new data.
  shape: string;
}

// What a plot is made of: for each model a band, a pale line of what smoothing hides, and the line.
function drawingOf(found: Lines, { isLog, smoothing }: ChartOptions, looks: Looks): Drawing {
  const least = isLog ? Number.MIN_VALUE : -Number.MAX_VALUE;
  const fit = (values: Float32Array): (number | null)[] => {
    const found: (number | null)[] = new Array(values.length).fill(null);
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] ?? NaN;
      if (value >= least && value <= Number.MAX_VALUE) found[at] = value;
    }
    return found;
  };
  const data: (number | null)[][] = [];
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const owners: (string | null)[] = [null];
  const add = (values: (number | null)[], owner: string | null, more: uPlot.Series): void => {
    data.push(values);
    owners.push(owner);
    series.push({ spanGaps: true, points: { show: values.filter((value) => value !== null).length === 1 }, ...more });
  };
  for (const line of found.lines) {
    const look = looks.get(line.modelId);
    if (!look) continue; // it was taken out since
    const { colour, dash } = look;
    const hasBand = found.lines.length <= MOST_BANDS && smoothing === 0;
    if (hasBand && line.mins.some((value, at) => value !== line.maxs[at] && !Number.isNaN(value))) {
      add(fit(line.maxs), null, { stroke: "transparent", width: 0, points: { show: false } });
      add(fit(line.mins), null, { stroke: "transparent", width: 0, points: { show: false } });
      bands.push({ series: [series.length - 2, series.length - 1], fill: `${colour}30` });
    }
    if (smoothing > 0) add(fit(line.means), null, { stroke: `${colour}48`, width: 1, points: { show: false } });
    const values = fit(line.means);
    add(smoothing > 0 ? smoothed(values, smoothing) : values, line.modelId, { stroke: colour, width: 1.5, dash });
  }
  return { data: [found.x, ...data] as uPlot.AlignedData, width: found.width, series, bands, owners, shape: JSON.stringify([found.width, series, owners]) };
}

// Draws into a box.
function draw(
  box: HTMLElement,
  { data, width, series, bands, owners }: Drawing,
  options: ChartOptions,
  names: (id: string) => string,
  tell: (text: string) => void,
  name: string,
): { plot: uPlot; end: () => void } {
  const style = getComputedStyle(box);
  // A canvas knows no variables of CSS: these are the colours that they came to.
  const [text, grid] = [style.color, style.borderTopColor];
  const { isLog, axis } = options;
  let focused = 0;
  const whereIs = (x: number): string => (axis === "step" ? stepsOf(x, width) : `${time(x * 1e6).slice(0, 10)} ${timeMark(x, 1)}`);
  const show = (plot: uPlot): void => {
    const at = plot.cursor.idx;
    if (at === null || at === undefined) return (pointAt(plot, null), tell(""));
    const there = plot.data[0][at] ?? 0;
    // Other charts follow the pointer too.
    if (box.matches(":hover")) pointAt(plot, () => ({ title: name, where: whereIs(there), values: owners.flatMap((owner, line) => pointsOf(plot, owner, line)) }));
    // A line may have its nearest point in another bucket.
    const own = owners[focused] ? (plot.cursor.idxs?.[focused] ?? null) : null;
    const x = plot.data[0][own ?? at] ?? 0;
    const where = whereIs(x);
    const value = own === null ? null : (plot.data[focused]?.[own] ?? null);
    tell(value === null ? where : `${names(owners[focused] ?? "")}: ${number(value)} at ${where}`);
  };
  const tick = { stroke: text, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 }, font: "11px system-ui" };
  const plot = new uPlot(
    {
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 12, 0, 0],
      series,
      bands,
      // Around a single point a minute or two steps: uPlot would show as much as lies between it and 0.
      scales: { x: { time: axis === "time", range: (_, min, max) => (max > min ? [min, max] : axis === "time" ? [min - 30, max + 30] : [min - 1, max + 1]) }, y: isLog ? { distr: 3 } : {} },
      axes: [{ ...tick, size: 28, ...(axis === "time" && { values: timeMarks }) }, { ...tick, grid: { ...tick.grid, filter: isLog ? fewLines : (_, marks) => marks }, size: 56, values: (_, marks) => marks.map((mark) => (mark === null ? "" : number(mark))) }],
      cursor: {
        sync: { key: `x ${axis}` },
        y: false,
        hover: { prox: 24, skip: [undefined, null] },
        // Lines alone, and not the edges of bands.
        focus: { prox: 24, dist: (_, at, __, value, pointer) => (owners[at] ? value - pointer : Infinity) },
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        bind: { dblclick: () => () => (options.setWindow(null), null) },
      },
      focus: { alpha: 0.25 },
      hooks: {
        setCursor: [show],
        setSeries: [(own, at) => ((focused = at ?? 0), show(own))],
        setSelect: [
          (own) => {
            if (own.select.width < 4) return;
            const [start, end] = [own.posToVal(own.select.left, "x"), own.posToVal(own.select.left + own.select.width, "x")];
            own.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            const unit = axis === "step" ? 1 : 1e6;
            options.setWindow({ start: start * unit, end: Math.max(end * unit, start * unit + 1) });
          },
        ],
      },
    },
    data,
    box,
  );
  // It tells the first size too, at which all is drawn: setting it would draw all again.
  const observer = new ResizeObserver(() => box.clientWidth !== plot.width && plot.setSize({ width: box.clientWidth, height: HEIGHT }));
  observer.observe(box);
  const end = (): void => {
    observer.disconnect();
    plot.destroy();
  };
  return { plot, end };
}

// The value of a line at the pointer, or at the nearest of its points.
function pointsOf(plot: uPlot, owner: string | null, line: number): [string, number][] {
  const at = plot.cursor.idxs?.[line];
  const value = owner === null || at === null || at === undefined ? null : plot.data[line]?.[at];
  return value === null || value === undefined ? [] : [[owner as string, value]];
}

// The steps of a bucket, by its middle.
function stepsOf(middle: number, width: number): string {
  const start = middle - (width - 1) / 2;
  return width > 1 ? `steps ${start}–${start + width - 1}` : `step ${start}`;
}

const timeMarks = (_: uPlot, marks: number[], __: number, ___: number, apart: number): string[] => marks.map((mark) => timeMark(mark, apart));

// On a logarithmic axis lines at 1, 2 and 5 of each power of ten: at all nine they would be a hatching.
const fewLines = (_: uPlot, marks: number[]): (number | null)[] =>
  marks.map((mark) => (mark !== null && /^[125](\.0*)?e/.test(mark.toExponential(6)) ? mark : null));
