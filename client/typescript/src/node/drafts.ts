// What a new version shall be, apart from its bytes.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ArtifactDraftSchema } from "../xpstore/v1/artifact_pb.js";
import { int64, type Integer, type JsonObject, jsonObject } from "../core/numbers.js";
import type { CallOptions } from "../core/connection.js";

/** What saving takes. */
export interface SaveOptions extends CallOptions {
  /** Name of the artifact; it is made if there is none. */
  name: string;
  /** What kind of thing it is: "directory" (the default), "dataset", "trained_model", or a name of your own (docs/artifact-types.md). */
  type?: string;
  description?: string;
  metadata?: JsonObject;
  /** Names to point to the version. */
  aliases?: readonly string[];
  /** The model that it belongs to, and its step. */
  model?: { readonly id: string };
  step?: Integer;
  /** The versions that it was made from. */
  used?: readonly { readonly id: string }[];
  /** Make a new version even if the newest has this content. */
  force?: boolean;
}

export function toDraft(options: SaveOptions): MessageInitShape<typeof ArtifactDraftSchema> {
  const { name, type = "directory", description, metadata, aliases = [], model, step, used = [], force = false } = options;
  return {
    name, type, description, metadataJson: jsonObject("metadata", metadata), aliases: [...aliases], force,
    links: model === undefined ? [] : [{ modelId: model.id, step: step === undefined ? undefined : int64("step", step) }],
    usedVersionIds: used.map(({ id }) => id),
  };
}
