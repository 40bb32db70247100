// The workbench of a project: the list is legend, filter and selection; charts and plots follow it.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { isJust } from "./cells";
import { CellBar, isOnlyShown } from "./cell-bar";
import { withClause } from "./clauses";
import { Columns } from "./columns";
import { useCursor, type Cursor } from "./cursor";
import { defaultColumns, label, measure, metricOf, offers, splitList } from "./fields";
import { Filter } from "./filter";
import { canGroup } from "./groups/groups";
import { GroupList } from "./groups/group-list";
import { groupBy, useGrouped } from "./grouped";
import { useFields } from "./known-fields";
import { useKnown } from "./known";
import { found, List } from "./list";
import { Panel, useColouring } from "./panel";
import { useRows, type Search } from "./rows";
import { SHOWN_AT_FIRST, useSelection } from "./selection";
import { copyLink, Views } from "./views";
import { AlertBell } from "../alerts/alerts";
import { Chooser } from "../common/chooser";
import { count } from "../common/figures";
import { useKeys } from "../common/keys";
import type { Project } from "../common/messages";
import { change, go, hand, modelPath, useLeft, usePlace } from "../common/place";
import { sentence } from "../common/wire";

interface Left {
  cursor: Cursor;
  top: number;
  scroll: number;
}

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
  const [firstRow = 0, lastRow = 0] = shownRows;
  const rows = useRows(search, firstRow, lastRow);
  useEffect(() => setLive(rows.isLive), [rows.isLive]);
  const selection = useSelection(rows, isDark);
  const { selected, toggle, hidden } = selection;
  const onScreen = Array.from({ length: lastRow - firstRow + 1 }, (_, at) => rows.row(firstRow + at));
  const known = useKnown(selected, [...selection.first, ...onScreen]);
  const source = useMemo(() => ({ projectUid: project.uid, filter, order }), [project.uid, filter, order]);
  const bench = { source, fields, drawn: selection.looks, toggle, isLive: rows.isLive, isDark };
  const colouring = useColouring(bench, query.get("k") ?? "");
  const inList = useMemo(() => new Map([...colouring.drawn].map(([id, look]) => [id, hidden.has(id) ? { ...look, colour: "transparent" } : look])), [colouring.drawn, hidden]);
  const shown = useMemo(() => selected.filter((id) => !hidden.has(id)), [selected, hidden]);
  const grouped = useGrouped(source, columns, byName, rows.isLive, isDark);

  const filterBox = useRef<HTMLInputElement>(null);
  const listBox = useRef<HTMLElement>(null);
  const [opened, setOpened] = useState<"columns" | "groups" | "views" | "">("");
  const [told, setTold] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setTold(""), 4000);
    return () => clearTimeout(timer);
  }, [told]);
  const left = useLeft<Left>("list", () => ({ cursor: moves.latest(), top: listBox.current?.querySelector(".list")?.scrollTop ?? 0, scroll: scrollY }));
  const moves = useCursor(left?.cursor, rows.total ?? 0, columns.length + 2, [filter, order]);
  const { cursor } = moves;
  useEffect(() => {
    hand(() => ({ source, at: moves.latest().at }));
    return () => hand(null);
  }, [source]);
  const hasRows = grouped ? grouped.loaded.grouping !== undefined : Boolean(rows.total);
  // Where one was before one opened a model.
  const isBack = useRef(left !== undefined);
  useEffect(() => {
    const list = listBox.current?.querySelector<HTMLElement>(".list");
    if (!left || !isBack.current || !hasRows || !list) return;
    isBack.current = false;
    list.scrollTop = left.top;
    list.focus({ preventScroll: true });
    scrollTo(0, left.scroll);
  }, [hasRows]);

  const row = cursor.at >= 0 ? rows.row(cursor.at) : undefined;
  const field = cursor.column >= 0 ? ["name", "status", ...columns][cursor.column] : undefined;
  const value = row && field !== undefined ? (cursor.column < 2 ? row.values[cursor.column] : rows.value(row, field)) : undefined;
  const canOrder = field !== undefined && !isOnlyShown(field) && field !== "tags";
  const filterBy = (): void => {
    if (row && field !== undefined && !isOnlyShown(field)) change({ q: withClause(filter, isJust(field, value)) }, true);
  };
  const sort = (by: string): void => {
    const metric = metricOf(by);
    const descendsFirst = by.endsWith(".max") || (metric !== null && by.endsWith(".last") && measure(metric) === "max");
    const isAscending = order === by || order === `${by} asc`;
    const isDescending = order === `${by} desc`;
    change({ o: isAscending ? `${by} desc` : isDescending ? by : descendsFirst ? `${by} desc` : by });
  };
  const group = (): void => {
    if (grouped) groupBy("");
    else if (field !== undefined && canOrder && canGroup(field) && cursor.column > 0) groupBy(field);
    else setOpened("groups");
  };
  const copy = async (): Promise<void> => {
    if (await copyLink()) setTold("The link to this view is copied.");
  };
  const stepGroup = (by: number): void => {
    const buttons = [...(listBox.current?.querySelectorAll<HTMLElement>(".open") ?? [])];
    buttons[Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(document.activeElement as HTMLElement) + by))]?.focus();
  };
  const inRows = {
    j: () => moves.down(1),
    k: () => moves.down(-1),
    ArrowDown: () => moves.down(1),
    ArrowUp: () => moves.down(-1),
    ArrowRight: () => moves.right(1),
    ArrowLeft: () => moves.right(-1),
    PageDown: () => moves.down(20),
    PageUp: () => moves.down(-20),
    Home: () => moves.set(0),
    End: () => moves.set(Math.max(0, (rows.total ?? 1) - 1)),
    " ": () => row && toggle(row.modelId),
    Enter: () => row && go(modelPath(row.modelId)),
    s: () => field !== undefined && canOrder && sort(field),
    f: filterBy,
    x: () => row && selection.hide(row.modelId),
  };
  useKeys({
    ...(grouped ? { j: () => stepGroup(1), k: () => stepGroup(-1) } : inRows),
    "/": () => filterBox.current?.focus(),
    c: () => setOpened((before) => (before === "columns" ? "" : "columns")),
    g: group,
    v: () => setOpened("views"),
    y: () => void copy(),
  });

  const close = (): void => setOpened("");
  const error = rows.error ?? grouped?.loaded.error ?? fieldsError;
  const hasFault = (rows.error as { metadata?: Record<string, string> } | undefined)?.metadata?.["field"] === "filter";
  const groupChoices = useMemo(() => [{ value: "", text: "no groups" }, ...offers(fields ?? [], false)], [fields]);
  return (
    <main class="workbench">
      <h1 class="hidden">Models of {project.id}</h1>
      <section class="left" aria-label="List of models" ref={listBox}>
        <div class="find">
          <Filter value={filter} error={hasFault ? rows.error : undefined} box={filterBox} fields={fields ?? []} />
          <AlertBell {...{ project }} isLive={rows.isLive} />
        </div>
        <div class="bar">
          <span class="total" role="status">{found(rows.total)}</span>
          <span class="pale">
            {grouped
              ? grouped.loaded.grouping && `${grouped.groups.length} of ${count(grouped.loaded.grouping.total)} groups in the charts`
              : `${shown.length} in the charts${selection.isAutomatic && shown.length > 0 ? ", the first of the list" : ""}${selection.count > selected.length ? ` of ${selection.count}` : ""}${hidden.size > 0 ? `, ${hidden.size} hidden` : ""}`}
          </span>
          <span class="push" />
          {hidden.size > 0 && !grouped && <button type="button" onClick={() => change({ h: "" })}>Show hidden</button>}
          {!grouped && !selection.isAutomatic && <button type="button" onClick={() => change({ s: "" })}>First {SHOWN_AT_FIRST}</button>}
          {!grouped && selected.length > 0 && <button type="button" onClick={() => change({ s: "-" })}>Deselect</button>}
          {grouped && <button type="button" onClick={() => groupBy("")}>Ungroup</button>}
          <button type="button" aria-haspopup="dialog" onClick={() => setOpened("groups")}>{grouped ? `Group: ${label(grouped.field)}` : "Group"}</button>
          <button type="button" aria-expanded={opened === "columns"} onClick={() => setOpened(opened === "columns" ? "" : "columns")}>Columns</button>
          <button type="button" aria-haspopup="dialog" onClick={() => setOpened("views")}>Views</button>
        </div>
        {opened === "columns" && <Columns fields={fields ?? []} columns={columns} close={close} />}
        {opened === "groups" && <Chooser title="Group by" choices={groupChoices} choose={groupBy} close={close} />}
        {opened === "views" && <Views project={project} close={close} say={setTold} />}
        {error !== undefined && !hasFault && <p class="error" role="alert">{sentence(error)}</p>}
        {grouped ? (
          <>
            {grouped.loaded.grouping && (
              <GroupList {...{ source, sort }} grouping={grouped.loaded.grouping} isOld={grouped.loaded.isOld} drawn={grouped.members.looks} toggle={grouped.toggle} />
            )}
            {!grouped.loaded.grouping && error === undefined && <p class="nothing">Loading…</p>}
          </>
        ) : (
          <>
            <List {...{ rows, columns, order, toggle, sort }} fields={byName} selected={inList} cursor={cursor.at} column={cursor.column} setCursor={moves.set}
              onWindow={(first, last) => setShownRows([first, last])} />
            <CellBar field={row && field} value={value} {...{ filterBy }} sortBy={() => field !== undefined && sort(field)} groupBy={() => field !== undefined && groupBy(field)} />
          </>
        )}
      </section>
      <Panel {...{ bench, colouring, selected, shown, grouped }} names={(id) => known(id).name} isRunning={selected.some((id) => known(id).isRunning)} />
      {told && <p class="toast" role="status">{told}</p>}
    </main>
  );
}
