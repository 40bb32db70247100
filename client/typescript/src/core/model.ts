// A model: what is trained, with its metrics and runs.

import { MetricService } from "../xpstore/v1/metric_pb.js";
import { type Model as Wire, ModelService } from "../xpstore/v1/model_pb.js";
import { RunService } from "../xpstore/v1/run_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { newId } from "./ids.js";
import {
  type Buckets, fromMetric, fromValue, type MetricValue, type Point, readBuckets, readSeries, type Series, type SeriesOptions,
  type StoredPoint,
} from "./metrics.js";
import { int64, type Integer, type JsonObject } from "./numbers.js";
import { type ListOptions, pages } from "./pages.js";
import { Run, type Status, toStatus } from "./run.js";
import type { Writers } from "./writers.js";

/** What a new model has. */
export interface ModelOptions extends CallOptions {
  /** Display name. */
  name?: string;
  description?: string;
  /** Anything that JSON can say. */
  config?: JsonObject;
  tags?: readonly string[];
}

/** What there is of one name and phase. */
export interface SeriesSummary {
  name: string;
  phase: string | undefined;
  count: bigint;
  last: MetricValue;
  /** Smallest finite number, if there is one. */
  min: number | undefined;
  /** Largest finite number, if there is one. */
  max: number | undefined;
}

/** A model, as it was when it was opened; `refresh` looks again. */
export class Model {
  constructor(
    private readonly connection: Connection,
    private readonly writers: Writers,
    private wire: Wire,
    /** Whether this call made it, as opposed to finding it. */
    readonly isNew = false,
  ) {}

  /** A UUID. */
  get id(): string {
    return this.wire.id;
  }

  /** Its identity in the experiment. */
  get hash(): string {
    return this.wire.hash;
  }

  get name(): string | undefined {
    return this.wire.name;
  }

  get description(): string | undefined {
    return this.wire.description;
  }

  /** Counter of training steps. */
  get step(): bigint {
    return this.wire.step;
  }

  get config(): Record<string, unknown> {
    return JSON.parse(this.wire.configJson || "{}") as Record<string, unknown>;
  }

  /** The configuration as it was written: numbers beyond 2^53 keep their digits here alone. */
  get configJson(): string {
    return this.wire.configJson || "{}";
  }

  get tags(): readonly string[] {
    return this.wire.tags;
  }

  /** That of its newest run; undefined if it never ran. */
  get status(): Status | undefined {
    return toStatus(this.wire.status);
  }

  /** Asks the server how it is now. */
  async refresh(options?: CallOptions): Promise<this> {
    const request = { key: { case: "modelId", value: this.id } as const };
    this.wire = (await this.connection.call(ModelService.method.getModel, request, options)).model!;
    return this;
  }

  /** Appends points; when it returns they are durable, each once. Returns how many. */
  log(points: Iterable<Point>, options: CallOptions = {}): Promise<number> {
    return this.writers.of(this.wire.projectUid).log(this.id, points, options);
  }

  /** Points in the order of logging, of one name if given. */
  async *points(options: ListOptions & { name?: string } = {}): AsyncGenerator<StoredPoint> {
    for await (const metric of pages(async (pageToken) => {
      const request = { modelId: this.id, name: options.name, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(MetricService.method.listMetrics, request, options);
      return { items: page.metrics, nextPageToken: page.nextPageToken };
    })) yield fromMetric(metric);
  }

  /** What series there are. */
  async *summaries(options: ListOptions = {}): AsyncGenerator<SeriesSummary> {
    for await (const one of pages(async (pageToken) => {
      const request = { modelIds: [this.id], pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(MetricService.method.listSeries, request, options);
      return { items: page.series, nextPageToken: page.nextPageToken };
    })) {
      const { name, phase, count, minValue: min, maxValue: max } = one;
      yield { name, phase, count, min, max, last: fromValue(one.last?.point) };
    }
  }

  /** The points of a name as columns: one series for each phase. */
  series(name: string, options: SeriesOptions = {}): Promise<Series[]> {
    return readSeries(this.connection, this.id, name, options);
  }

  /** The series of a name in so many buckets of neighbours, at most 10,000: what a plot needs. */
  buckets(name: string, count: number, options: SeriesOptions = {}): Promise<Buckets[]> {
    return readBuckets(this.connection, this.id, name, count, options);
  }

  /** Adds to the counter of steps, and returns what it is now. */
  async advance(delta: Integer, options?: CallOptions): Promise<bigint> {
    const request = { modelId: this.id, advanceId: newId(), delta: int64("delta", delta) };
    const { step } = await this.connection.call(ModelService.method.advanceModel, request, options);
    this.wire.step = step;
    return step;
  }

  /** Adds and removes tags. */
  async tag(add: readonly string[], remove: readonly string[] = [], options?: CallOptions): Promise<readonly string[]> {
    const request = { modelId: this.id, add: [...add], remove: [...remove] };
    this.wire.tags = (await this.connection.call(ModelService.method.updateModelTags, request, options)).tags;
    return this.wire.tags;
  }

  /** Begins a run. It sends signs of life until it is ended. */
  async startRun(options?: CallOptions): Promise<Run> {
    const request = { modelId: this.id, runId: newId() };
    const { run } = await this.connection.call(RunService.method.createRun, request, options);
    return new Run(this.connection, run!).keepAlive();
  }

  /** Its runs, oldest first. */
  async *runs(options: ListOptions = {}): AsyncGenerator<Run> {
    for await (const run of pages(async (pageToken) => {
      const request = { modelId: this.id, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(RunService.method.listRuns, request, options);
      return { items: page.runs, nextPageToken: page.nextPageToken };
    })) yield new Run(this.connection, run);
  }

  /** Deletes it with its metrics and runs. Its artifacts stay. */
  async delete(options?: CallOptions): Promise<void> {
    await this.connection.call(ModelService.method.deleteModel, { modelId: this.id }, options);
  }
}
