// Points of metrics: logged in batches by one writer, read as columns.

import { type Metric, type MetricPoint, MetricService, type PackedBuckets } from "../xpstore/v1/metric_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { invalid, XpstoreError } from "./errors.js";
import { newId } from "./ids.js";
import { floats, int64, type Integer, integers } from "./numbers.js";

/** A value that was measured: a number is a float, a bigint an integer, all else is kept as JSON. */
export type MetricValue = number | bigint | string | boolean | null | readonly unknown[] | { readonly [key: string]: unknown };

/** What is logged. */
export interface Point {
  /** 1 to 256 characters. */
  name: string;
  value: MetricValue;
  /** Training step. */
  step?: Integer;
  /** Such as "train" or "test". */
  phase?: string;
  /** When it was measured, microseconds since the epoch; default: when the server gets it. */
  timeUs?: Integer;
}

/** The points of a name and phase as columns, in the order of logging. */
export interface Series {
  name: string;
  /** Undefined for points that have none. */
  phase: string | undefined;
  /** Floats where all are floats, integers where all are integers; else each as it was logged. */
  values: Float64Array | BigInt64Array | MetricValue[];
  /** Undefined where no point has one; -1 for a point that has none. */
  steps: BigInt64Array | undefined;
  /** Microseconds since the epoch. */
  timesUs: BigInt64Array;
  /** `since` of the next read: what is logged later. */
  cursor: bigint;
}

/** A series divided into neighbours: one element of each column for each bucket. */
export interface Buckets {
  name: string;
  phase: string | undefined;
  counts: BigInt64Array;
  mins: Float64Array;
  maxs: Float64Array;
  firsts: Float64Array;
  lasts: Float64Array;
  means: Float64Array;
  firstSteps: BigInt64Array;
  lastSteps: BigInt64Array;
  firstTimesUs: BigInt64Array;
  lastTimesUs: BigInt64Array;
}

interface Wire {
  name: string;
  step?: bigint;
  phase?: string;
  timeUs?: bigint;
  value: { case: "floatValue"; value: number } | { case: "intValue"; value: bigint } | { case: "jsonValue"; value: string };
}

/**
 * The one who logs, for all models of a project: the server numbers its points, and skips what it has.
 * Batches go one after the other.
 */
export class MetricWriter {
  private writerId = newId();
  private next = 0n;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly connection: Connection) {}

  /** Appends points, in as many calls as it takes; when it returns they are durable. Returns how many. */
  log(modelId: string, points: Iterable<Point>, options: CallOptions): Promise<number> {
    const wires = [...points].map(toWire);
    const turn = this.last.then(() => this.send(modelId, wires, options));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async send(modelId: string, points: Wire[], options: CallOptions): Promise<number> {
    const { maxPoints, maxMessageBytes } = await this.connection.limits(options);
    for (const batch of batches(points, maxPoints, Number(maxMessageBytes) / 2)) await this.one(modelId, batch, options);
    return points.length;
  }

  private async one(modelId: string, points: Wire[], options: CallOptions): Promise<void> {
    const from = this.next;
    try {
      const request = { modelId, points, writerId: this.writerId, firstPoint: from };
      const { nextPoint, storedCount } = await this.connection.call(MetricService.method.logMetrics, request, options);
      if (storedCount !== BigInt(points.length) || nextPoint < from + BigInt(points.length)) {
        throw new XpstoreError(`The server stored ${storedCount} of ${points.length} points.`, "INTERNAL");
      }
      this.next = nextPoint;
    } catch (error) {
      // Perhaps it has them: other points under their numbers would be skipped. So the next ones are those of a new writer.
      [this.writerId, this.next] = [newId(), 0n];
      throw error;
    }
  }
}

function* batches(points: Wire[], most: number, mostBytes: number): Generator<Wire[]> {
  let [batch, size] = [[] as Wire[], 0];
  for (const point of points) {
    // A character has up to 3 bytes; the numbers of a point are less than 64.
    const bytes = 64 + 3 * (point.name.length + (point.phase?.length ?? 0) + (point.value.case === "jsonValue" ? point.value.value.length : 0));
    if (batch.length === most || (batch.length > 0 && size + bytes > mostBytes)) {
      yield batch;
      [batch, size] = [[], 0];
    }
    batch.push(point);
    size += bytes;
  }
  if (batch.length > 0) yield batch;
}

function toWire(point: Point): Wire {
  const { name, value, step, phase, timeUs } = point;
  return {
    name,
    ...(step === undefined ? {} : { step: int64("step", step) }),
    ...(phase === undefined ? {} : { phase }),
    ...(timeUs === undefined ? {} : { timeUs: int64("timeUs", timeUs) }),
    value: toValue(name, value),
  };
}

function toValue(name: string, value: MetricValue): Wire["value"] {
  if (typeof value === "number") return { case: "floatValue", value };
  if (typeof value === "bigint") {
    const isLarge = BigInt.asIntN(64, value) !== value;
    return isLarge ? { case: "jsonValue", value: value.toString() } : { case: "intValue", value };
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    // said below
  }
  if (text === undefined) throw invalid(`value of ${name}`, typeof value, "must be a number, a bigint or something that JSON can say");
  return { case: "jsonValue", value: text };
}

/** The value of a point, of the kind that was logged. */
export function fromValue(point: Pick<MetricPoint, "value"> | undefined): MetricValue {
  const value = point?.value;
  switch (value?.case) {
    case "floatValue":
    case "intValue":
      return value.value;
    case "jsonValue":
      return /^-?\d{16,}$/.test(value.value) ? BigInt(value.value) : (JSON.parse(value.value) as MetricValue);
    default:
      return null;
  }
}

/** One point as the server has it. */
export interface StoredPoint {
  id: string;
  name: string;
  value: MetricValue;
  step: bigint | undefined;
  phase: string | undefined;
  timeUs: bigint;
}

export function fromMetric(metric: Metric): StoredPoint {
  const point = metric.point;
  return {
    id: metric.id, name: point?.name ?? "", value: fromValue(point), step: point?.step, phase: point?.phase, timeUs: point?.timeUs ?? 0n,
  };
}

export interface SeriesOptions extends CallOptions {
  /** Only points of this phase; "" only those without one. */
  phase?: string;
  /** Only points from this cursor on. */
  since?: bigint;
}

/** The series of a name: one for each of its phases. */
export async function readSeries(connection: Connection, modelId: string, name: string, options: SeriesOptions): Promise<Series[]> {
  const found = new Map<string, Column>();
  const attempts = connection.attempts(options);
  for (;;) {
    try {
      found.clear();
      const request = { keys: [{ modelId, name, phase: options.phase }], since: options.since ?? 0n };
      for await (const { phase, part } of connection.receive(MetricService.method.readSeries, request, options.signal)) {
        if (part.case !== "points") continue;
        const key = phase === undefined ? "none" : `of ${phase}`;
        const column = found.get(key) ?? new Column(name, phase);
        found.set(key, column);
        const { ordinals, values, steps, timesUs } = part.value;
        const count = ordinals.length / 8;
        column.ordinals.push(integers(ordinals));
        column.steps.push(steps.length > 0 ? integers(steps) : new BigInt64Array(count).fill(-1n));
        column.times.push(integers(timesUs));
        if (values.case === "floatValues") column.values.push(floats(values.value));
        else if (values.case === "intValues") column.values.push(integers(values.value));
        else column.values.push((values.value?.points ?? []).map(fromValue));
      }
      return [...found.values()].map((column) => column.series(options.since ?? 0n));
    } catch (error) {
      await attempts.after(error);
    }
  }
}

/** The parts of a series, as they come. */
class Column {
  readonly ordinals: BigInt64Array[] = [];
  readonly steps: BigInt64Array[] = [];
  readonly times: BigInt64Array[] = [];
  readonly values: (Float64Array | BigInt64Array | MetricValue[])[] = [];

  constructor(private readonly name: string, private readonly phase: string | undefined) {}

  series(since: bigint): Series {
    const steps = joined(this.steps);
    const last = joined(this.ordinals).at(-1);
    return {
      name: this.name, phase: this.phase, values: this.joinedValues(), timesUs: joined(this.times),
      steps: steps.every((step) => step === -1n) ? undefined : steps, cursor: last === undefined ? since : last + 1n,
    };
  }

  private joinedValues(): Series["values"] {
    const parts = this.values;
    if (parts.every((part) => part instanceof Float64Array)) {
      const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    }
    if (parts.every((part) => part instanceof BigInt64Array)) return joined(parts);
    return parts.flatMap((part) => [...part] as MetricValue[]);
  }
}

function joined(parts: BigInt64Array[]): BigInt64Array {
  const all = new BigInt64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The series of a name in so many buckets, one result for each phase: what a plot needs. */
export async function readBuckets(
  connection: Connection, modelId: string, name: string, count: number, options: SeriesOptions,
): Promise<Buckets[]> {
  const attempts = connection.attempts(options);
  for (;;) {
    try {
      const found: Buckets[] = [];
      const request = { keys: [{ modelId, name, phase: options.phase }], since: options.since ?? 0n, buckets: count };
      for await (const { phase, part } of connection.receive(MetricService.method.readSeries, request, options.signal)) {
        if (part.case === "buckets") found.push(toBuckets(name, phase, part.value));
      }
      return found;
    } catch (error) {
      await attempts.after(error);
    }
  }
}

function toBuckets(name: string, phase: string | undefined, packed: PackedBuckets): Buckets {
  return {
    name, phase, counts: integers(packed.counts), mins: floats(packed.mins), maxs: floats(packed.maxs), firsts: floats(packed.firsts),
    lasts: floats(packed.lasts), means: floats(packed.means), firstSteps: integers(packed.firstSteps),
    lastSteps: integers(packed.lastSteps), firstTimesUs: integers(packed.firstTimesUs), lastTimesUs: integers(packed.lastTimesUs),
  };
}
