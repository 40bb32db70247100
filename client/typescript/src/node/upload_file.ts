// UploadFile: one file as one stream, going on where it was when the stream breaks.

import { basename } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ArtifactService, type ArtifactVersion as Wire, type UploadFileHeaderSchema, type UploadFileRequestSchema,
} from "../xpstore/v1/artifact_pb.js";
import type { Connection } from "../core/connection.js";
import { dataLoss, invalid, XpstoreError } from "../core/errors.js";
import { Hasher } from "../core/hash.js";
import { fromHex, newId } from "../core/ids.js";
import type { Attempts } from "../core/retry.js";
import type { Project } from "../core/project.js";
import { ArtifactVersion } from "../core/version.js";
import { type SaveOptions, toDraft } from "./drafts.js";
import { type ByteSource, openSource } from "./sources.js";

// A message counts when all of it arrived, so the first are small: on a thin, broken line large ones never do.
const FIRST_BYTES = 64 << 10;
const LARGEST_BYTES = 1 << 20;
// Left free in each: what a message has beside its data. The library that writes it doubles its buffer where it does not fit.
const HEAD_BYTES = 64;
const GROW_AFTER_BYTES = 4 << 20;
const QUICK_MS = 500;
// Proxies end a stream that is silent for a minute.
const SIGN_MS = 15_000;

/** What `uploadFile` takes. */
export interface UploadFileOptions extends SaveOptions {
  /** Path of the file inside the artifact; default: the name of the file, or "data" for bytes. */
  path?: string;
  /** UUID of the upload, to go on with one that another process began, within 24 hours. */
  uploadId?: string;
  /** BLAKE3 that the file must have, hexadecimal; default: it is read once before, and must stay what it is. */
  blake3?: string;
  /** Told how many bytes of the file were sent. */
  onProgress?: (sentBytes: number, sizeBytes: number) => void;
}

/**
 * Saves one file as a version of an artifact, in one stream of plain bytes. After a broken connection, or on another server,
 * it goes on where it was. To save a folder, or what is mostly there already, use `uploadTree`.
 *
 *     const version = await uploadFile(project, "weights.bin", { name: "weights", aliases: ["best"] });
 */
export async function uploadFile(project: Project, source: string | Uint8Array | ByteSource, options: UploadFileOptions): Promise<ArtifactVersion> {
  const { connection } = project;
  const opened = await openSource(source);
  try {
    if (options.blake3 !== undefined && !/^[0-9a-f]{64}$/.test(options.blake3)) throw invalid("blake3", options.blake3, "must have 64 hexadecimal digits");
    const header: MessageInitShape<typeof UploadFileHeaderSchema> = {
      uploadId: options.uploadId ?? newId(), projectUid: project.uid, draft: toDraft(options),
      path: options.path ?? (typeof source === "string" ? basename(source) : "data"), sizeBytes: BigInt(opened.sizeBytes),
      blake3: options.blake3 === undefined ? await digestOf(opened, options.signal) : fromHex(options.blake3),
    };
    const upload = new Upload(connection, opened, header, options);
    const { version, created } = await upload.run();
    return new ArtifactVersion(connection, version, created);
  } finally {
    await opened.close?.();
  }
}

/** The digest of all bytes: with it in the header, a file that changes while it is sent is refused and not stored as a mixture. */
async function digestOf(source: ByteSource, signal?: AbortSignal): Promise<Uint8Array> {
  const hasher = await Hasher.create();
  for (let offset = 0; offset < source.sizeBytes; ) {
    signal?.throwIfAborted();
    const data = await source.read(offset, Math.min(LARGEST_BYTES, source.sizeBytes - offset));
    if (data.length === 0) throw shorter(offset, source.sizeBytes);
    hasher.update(data);
    offset += data.length;
  }
  return hasher.digest();
}

class Upload {
  private readonly attempts: Attempts;

  constructor(
    private readonly connection: Connection,
    private readonly source: ByteSource,
    private readonly header: MessageInitShape<typeof UploadFileHeaderSchema>,
    private readonly options: UploadFileOptions,
  ) {
    this.attempts = connection.attempts(options, (error) => error.reason === "STALE");
  }

  async run(): Promise<{ version: Wire; created: boolean }> {
    const isOwn = this.options.uploadId === undefined;
    let durable = isOwn ? 0n : (await this.state()).offset;
    for (;;) {
      try {
        const { method } = ArtifactService;
        const { version, created } = await this.connection.send(method.uploadFile, this.messages(Number(durable)), this.options.signal);
        if (version === undefined) throw new XpstoreError("The server ended the upload without a version.", "INTERNAL");
        return { version, created };
      } catch (error) {
        await this.attempts.after(error);
      }
      const { offset, version } = await this.state();
      // Of an id that was given the server compares the header first: it may be that of another file.
      if (version !== undefined && isOwn) return { version, created: version.id === this.header.uploadId };
      if (offset > durable) this.attempts.renew();
      durable = offset;
    }
  }

  /** How many bytes the server has for good, and the version if it has all. */
  private async state(): Promise<{ offset: bigint; version?: Wire }> {
    try {
      return await this.connection.call(ArtifactService.method.getUpload, { uploadId: this.header.uploadId }, this.options);
    } catch (error) {
      if (error instanceof XpstoreError && error.reason === "NOT_FOUND") return { offset: 0n }; // the header did not arrive
      throw error;
    }
  }

  /** One stream: the header, the bytes from an offset on, then `finish`, without which nothing is published. */
  private async *messages(offset: number): AsyncGenerator<MessageInitShape<typeof UploadFileRequestSchema>> {
    yield { part: { case: "header", value: { ...this.header, offset: BigInt(offset) } } };
    const { sizeBytes } = this.source;
    let [size, quick] = [FIRST_BYTES, 0];
    while (offset < sizeBytes) {
      const reading = this.source.read(offset, Math.min(size - HEAD_BYTES, sizeBytes - offset));
      let data: Uint8Array | undefined;
      while ((data = await within(reading, SIGN_MS)) === undefined) yield {};
      if (data.length === 0) throw shorter(offset, sizeBytes);
      const began = performance.now();
      yield { part: { case: "data", value: data } };
      offset += data.length;
      quick = performance.now() - began < QUICK_MS ? quick + data.length : 0;
      if (quick >= GROW_AFTER_BYTES && size < LARGEST_BYTES) [size, quick] = [2 * size, 0];
      this.options.onProgress?.(offset, sizeBytes);
    }
    yield { finish: true };
  }
}

const shorter = (offset: number, size: number): XpstoreError => dataLoss(`The source ended at ${offset} bytes and not at ${size}: it changed while it was read.`);

/** What a promise brings within some time, else undefined. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
