// Lines of charts: series in buckets along one axis, as many of them as a chart has pixels for.

import type { Metric } from "./fields";
import { AXES, COLUMNS, packed, unpacked, type Line } from "./packed";
import { stream } from "../common/wire";

export type Axis = "step" | "time";

export interface Lines {
  // The middles of the buckets: steps, or seconds since the epoch.
  x: number[];
  // Where the first bucket begins: a step, or microseconds since the epoch.
  start: number;
  // How many steps, or microseconds, a bucket has.
  width: number;
  lines: Line[];
}

// A few at a time: twenty charts at once would keep the server from answering the list.
const MOST_CALLS = 3;
let calls = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
  if (calls >= MOST_CALLS) await new Promise<void>((resolve) => waiting.push(resolve));
  calls += 1;
  try {
    signal.throwIfAborted();
    return await act();
  } finally {
    calls -= 1;
    waiting.shift()?.();
  }
}

export interface Wanted {
  axis: Axis;
  buckets: number;
  window: Window | null;
  // Whether the smallest and largest of each bucket are drawn.
  hasBands: boolean;
  hasCounts?: boolean;
}

export interface Window {
  start: number;
  end: number;
}

// The lines of a metric. Of a window only the part inside it, in as many buckets.
export async function readLines(
  metric: Metric,
  models: string[],
  { axis, buckets, window, hasBands, hasCounts = false }: Wanted,
  signal: AbortSignal,
): Promise<Lines> {
  if (models.length === 0) return { x: [], start: 0, width: 1, lines: [] };
  const request = packed({
    models,
    metric,
    buckets,
    axis: AXES[axis],
    columns: [COLUMNS.mean, ...(hasBands ? [COLUMNS.min, COLUMNS.max] : []), ...(hasCounts ? [COLUMNS.count] : [])],
    ...(window && { axisStart: Math.floor(window.start), axisEnd: Math.ceil(window.end) }),
  });
  return inTurn(signal, async () => {
    const found: Lines = { x: [], start: 0, width: 1, lines: [] };
    for await (const message of stream("MetricService/ReadSeries", request, signal)) {
      const { bucketCount, axisStart, axisWidth, ...line } = unpacked(message);
      if (found.x.length === 0) {
        [found.start, found.width] = [axisStart, axisWidth];
        const unit = axis === "step" ? 1 : 1e6;
        for (let at = 0; at < bucketCount; at += 1) found.x.push((axisStart + at * axisWidth + (axisWidth - 1) / 2) / unit);
      }
      found.lines.push(line);
    }
    return found;
  });
}

// An exponential mean with its start corrected, as far as `weight`: 0 none, 0.99 most.
export function smoothed(values: (number | null)[], weight: number): (number | null)[] {
  let mean = 0;
  let share = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = mean * weight + value * (1 - weight);
    share = share * weight + (1 - weight);
    return mean / share;
  });
}
