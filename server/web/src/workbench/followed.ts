// Lines that are read again while their models run: as little of them as can be, and never other than all of them would be read.

import type { Metric } from "./fields";
import type { Line } from "./packed";
import { readLines, type Lines, type Wanted } from "./series";
import { all } from "../common/wire";

interface State {
  count: number;
  // The point that was logged last.
  last: string;
}

interface Summary {
  modelId: string;
  phase?: string;
  count?: string;
  last?: { id: string };
}

const isSame = (one: State | undefined, other: State | undefined): boolean => one?.count === other?.count && one?.last === other?.last;

export class Followed {
  private lines: Lines | null = null;
  // How far the series were, as it was asked before they were read last.
  private states: Map<string, State> | null = null;
  // Whether few changed last time: then it is asked first which do.
  private isQuiet = false;

  constructor(
    private readonly metric: Metric,
    private readonly models: string[],
    private readonly wanted: Wanted,
  ) {}

  async read(signal: AbortSignal): Promise<Lines> {
    const { lines, wanted } = this;
    // Clocks may go back, and then what lies where depends on all of a series.
    const isFixed = wanted.axis === "step" || wanted.window !== null;
    if (!lines || !this.isQuiet || !isFixed) return this.readWhole(signal, null);
    const states = await this.ask(signal);
    const changed = this.models.filter((id) => !isSame(states.get(id), this.states?.get(id)));
    if (this.states && changed.length === 0) return lines;
    if (!this.states || changed.length * 2 >= this.models.length) return this.readWhole(signal, states);
    const window = wanted.window ?? { start: lines.start, end: lines.start + lines.width * wanted.buckets };
    const part = await readLines(this.metric, changed, { ...wanted, window, hasCounts: true }, signal);
    const merged = this.merged(lines, part, changed, states);
    if (!merged) return this.readWhole(signal, states);
    this.states = states;
    return (this.lines = merged);
  }

  private async readWhole(signal: AbortSignal, states: Map<string, State> | null): Promise<Lines> {
    const before = new Map(this.lines?.lines.map((line) => [line.modelId, line.ordinal]));
    const found = await readLines(this.metric, this.models, this.wanted, signal);
    const changed = found.lines.filter((line) => before.get(line.modelId) !== line.ordinal);
    this.isQuiet = this.lines !== null && changed.length * 2 < this.models.length;
    this.states = states;
    return (this.lines = found);
  }

  // How far each series is.
  private async ask(signal: AbortSignal): Promise<Map<string, State>> {
    const { metric, models } = this;
    const { found } = await all<Summary, "series">("MetricService/ListSeries", { modelIds: models, names: [metric.name] }, "series", Infinity, signal);
    const mine = found.filter((one) => (one.phase ?? "") === metric.phase);
    return new Map(mine.map((one) => [one.modelId, { count: Number(one.count ?? 0), last: one.last?.id ?? "" }]));
  }

  // The lines with those put in that changed; null where the axis may be another by what was logged.
  private merged(lines: Lines, part: Lines, changed: string[], states: Map<string, State>): Lines | null {
    const own = this.wanted.window !== null;
    const found = new Map(part.lines.map((line) => [line.modelId, line]));
    for (const id of changed) {
      const [count, before] = [states.get(id)?.count ?? 0, this.states?.get(id)?.count ?? 0];
      if (count < before) return null; // some were deleted
      if (!own && (found.get(id)?.count ?? 0) !== count) return null; // some lie outside, or were logged since
    }
    if (part.lines.length > 0 && (part.width !== lines.width || part.start !== lines.start)) return null;
    const size = own ? lines.x.length : Math.max(lines.x.length, ...part.lines.map((line) => line.reach));
    const fit = (values: Float32Array): Float32Array => {
      if (values.length >= size || values.length === 0) return values.subarray(0, size);
      const longer = new Float32Array(size).fill(NaN);
      longer.set(values);
      return longer;
    };
    const whole = (line: Line): Line => ({ ...line, means: fit(line.means), mins: fit(line.mins), maxs: fit(line.maxs) });
    const kept = new Map(lines.lines.map((line) => [line.modelId, line]));
    const every = this.models.flatMap((id) => (found.get(id) ?? (changed.includes(id) ? undefined : kept.get(id))) ?? []);
    return { ...lines, x: size > lines.x.length ? part.x.slice(0, size) : lines.x, lines: every.map(whole) };
  }
}
