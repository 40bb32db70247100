// Lines of charts: series in buckets along one axis, as many of them as a chart has pixels for.

import type { Metric } from "./fields";
import type { Buckets } from "../common/messages";
import { stream } from "../common/wire";

export type Axis = "step" | "time";

export interface Line {
  modelId: string;
  means: Float32Array;
  mins: Float32Array;
  maxs: Float32Array;
}

export interface Lines {
  // The middles of the buckets: steps, or seconds since the epoch.
  x: number[];
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

function numbers(base64: string | undefined): Float32Array {
  const raw = atob(base64 ?? "");
  const data = Uint8Array.from(raw, (sign) => sign.charCodeAt(0));
  const view = new DataView(data.buffer);
  return Float32Array.from({ length: data.length / 4 }, (_, at) => view.getFloat32(at * 4, true));
}

export interface Wanted {
  axis: Axis;
  buckets: number;
  window: Window | null;
  // Whether the smallest and largest of each bucket are drawn.
  hasBands: boolean;
}

export interface Window {
  start: number;
  end: number;
}

// The lines of a metric. Of a window only the part inside it, in as many buckets.
export async function readLines(
  metric: Metric,
  models: string[],
  { axis, buckets, window, hasBands }: Wanted,
  signal: AbortSignal,
): Promise<Lines> {
  const request = {
    keys: models.map((modelId) => ({ modelId, name: metric.name, phase: metric.phase })),
    buckets,
    axis: axis === "step" ? "BUCKET_AXIS_STEP" : "BUCKET_AXIS_TIME",
    columns: ["BUCKET_COLUMN_MEAN", ...(hasBands ? ["BUCKET_COLUMN_MIN", "BUCKET_COLUMN_MAX"] : [])],
    binary32: true,
    ...(window && { axisStart: String(Math.floor(window.start)), axisEnd: String(Math.ceil(window.end)) }),
  };
  return inTurn(signal, async () => {
    const found: Lines = { x: [], width: 1, lines: [] };
    for await (const message of stream<Buckets>("MetricService/ReadSeries", request, signal)) {
      const part = message.buckets;
      if (!part) continue;
      if (found.x.length === 0) {
        const start = Number(part.axisStart ?? 0);
        const width = Number(part.axisWidth ?? 1);
        found.width = width;
        const middle = (at: number): number => start + at * width + (width - 1) / 2;
        found.x = Array.from({ length: part.bucketCount ?? 0 }, (_, at) => (axis === "step" ? middle(at) : middle(at) / 1e6));
      }
      const [means, mins, maxs] = [numbers(part.means), numbers(part.mins), numbers(part.maxs)];
      found.lines.push({ modelId: message.modelId, means, mins, maxs });
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
