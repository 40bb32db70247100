// The workbench of a project: the list is legend, filter and selection; the charts follow it.

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Charts } from "./charts";
import { looks } from "../common/colours";
import { Columns } from "./columns";
import { Compare } from "./compare";
import { defaultColumns, measure, metricOf } from "./fields";
import { Filter } from "./filter";
import { useFields } from "./known-fields";
import { useKeys } from "../common/keys";
import { useKnown } from "./known";
import { found, List } from "./list";
import type { Project } from "../common/messages";
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
  const drawn = useMemo(() => looks(selected), [selected]);
  const onScreen = Array.from({ length: (shownRows[1] ?? 0) - (shownRows[0] ?? 0) + 1 }, (_, at) => rows.row((shownRows[0] ?? 0) + at));
  const known = useKnown(selected, [...first, ...onScreen]);
  const toggle = useCallback(
    (id: string) => {
      const next = drawn.has(id) ? chosenIds.filter((one) => one !== id) : [...chosenIds, id];
      change({ s: next.join(",") || "-" });
    },
    [chosenIds, drawn],
  );
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
  const pane = query.get("v") ?? "charts";
  const nameOf = (id: string): string => known(id).name;
  const error = rows.error ?? fieldsError;
  const hasFault = (rows.error as { metadata?: Record<string, string> } | undefined)?.metadata?.["field"] === "filter";
  return (
    <main class="workbench">
      <h1 class="hidden">Models of {project.id}</h1>
      <section class="left" aria-label="List of models">
        <Filter value={filter} error={hasFault ? rows.error : undefined} box={filterBox} fields={fields ?? []} />
        <div class="bar">
          <span class="total" role="status">{found(rows.total)}</span>
          <span class="pale">{selected.length} in the charts{isAutomatic && selected.length > 0 && ", the first of the list"}{chosenIds.length > MOST_SELECTED && ` of ${chosenIds.length}`}</span>
          <span class="push" />
          {!isAutomatic && <button type="button" onClick={() => change({ s: "" })}>First {SHOWN_AT_FIRST}</button>}
          {selected.length > 0 && <button type="button" onClick={() => change({ s: "-" })}>None</button>}
          <button type="button" aria-expanded={isPicking} onClick={() => setPicking(!isPicking)}>Columns</button>
        </div>
        {isPicking && <Columns fields={fields ?? []} columns={columns} close={() => setPicking(false)} />}
        {error !== undefined && !hasFault && <p class="error" role="alert">{sentence(error)}</p>}
        <List {...{ rows, columns, order, cursor, setCursor, toggle, sort }} fields={byName} selected={drawn}
          onWindow={(first, last) => setShownRows([first, last])} />
      </section>
      <section class="panel" aria-label="Charts and comparison">
        <h2 class="hidden">Selected models</h2>
        <div class="panes" role="tablist" aria-label="What is shown of the selected models">
          {["charts", "compare"].map((name) => (
            <button type="button" role="tab" key={name} aria-selected={pane === name} onClick={() => change({ v: name === "charts" ? "" : name })}>
              {name === "charts" ? "Charts" : "Compare"}
            </button>
          ))}
        </div>
        {pane === "charts" ? (
          <Charts fields={fields} models={selected} drawn={drawn} names={nameOf} isDark={isDark}
            isLive={selected.some((id) => known(id).isRunning)} />
        ) : (
          <Compare models={selected} drawn={drawn} />
        )}
      </section>
    </main>
  );
}

// A value that stays what it was while `isUnknown`.
function useKept(value: string, isUnknown: boolean): string {
  const kept = useRef(value);
  if (!isUnknown) kept.current = value;
  return kept.current;
}

// Fields in a URL: names may have commas in their quotes.
export function splitList(text: string): string[] {
  return text.match(/(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,"'])+/g) ?? [];
}

