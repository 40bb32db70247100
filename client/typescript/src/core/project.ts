// A project: the unit of access and deletion, with experiments and artifacts.

import { type Artifact as WireArtifact, ArtifactService } from "../xpstore/v1/artifact_pb.js";
import { ExperimentService } from "../xpstore/v1/experiment_pb.js";
import { type Project as Wire, ProjectService } from "../xpstore/v1/project_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { Experiment, searchModels, type SearchOptions } from "./experiment.js";
import { newId } from "./ids.js";
import type { Model } from "./model.js";
import { type ListOptions, pages } from "./pages.js";
import { ArtifactVersion, artifactName, type Selector } from "./version.js";
import type { Writers } from "./writers.js";

/** An artifact: a name that points to versions. */
export interface Artifact {
  /** A UUID. */
  id: string;
  name: string;
  type: string;
  latest: ArtifactVersion;
}

export class Project {
  constructor(
    /** @internal */
    readonly connection: Connection,
    private readonly writers: Writers,
    private readonly wire: Wire,
  ) {}

  /** Your own id of it. */
  get id(): string {
    return this.wire.id;
  }

  /** The server's UUID of it, never used again. */
  get uid(): string {
    return this.wire.uid;
  }

  get name(): string {
    return this.wire.name;
  }

  get description(): string {
    return this.wire.description;
  }

  get tags(): readonly string[] {
    return this.wire.tags;
  }

  /** Opens the experiment of this name; makes it if there is none. */
  async experiment(name: string, options?: CallOptions): Promise<Experiment> {
    const request = { projectUid: this.uid, experimentId: newId(), name, allowExisting: true };
    const { experiment } = await this.connection.call(ExperimentService.method.createExperiment, request, options);
    return new Experiment(this.connection, this.writers, experiment!);
  }

  /** The experiment of this name. Throws NOT_FOUND. */
  async getExperiment(name: string, options?: CallOptions): Promise<Experiment> {
    const request = { key: { case: "experimentName", value: { projectUid: this.uid, name } } as const };
    const { experiment } = await this.connection.call(ExperimentService.method.getExperiment, request, options);
    return new Experiment(this.connection, this.writers, experiment!);
  }

  /** Its experiments, oldest first. */
  async *experiments(options: ListOptions = {}): AsyncGenerator<Experiment> {
    for await (const experiment of pages(async (pageToken) => {
      const request = { projectUid: this.uid, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(ExperimentService.method.listExperiments, request, options);
      return { items: page.experiments, nextPageToken: page.nextPageToken };
    })) yield new Experiment(this.connection, this.writers, experiment);
  }

  /** The models of all experiments that a filter holds for (docs/search.md). */
  search(filter: string, options: SearchOptions = {}): AsyncGenerator<Model> {
    return searchModels(this.connection, this.writers, { case: "projectUid", value: this.uid }, filter, options);
  }

  /** A version of an artifact: the newest, or that of a number or an alias. Throws NOT_FOUND. */
  async artifact(name: string, which: Selector = "latest", options?: CallOptions): Promise<ArtifactVersion> {
    const source = artifactName(this.id, name, which);
    const { version } = await this.connection.call(ArtifactService.method.getArtifactVersion, { source }, options);
    return new ArtifactVersion(this.connection, version!);
  }

  /** Its artifacts, of one type if given, oldest first. */
  async *artifacts(options: ListOptions & { type?: string } = {}): AsyncGenerator<Artifact> {
    for await (const artifact of pages(async (pageToken) => {
      const request = { projectUid: this.uid, type: options.type, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(ArtifactService.method.listArtifacts, request, options);
      return { items: page.artifacts, nextPageToken: page.nextPageToken };
    })) yield toArtifact(this.connection, artifact);
  }

  /** Versions, of one artifact if a name is given, oldest first. */
  async *versions(name?: string, options: ListOptions & { newestFirst?: boolean } = {}): AsyncGenerator<ArtifactVersion> {
    for await (const version of pages(async (pageToken) => {
      const request = { projectUid: this.uid, name, descending: options.newestFirst, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(ArtifactService.method.listArtifactVersions, request, options);
      return { items: page.versions, nextPageToken: page.nextPageToken };
    })) yield new ArtifactVersion(this.connection, version);
  }

  /** Deletes it with all that is in it. */
  async delete(options?: CallOptions): Promise<void> {
    await this.connection.call(ProjectService.method.deleteProject, { projectUid: this.uid }, options);
  }
}

function toArtifact(connection: Connection, wire: WireArtifact): Artifact {
  return { id: wire.id, name: wire.name, type: wire.type, latest: new ArtifactVersion(connection, wire.latest!) };
}
