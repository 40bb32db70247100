// The workbench of a project: the list is legend, filter and selection; the charts follow it.

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { looks } from "../common/colours";
import { ChoiceButton } from "../common/chooser";
import { Columns } from "./columns";
import { count } from "../common/figures";
import { GroupList } from "./groups/group-list";
import { drawnGroups, useGroups, useMembers } from "./groups/groups";
import { defaultColumns, label, measure, metricOf, offers, splitList } from "./fields";
import { Filter } from "./filter";
import { useFields } from "./known-fields";
import { useKeys } from "../common/keys";
import { useKnown } from "./known";
import { found, List } from "./list";
import type { Project } from "../common/messages";
import { Panel, useColouring } from "./panel";
import { change, go, modelPath, usePlace } from "../common/place";
import { useRows, type Search } from "./rows";
import { sentence } from "../common/wire";

const SHOWN_AT_FIRST = 10;
const MOST_SELECTED = 100;

export function Workbench({ project, isDark }: { project: Project; isDark: boolean }) {
  const { query } = usePlace();
  const [isLive, setLive] = useState(false);
  const { fields, sampled, error: fieldsError } = useFields(project.uid, isLive);
  const byName = useMemo(() => new Map((fields ?? []).map((field) => [field.field, field])), [fields]);
  const filter = query.get("q") ?? "";
  const order = query.get("o") ?? "created_at desc";
  const chosen = query.get("c");
  const columns = useMemo(() => (chosen === null ? defaultColumns(sampled ?? []) : splitList(chosen)), [chosen, sampled]);
  const search: Search | null = sampled || chosen !== null ? { projectUid: project.uid, filter, order, columns } : null;
  const [shownRows, setShownRows] = useState([0, 30]);
  const rows = useRows(search, shownRows[0] ?? 0, shownRows[1] ?? 0);
  useEffect(() => setLive(rows.isLive), [rows.isLive]);
  const [cursor, setCursor] = useState(-1);
  const [isPicking, setPicking] = useState(false);
  const filterBox = useRef<HTMLInputElement>(null);
  const isAutomatic = !query.has("s");
  const first = Array.from({ length: SHOWN_AT_FIRST }, (_, at) => rows.row(at));
  const firstIds = first.flatMap((row) => row?.modelId ?? []);
  const firstKey = useKept(firstIds.join(","), rows.total !== 0 && firstIds.length === 0);
  const text = isAutomatic ? firstKey : (query.get("s") ?? "");
  const chosenIds = useMemo(() => [...new Set(text.split(",").filter((id) => id.length === 36))], [text]);
  const selected = useMemo(() => chosenIds.slice(0, MOST_SELECTED), [chosenIds]);
  const own = useMemo(() => looks(selected, isDark), [selected, isDark]);
  const onScreen = Array.from({ length: (shownRows[1] ?? 0) - (shownRows[0] ?? 0) + 1 }, (_, at) => rows.row((shownRows[0] ?? 0) + at));
  const known = useKnown(selected, [...first, ...onScreen]);
  const toggle = useCallback(
    (id: string) => {
      const next = own.has(id) ? chosenIds.filter((one) => one !== id) : [...chosenIds, id];
      change({ s: next.join(",") || "-" });
    },
    [chosenIds, own],
  );
  const source = useMemo(() => ({ projectUid: project.uid, filter, order }), [project.uid, filter, order]);
  const bench = { source, fields, drawn: own, toggle, isLive: rows.isLive, isDark };
  const colouring = useColouring(bench, query.get("k") ?? "");
  const { drawn } = colouring;
  const g = query.get("g") ?? "";
  const grouping = useGroups(source, g, columns, byName, rows.isLive);
  const chosenGroups = query.get("gs");
  const groups = useMemo(
    () => (g ? drawnGroups(grouping.grouping, chosenGroups === null ? null : splitList(chosenGroups)) : []),
    [g, grouping.grouping, chosenGroups],
  );
  const members = useMembers(source, groups, isDark);
  const group = (field: string): void => change({ g: field, gs: "" });
  const toggleGroup = (clause: string): void => {
    const now = groups.map((one) => one.clause);
    const next = now.includes(clause) ? now.filter((one) => one !== clause) : [...now, clause];
    change({ gs: next.join(",") || "-" });
  };
  const sort = (field: string): void => {
    const metric = metricOf(field);
    const descendsFirst = field.endsWith(".max") || (metric !== null && field.endsWith(".last") && measure(metric) === "max");
    const isAscending = order === field || order === `${field} asc`;
    const isDescending = order === `${field} desc`;
    const next = isAscending ? `${field} desc` : isDescending ? field : descendsFirst ? `${field} desc` : field;
    change({ o: next });
  };
  const step = (by: number): void => setCursor((at) => Math.max(0, Math.min((rows.total ?? 1) - 1, at + by)));
  const underCursor = cursor >= 0 ? rows.row(cursor)?.modelId : undefined;
  useKeys({
    "/": () => filterBox.current?.focus(),
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    PageDown: () => step(20),
    PageUp: () => step(-20),
    Home: () => setCursor(0),
    End: () => setCursor(Math.max(0, (rows.total ?? 1) - 1)),
    " ": () => underCursor && toggle(underCursor),
    Enter: () => underCursor && go(modelPath(underCursor)),
    c: () => setPicking((before) => !before),
  });
  useEffect(() => setCursor(-1), [filter, order]);
  const nameOf = (id: string): string => known(id).name;
  const error = rows.error ?? (g ? grouping.error ?? members.error : undefined) ?? fieldsError;
  const groupChoices = useMemo(() => [{ value: "", text: "none" }, ...offers(fields ?? [], false)], [fields]);
  const hasFault = (rows.error as { metadata?: Record<string, string> } | undefined)?.metadata?.["field"] === "filter";
  return (
    <main class="workbench">
      <h1 class="hidden">Models of {project.id}</h1>
      <section class="left" aria-label="List of models">
        <Filter value={filter} error={hasFault ? rows.error : undefined} box={filterBox} fields={fields ?? []} />
        <div class="bar">
          <span class="total" role="status">{found(rows.total)}</span>
          {g ? <span class="pale">{groups.length} of {count(grouping.grouping?.total)} groups in the charts</span> : <span class="pale">{selected.length} in the charts{isAutomatic && selected.length > 0 && ", the first of the list"}{chosenIds.length > MOST_SELECTED && ` of ${chosenIds.length}`}</span>}
          <span class="push" />
          {!g && !isAutomatic && <button type="button" onClick={() => change({ s: "" })}>First {SHOWN_AT_FIRST}</button>}
          {!g && selected.length > 0 && <button type="button" onClick={() => change({ s: "-" })}>None</button>}
          <ChoiceButton label="group" text={g && label(g)} choices={groupChoices} choose={group} />
          <button type="button" aria-expanded={isPicking} onClick={() => setPicking(!isPicking)}>Columns</button>
        </div>
        {isPicking && <Columns fields={fields ?? []} columns={columns} close={() => setPicking(false)} />}
        {error !== undefined && !hasFault && <p class="error" role="alert">{sentence(error)}</p>}
        {g ? (
          grouping.grouping && <GroupList {...{ source, sort }} grouping={grouping.grouping} isOld={grouping.isOld} drawn={members.looks} toggle={toggleGroup} />
        ) : <List {...{ rows, columns, order, cursor, setCursor, toggle, sort }} fields={byName} selected={drawn}
          onWindow={(first, last) => setShownRows([first, last])} />}
      </section>
      <Panel {...{ bench, colouring, selected }} grouped={g ? { groups, members } : null} shown={selected} names={nameOf} isRunning={selected.some((id) => known(id).isRunning)} />
    </main>
  );
}

// A value that stays what it was while `isUnknown`.
function useKept(value: string, isUnknown: boolean): string {
  const kept = useRef(value);
  if (!isUnknown) kept.current = value;
  return kept.current;
}
