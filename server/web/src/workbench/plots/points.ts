// The models that a filter finds, with values of some fields: what plots draw.

import { useRef } from "preact/hooks";
import { cellOf, type Cell } from "../cells";
import { useEvery, useLoaded } from "../../common/hooks";
import type { Found, Row } from "../../common/messages";
import { displayName } from "../../common/names";
import { call } from "../../common/wire";

export const MOST_POINTS = 5000;
const PAGE = 1000;
// Thousands of models take the server some tenths of a second: they are asked for again after so many times of that.
export const PATIENCE = 50;

export interface Source {
  projectUid: string;
  filter: string;
  order: string;
}

export interface Points {
  ids: string[];
  names: string[];
  // A value for each model, by fields.
  cells: Map<string, Cell[]>;
  // How many models the filter finds: more than are here, where they are too many.
  total: number;
}

async function load({ projectUid, filter, order }: Source, fields: string[], signal: AbortSignal): Promise<Points> {
  const request = { projectUid, filter, orderBy: order, columns: ["name", ...fields], pageSize: PAGE };
  const rows: Row[] = [];
  let [total, pageToken] = [0, ""];
  do {
    const page: Found & { nextPageToken?: string } = await call("ModelService/SearchModels", pageToken ? { ...request, pageToken } : { ...request, withTotal: true }, signal);
    rows.push(...(page.rows ?? []));
    total = Number(page.totalCount ?? total);
    pageToken = page.nextPageToken ?? "";
  } while (pageToken && rows.length < MOST_POINTS);
  rows.splice(MOST_POINTS);
  return {
    ids: rows.map((row) => row.modelId),
    names: rows.map((row) => displayName(row.modelId, row.values[0]?.text)),
    cells: new Map(fields.map((field, at) => [field, rows.map((row) => cellOf(row.values[at + 1]))])),
    total: Math.max(total, rows.length),
  };
}

export interface LoadedPoints {
  points: Points | undefined;
  // Whether they are still those of another search or of other fields.
  isOld: boolean;
  error: unknown;
}

// Nothing is asked for without fields.
export function usePoints(source: Source, fields: string[], isLive: boolean): LoadedPoints {
  const wanted = [...new Set(fields)];
  const key = JSON.stringify([source, wanted]);
  const tookMs = useRef(0);
  const loaded = useLoaded(async (signal) => {
    const began = performance.now();
    const points = wanted.length ? await load(source, wanted, signal) : undefined;
    tookMs.current = performance.now() - began;
    return { key, points };
  }, [key]);
  useEvery(Math.max(isLive ? 5000 : 30000, tookMs.current * PATIENCE), () => wanted.length > 0 && loaded.reload());
  return { points: loaded.value?.points, isOld: loaded.value?.key !== key, error: loaded.error };
}
