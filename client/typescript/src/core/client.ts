// The client: what `connect` returns, in Node and in browsers.

import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { ArtifactService } from "../xpstore/v1/artifact_pb.js";
import type { Limits } from "../xpstore/v1/limits_pb.js";
import { ModelService } from "../xpstore/v1/model_pb.js";
import { ProjectService } from "../xpstore/v1/project_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { loadHash } from "./hash.js";
import { newId } from "./ids.js";
import { Model } from "./model.js";
import { type ListOptions, pages } from "./pages.js";
import { Project } from "./project.js";
import { ArtifactVersion } from "./version.js";
import { Writers } from "./writers.js";

/** What a new project has. */
export interface ProjectOptions extends CallOptions {
  /** Display name; default the id. */
  name?: string;
  description?: string;
  tags?: readonly string[];
}

/** A connection to one server with one key. */
export class Client {
  private readonly writers: Writers;

  /** Use `connect`. */
  private constructor(
    /** @internal */
    readonly connection: Connection,
  ) {
    this.writers = new Writers(connection);
  }

  /** Proves address, key and contract by a first call. */
  static async open(connection: Connection, options: CallOptions): Promise<Client> {
    try {
      await Promise.all([loadHash(), connection.limits(options)]);
    } catch (error) {
      connection.close();
      throw error;
    }
    return new Client(connection);
  }

  /** Opens the project that has this id; makes it if there is none. What is there stays as it is. */
  async project(id: string, options: ProjectOptions = {}): Promise<Project> {
    const { name = id, description, tags } = options;
    const request = { projectId: id, name, description, tags: [...(tags ?? [])], creationId: newId(), allowExisting: true };
    const { project } = await this.connection.call(ProjectService.method.createProject, request, options);
    return new Project(this.connection, this.writers, project!);
  }

  /** The project that has this id. Throws NOT_FOUND. */
  async getProject(id: string, options?: CallOptions): Promise<Project> {
    const request = { key: { case: "projectId", value: id } as const };
    const { project } = await this.connection.call(ProjectService.method.getProject, request, options);
    return new Project(this.connection, this.writers, project!);
  }

  /** All projects, oldest first. */
  async *projects(options: ListOptions = {}): AsyncGenerator<Project> {
    for await (const project of pages(async (pageToken) => {
      const request = { pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(ProjectService.method.listProjects, request, options);
      return { items: page.projects, nextPageToken: page.nextPageToken };
    })) yield new Project(this.connection, this.writers, project);
  }

  /** A model by its id. Throws NOT_FOUND. */
  async model(id: string, options?: CallOptions): Promise<Model> {
    const request = { key: { case: "modelId", value: id } as const };
    const { model } = await this.connection.call(ModelService.method.getModel, request, options);
    return new Model(this.connection, this.writers, model!);
  }

  /** A version of an artifact by its id. Throws NOT_FOUND. */
  async version(id: string, options?: CallOptions): Promise<ArtifactVersion> {
    const request = { source: { case: "versionId", value: id } as const };
    const { version } = await this.connection.call(ArtifactService.method.getArtifactVersion, request, options);
    return new ArtifactVersion(this.connection, version!);
  }

  /** What the server accepts: all bounds, its version, that of its contract. */
  limits(options?: CallOptions): Promise<Limits> {
    return this.connection.limits(options);
  }

  /**
   * Any method of the contract that this package has no other word for, with its key, repetitions and typed errors:
   *
   *     import { ModelService } from "@xpstore/client/v1/model";
   *     await client.call(ModelService.method.rewindModel, { modelId: model.id, step: 100n });
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>, request: MessageInitShape<I>, options?: CallOptions,
  ): Promise<MessageShape<O>> {
    return this.connection.call(method, request, options);
  }

  /** Closes the connection; calls under way end. */
  close(): void {
    this.connection.close();
  }
}
