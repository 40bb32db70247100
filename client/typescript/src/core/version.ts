// A version of an artifact: an immutable tree of files.

import { ArtifactService, type ArtifactFile, type ArtifactVersion as Wire, FileType } from "../xpstore/v1/artifact_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { toHex } from "./ids.js";
import { int64, type Integer } from "./numbers.js";
import { type ListOptions, pages } from "./pages.js";
import { type Range, readFile } from "./read.js";

/** One entry of a tree. */
export interface FileInfo {
  /** Relative, with "/" between its parts. */
  path: string;
  /** Whether it is an empty directory. */
  isDirectory: boolean;
  isExecutable: boolean;
  sizeBytes: bigint;
  /** BLAKE3 of its bytes, hexadecimal; empty for a directory. */
  digest: string;
}

export class ArtifactVersion {
  constructor(
    /** @internal */
    readonly connection: Connection,
    private wire: Wire,
    /** Whether this call made it, as opposed to finding the same content. */
    readonly isNew = false,
  ) {}

  /** A UUID. */
  get id(): string {
    return this.wire.id;
  }

  /** The artifact's name. */
  get name(): string {
    return this.wire.name;
  }

  /** What kind of thing it is, such as "dataset" (docs/artifact-types.md). */
  get type(): string {
    return this.wire.type;
  }

  /** 1, 2, 3, ... */
  get version(): bigint {
    return this.wire.version;
  }

  /** Identity of its content, hexadecimal: the same for the same files, whoever saved them. */
  get digest(): string {
    return toHex(this.wire.digest);
  }

  /** Sum of the sizes of its files. */
  get sizeBytes(): bigint {
    return this.wire.sizeBytes;
  }

  /** How many files and empty directories it has. */
  get fileCount(): bigint {
    return this.wire.fileCount;
  }

  get description(): string | undefined {
    return this.wire.description;
  }

  get metadata(): Record<string, unknown> {
    return JSON.parse(this.metadataJson) as Record<string, unknown>;
  }

  /** The metadata as it was written: numbers beyond 2^53 keep their digits here alone. */
  get metadataJson(): string {
    return this.wire.metadataJson || "{}";
  }

  get aliases(): readonly string[] {
    return this.wire.aliases;
  }

  /** UUID of its project. */
  get projectUid(): string {
    return this.wire.projectUid;
  }

  /** When it was created, microseconds since the epoch. */
  get createdAtUs(): bigint {
    return this.wire.createdAtUs;
  }

  /** Its files and empty directories, those at or below `below` if given, in the order of their paths. */
  async *files(options: ListOptions & { below?: string } = {}): AsyncGenerator<FileInfo> {
    for await (const file of pages(async (pageToken) => {
      const request = { versionId: this.id, pathPrefix: options.below, pageSize: options.pageSize, pageToken };
      const page = await this.connection.call(ArtifactService.method.listArtifactFiles, request, options);
      return { items: page.files, nextPageToken: page.nextPageToken };
    })) yield toFile(file);
  }

  /**
   * The bytes of a file as they come; of the only one if no path is given. After a broken connection it goes on where it was.
   * A whole file is verified against its digest: where it differs, DATA_LOSS is thrown after the last bytes. A range cannot be.
   */
  read(path = "", options: Range & CallOptions = {}): AsyncGenerator<Uint8Array> {
    return readFile(this.connection, { case: "versionId", value: this.id }, path, options);
  }

  /** A whole file in memory, verified. */
  async bytes(path = "", options: Range & CallOptions = {}): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of this.read(path, options)) {
      pieces.push(piece);
      size += piece.length;
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** A whole file as text, verified. */
  async text(path = "", options: CallOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(path, options));
  }

  /** Points an alias here, wherever it pointed before. */
  async setAlias(alias: string, options?: CallOptions): Promise<void> {
    const request = { versionId: this.id, alias };
    this.wire = (await this.connection.call(ArtifactService.method.setArtifactAlias, request, options)).version!;
  }

  /** Links it to a model. */
  async linkTo(model: { id: string }, step?: Integer, options?: CallOptions): Promise<void> {
    const link = { modelId: model.id, step: step === undefined ? undefined : int64("step", step) };
    const request = { versionId: this.id, link };
    this.wire = (await this.connection.call(ArtifactService.method.linkArtifactVersion, request, options)).version!;
  }

  /** Deletes it. Throws CONFLICT while an alias points to it. */
  async delete(options?: CallOptions): Promise<void> {
    await this.connection.call(ArtifactService.method.deleteArtifactVersion, { versionId: this.id }, options);
  }
}

function toFile(file: ArtifactFile): FileInfo {
  return {
    path: file.path, isDirectory: file.type === FileType.DIRECTORY, isExecutable: file.executable, sizeBytes: file.sizeBytes,
    digest: toHex(file.digest),
  };
}

/** Which version of an artifact: by number, by alias, or the newest. */
export type Selector = { version: Integer } | { alias: string } | "latest";

/** The name of an artifact as the contract takes it. */
export function artifactName(projectId: string, name: string, which: Selector) {
  const selector = which === "latest" ? undefined
    : "version" in which ? ({ case: "version", value: int64("version", which.version) } as const)
    : ({ case: "alias", value: which.alias } as const);
  return { case: "artifactName", value: { projectId, name, selector } } as const;
}
