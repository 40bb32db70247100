// Models with the same value in a field, as the server groups them, and which of them charts draw.

import { useMemo, useRef } from "preact/hooks";
import { isJust } from "../cells";
import { withClause } from "../clauses";
import { isTime, metricOf, shown } from "../fields";
import { looksOf, type Looks } from "../../common/colours";
import { useEvery, useLoaded } from "../../common/hooks";
import type { Field, Found, Groups, ModelGroup } from "../../common/messages";
import { call } from "../../common/wire";
import { PATIENCE, type Source } from "../plots/points";

const MOST_FIELDS = 8; // of `max_order_fields`
const MOST_LINES = 100;
const DRAWN_AT_FIRST = 6;
export const MOST_DRAWN = 12;

export interface Group {
  // The condition that holds for its models: what the group is called in the URL.
  clause: string;
  text: string;
  count: number;
  aggregates: NonNullable<ModelGroup["aggregates"]>;
}

export interface Grouping {
  field: string;
  // Columns that are told of each group.
  columns: string[];
  groups: Group[];
  // How many there are, also those that the server did not send.
  total: number;
  models: number;
}

// Of tags a model may have several: its group could not be asked for.
export const canGroup = (field: string): boolean => field !== "tags";

function isAggregated(field: string, known: Field | undefined): boolean {
  return metricOf(field) !== null || field === "step" || field === "duration" || (Number(known?.numberCount ?? 0) > 0 && !isTime(field));
}

async function load({ projectUid, filter }: Source, field: string, columns: string[], signal: AbortSignal): Promise<Grouping> {
  const request = { projectUid, filter, groupBy: [field], fields: columns };
  const found = await call<Groups>("ModelService/AggregateModels", request, signal);
  const groups = (found.groups ?? []).map((group) => ({
    clause: isJust(field, group.keys?.[0]),
    text: shown(group.keys?.[0], field) || "none",
    count: Number(group.modelCount ?? 0),
    aggregates: group.aggregates ?? [],
  }));
  return { field, columns, groups, total: Number(found.groupCount ?? 0), models: Number(found.modelCount ?? 0) };
}

function inOrder({ groups, columns }: Grouping, order: string): Group[] {
  const [field = "", direction] = order.split(/ (?=asc$|desc$)/);
  const at = columns.indexOf(field);
  if (at < 0) return groups;
  const mean = (group: Group): number | null => (Number(group.aggregates[at]?.count ?? 0) ? (group.aggregates[at]?.mean ?? 0) : null);
  const sign = direction === "desc" ? -1 : 1;
  return groups.toSorted((one, other) => {
    const [left, right] = [mean(one), mean(other)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (left - right);
  });
}

export interface LoadedGroups {
  grouping: Grouping | undefined;
  isOld: boolean;
  error: unknown;
}

// Nothing is asked for without a field.
export function useGroups(source: Source, field: string, columns: string[], fields: Map<string, Field>, isLive: boolean): LoadedGroups {
  const told = columns.filter((column) => column !== field && isAggregated(column, fields.get(column))).slice(0, MOST_FIELDS);
  const key = JSON.stringify([source.projectUid, source.filter, field, told]);
  const tookMs = useRef(0);
  const loaded = useLoaded(async (signal) => {
    const began = performance.now();
    const grouping = field ? await load(source, field, told, signal) : undefined;
    tookMs.current = performance.now() - began;
    return { key, grouping };
  }, [key]);
  useEvery(Math.max(isLive ? 5000 : 30000, tookMs.current * PATIENCE), () => field && loaded.reload());
  const grouping = loaded.value?.grouping;
  const ordered = useMemo(() => grouping && { ...grouping, groups: inOrder(grouping, source.order) }, [grouping, source.order]);
  return { grouping: ordered, isOld: loaded.value?.key !== key, error: loaded.error };
}

// The conditions of the groups that are drawn: those of the URL, else the largest.
export function drawnGroups(grouping: Grouping | undefined, chosen: string[] | null): Group[] {
  if (!grouping) return [];
  const largest = grouping.groups.toSorted((one, other) => other.count - one.count).slice(0, DRAWN_AT_FIRST);
  const wanted = chosen ?? largest.map((group) => group.clause);
  return grouping.groups.filter((group) => wanted.includes(group.clause)).slice(0, MOST_DRAWN);
}

export interface Members {
  // Ids of the models of each group that are drawn.
  members: ReadonlyMap<string, string[]>;
  looks: Looks;
  error: unknown;
}

const NOBODY: ReadonlyMap<string, string[]> = new Map();

// Some models of each group, so many that all lines together are no more than charts may have.
export function useMembers(source: Source, groups: Group[], isDark: boolean): Members {
  const clauses = groups.map((group) => group.clause);
  const key = JSON.stringify([source, clauses]);
  const loaded = useLoaded(async (signal) => {
    const pageSize = Math.floor(MOST_LINES / Math.max(1, clauses.length));
    const ids = await Promise.all(clauses.map(async (clause) => {
      const filter = withClause(source.filter, clause);
      const request = { projectUid: source.projectUid, filter, orderBy: source.order, columns: ["name"], pageSize };
      const found = await call<Found>("ModelService/SearchModels", request, signal);
      return (found.rows ?? []).map((row) => row.modelId);
    }));
    return new Map(clauses.map((clause, at) => [clause, ids[at] ?? []]));
  }, [key]);
  useEvery(30000, () => clauses.length > 0 && loaded.reload());
  const text = JSON.stringify([...(loaded.value ?? NOBODY)]);
  const members = useMemo(() => loaded.value ?? NOBODY, [text]);
  const looks = useMemo(() => looksOf(clauses, isDark), [clauses.join("\n"), isDark]);
  return { members, looks, error: loaded.error };
}
