// Media of a model under one name, by step: loaded where one looks.

import type { Media, MediaName } from "../common/messages";
import { all, call, CallError } from "../common/wire";

const PAGE = 200;
const MOST_NAMES = 1000;

// Names by the ids of models; models that are gone have no entry.
export type Names = ReadonlyMap<string, MediaName[]>;

export const stepOf = (medium: Media): number => Number(medium.step ?? 0);

export async function listNames(models: string[], signal: AbortSignal): Promise<Names> {
  const found = await Promise.all(models.map(async (modelId): Promise<[string, MediaName[]][]> => {
    try {
      return [[modelId, (await all<MediaName, "names">("MediaService/ListMediaNames", { modelId }, "names", MOST_NAMES, signal)).found]];
    } catch (error) {
      if (error instanceof CallError && error.code === "not_found") return [];
      throw error;
    }
  }));
  return new Map(found.flat());
}

export async function list(modelId: string, request: object, signal?: AbortSignal): Promise<{ media: Media[]; hasMore: boolean }> {
  const page = await call<{ media?: Media[]; nextPageToken?: string }>("MediaService/ListMedia", { modelId, ...request }, signal);
  return { media: page.media ?? [], hasMore: Boolean(page.nextPageToken) };
}

// Steps of which it is known what there is, newest first.
interface Stretch {
  from: number;
  to: number;
  media: Media[];
}

export class Named {
  private readonly stretches: Stretch[] = [];

  constructor(
    private readonly modelId: string,
    private readonly name: string,
  ) {}

  // The newest at or before a step; null: there is none; undefined: that is not known yet.
  known(step: number): Media | null | undefined {
    const stretch = this.stretches.find((one) => one.from <= step && step <= one.to);
    return stretch && (stretch.media.find((one) => stepOf(one) <= step) ?? null);
  }

  async load(step: number, signal: AbortSignal): Promise<Media | null> {
    const request = { names: [this.name], descending: true, pageSize: PAGE, ...(step < Infinity && { toStep: step }) };
    const { media, hasMore } = await list(this.modelId, request, signal);
    const last = media.at(-1);
    this.stretches.push({ from: hasMore && last ? stepOf(last) : -Infinity, to: step, media });
    return media[0] ?? null;
  }
}
