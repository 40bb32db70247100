// The models before and after one in the list that one came from.

import { handed } from "../common/place";
import { useLoaded } from "../common/hooks";
import type { Found } from "../common/messages";
import { call } from "../common/wire";
import type { Source } from "./plots/points";

// As far as models may have come and gone since.
const AROUND = 30;

export interface Came {
  source: Source;
  // The place in the list, from 0.
  at: number;
}

export interface Neighbours {
  previous: string | undefined;
  next: string | undefined;
  came: (by: number) => Came;
}

function isCame(what: unknown): what is Came {
  const came = what as Partial<Came> | null | undefined;
  return typeof came?.at === "number" && came.at >= 0 && typeof came.source?.projectUid === "string";
}

export function useNeighbours(id: string): Neighbours | null {
  const found = useLoaded(async (signal) => {
    const came = handed();
    if (!isCame(came)) return null;
    const { projectUid, filter, order } = came.source;
    const skip = Math.max(0, came.at - AROUND);
    const request = { projectUid, filter, orderBy: order, columns: ["name"], skip, pageSize: 2 * AROUND + 1 };
    const { rows = [] } = await call<Found>("ModelService/SearchModels", request, signal);
    const at = rows.findIndex((row) => row.modelId === id);
    if (at < 0) return null;
    const place = (by: number): Came => ({ source: came.source, at: skip + at + by });
    return { previous: rows[at - 1]?.modelId, next: rows[at + 1]?.modelId, came: place };
  }, [id]);
  return found.value ?? null;
}
