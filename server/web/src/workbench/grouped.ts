// The list as groups: the field of the URL, and which of its groups are drawn.

import { useMemo } from "preact/hooks";
import { splitList } from "./fields";
import { drawnGroups, useGroups, useMembers, type Group, type LoadedGroups, type Members } from "./groups/groups";
import type { Field } from "../common/messages";
import { change, usePlace } from "../common/place";
import type { Source } from "./plots/points";

export interface Grouped {
  field: string;
  loaded: LoadedGroups;
  groups: Group[];
  members: Members;
  toggle: (clause: string) => void;
}

export const groupBy = (field: string): void => change({ g: field, gs: "" });

// null without a field to group by.
export function useGrouped(source: Source, columns: string[], fields: Map<string, Field>, isLive: boolean, isDark: boolean): Grouped | null {
  const { query } = usePlace();
  const field = query.get("g") ?? "";
  const loaded = useGroups(source, field, columns, fields, isLive);
  const { grouping } = loaded;
  const chosen = query.get("gs");
  const groups = useMemo(() => (field ? drawnGroups(grouping, chosen === null ? null : splitList(chosen)) : []), [field, grouping, chosen]);
  const members = useMembers(source, groups, isDark);
  if (!field) return null;
  const toggle = (clause: string): void => {
    const now = groups.map((one) => one.clause);
    change({ gs: (now.includes(clause) ? now.filter((one) => one !== clause) : [...now, clause]).join(",") || "-" });
  };
  return { field, loaded, groups, members, toggle };
}
