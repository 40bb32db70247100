// An experiment: a namespace for models.

import { type Experiment as Wire, ExperimentService } from "../xpstore/v1/experiment_pb.js";
import { ModelService } from "../xpstore/v1/model_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { newId } from "./ids.js";
import { Model, type ModelOptions } from "./model.js";
import { jsonObject } from "./numbers.js";
import { type ListOptions, pages } from "./pages.js";
import type { Writers } from "./writers.js";

/** Which models, and in which order. */
export interface SearchOptions extends ListOptions {
  /** Such as "step desc"; default: oldest first. */
  orderBy?: string;
}

export class Experiment {
  constructor(private readonly connection: Connection, private readonly writers: Writers, private readonly wire: Wire) {}

  /** A UUID. */
  get id(): string {
    return this.wire.id;
  }

  get name(): string {
    return this.wire.name;
  }

  /** Opens the model that has this hash; makes it if there is none. What is there stays as it is. */
  async model(hash: string, options: ModelOptions = {}): Promise<Model> {
    const { name, description, config, tags } = options;
    const request = {
      experimentId: this.id, modelId: newId(), hash, name, description, configJson: jsonObject("config", config),
      tags: [...(tags ?? [])], allowExisting: true,
    };
    const { model, created } = await this.connection.call(ModelService.method.createModel, request, options);
    return new Model(this.connection, this.writers, model!, created);
  }

  /** The model that has this hash. Throws NOT_FOUND. */
  async getModel(hash: string, options?: CallOptions): Promise<Model> {
    const request = { key: { case: "modelHash", value: { experimentId: this.id, hash } } as const };
    const { model } = await this.connection.call(ModelService.method.getModel, request, options);
    return new Model(this.connection, this.writers, model!);
  }

  /** Its models, oldest first. */
  async *models(options: ListOptions = {}): AsyncGenerator<Model> {
    for await (const model of pages(async (pageToken) => {
      const request = { experimentId: this.id, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(ModelService.method.listModels, request, options);
      return { items: page.models, nextPageToken: page.nextPageToken };
    })) yield new Model(this.connection, this.writers, model);
  }

  /** The models that a filter holds for, such as `metrics.loss[train].min < 0.5` (docs/search.md). */
  search(filter: string, options: SearchOptions = {}): AsyncGenerator<Model> {
    return searchModels(this.connection, this.writers, { case: "experimentId", value: this.id }, filter, options);
  }

  /** Deletes it with its models. Their artifacts stay. */
  async delete(options?: CallOptions): Promise<void> {
    await this.connection.call(ExperimentService.method.deleteExperiment, { experimentId: this.id }, options);
  }
}

/** The models of a project or an experiment that a filter holds for. */
export async function* searchModels(
  connection: Connection, writers: Writers, scope: { case: "projectUid" | "experimentId"; value: string }, filter: string,
  options: SearchOptions,
): AsyncGenerator<Model> {
  for await (const model of pages(async (pageToken) => {
    const request = { scope, filter, orderBy: options.orderBy, pageSize: options.pageSize, pageToken };
    const page = await connection.call(ModelService.method.searchModels, request, options);
    return { items: page.models, nextPageToken: page.nextPageToken };
  })) yield new Model(connection, writers, model);
}
