// The list of models: only the rows on the screen are in the document.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Look, Looks } from "../common/colours";
import { isNumber, label, metricOf, shown } from "./fields";
import { age, count } from "../common/figures";
import type { Field, Row, Value } from "../common/messages";
import { displayName } from "../common/names";
import { go, modelPath } from "../common/place";
import type { Rows } from "./rows";
import { Swatch } from "../common/swatch";

const HEIGHT = 30;
const HEAD = 42;
// Browsers draw nothing below some twenty million pixels.
const MOST_PIXELS = 10_000_000;

interface Props {
  rows: Rows;
  columns: string[];
  fields: Map<string, Field>;
  order: string;
  selected: Looks;
  cursor: number;
  // Which cell of the row under the cursor is meant: 0 the name, 1 the status, then the columns; -1 for none.
  column: number;
  setCursor: (at: number, column?: number) => void;
  toggle: (id: string) => void;
  sort: (field: string) => void;
  onWindow: (first: number, last: number) => void;
}

// The head has two lines: what it is, and of a metric its phase and which of its values.
function headOf(field: string): [string, string] {
  const metric = metricOf(field);
  return metric ? [metric.name, label(field).slice(metric.name.length + 1)] : [label(field), ""];
}

const width = (field: string): number => {
  const [text, more] = headOf(field);
  return Math.min(170, Math.max(more ? 106 : 68, text.length * 7.2 + 24, more.length * 6.6 + 22));
};
const isNumeric = (field: string, known: Field | undefined): boolean => metricOf(field) !== null || Number(known?.numberCount ?? 0) > 0;

// The best value that any model of the project has in a column: what fields say, or what was logged since and is seen.
function bestOf(field: string, known: Field | undefined, seen: (Value | undefined)[]): number | undefined {
  const numbers = seen.flatMap((value) => value?.number ?? []);
  if (field.endsWith(".min") && known?.min !== undefined) return Math.min(known.min, ...numbers);
  return field.endsWith(".max") && known?.max !== undefined ? Math.max(known.max, ...numbers) : undefined;
}

// A run says every 30 s that it is alive: what was not heard of for longer is shown.
const HEARD_US = 60e6;

export function Status({ status, sinceUs }: { status: string | undefined; sinceUs?: number | undefined }) {
  const text = status ?? "never ran";
  const isRunning = status === "running" && sinceUs !== undefined;
  const silent = isRunning && sinceUs > HEARD_US ? ` silent ${age(sinceUs)}` : "";
  const told = isRunning ? `running, last heard of ${age(sinceUs)} ago` : text;
  return (
    <span class={`status ${status ?? "none"}`} title={told}>
      <span class="word">{text}</span>
      {silent && <span class="pale">{silent}</span>}
    </span>
  );
}

// Whether there are columns to the right of what is seen.
const isCut = (element: HTMLElement): boolean => element.scrollWidth - element.clientWidth - element.scrollLeft > 8;

export function List(props: Props) {
  const { rows, columns, fields, order, selected, cursor, column } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const [hasMore, setMore] = useState(false);
  const total = rows.total ?? 0;
  const visible = Math.max(1, Math.floor((view.height - HEAD) / HEIGHT));
  const pixels = Math.min(total * HEIGHT, MOST_PIXELS);
  // With more rows than pixels the bar stands for a share of all.
  const scale = pixels < total * HEIGHT ? (total - visible) / Math.max(1, pixels - visible * HEIGHT) : 1 / HEIGHT;
  const first = Math.max(0, Math.min(Math.floor(view.top * scale), total - visible));
  const last = Math.min(total, first + visible + 2) - 1;
  useEffect(() => props.onWindow(first, Math.max(first, last)), [first, last]);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => (setView({ top: element.scrollTop, height: element.clientHeight }), setMore(isCut(element)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element || cursor < 0) return;
    if (cursor < first) element.scrollTop = Math.ceil(cursor / scale);
    else if (cursor >= first + visible) element.scrollTop = Math.ceil((cursor - visible + 1) / scale);
  }, [cursor]);
  // Other columns, another width.
  useLayoutEffect(() => setMore(box.current !== null && isCut(box.current)), [columns.join()]);
  useEffect(() => box.current?.querySelector(".at")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [column]);
  const template = `26px var(--name) var(--status) ${columns.map((field) => `${Math.round(width(field))}px`).join(" ")}`;
  const wide = `calc(34px + var(--name) + var(--status) + ${columns.reduce((sum, field) => sum + Math.round(width(field)), 0)}px)`;
  const [sorted, direction] = order.split(/ (?=asc$|desc$)/);
  const head = (field: string, [text, more]: [string, string]) => {
    const isSorted = sorted === field;
    const sense = direction === "desc" ? "descending" : "ascending";
    const sign = direction === "desc" ? "▾" : "▴";
    return (
      <div
        key={field}
        role="columnheader"
        aria-sort={isSorted ? sense : "none"}
        class={`cell${field === "name" ? " name" : ""}${isNumeric(field, fields.get(field)) ? " right" : ""}`}
      >
        <button type="button" title={`${field}: sort`} onClick={() => props.sort(field)}>
          <span>{text}{isSorted && !more && <b aria-hidden="true"> {sign}</b>}</span>
          {more && <span>{more}{isSorted && <b aria-hidden="true"> {sign}</b>}</span>}
        </button>
      </div>
    );
  };
  const seen = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => rows.row(first + at));
  const bests = columns.map((field) => bestOf(field, fields.get(metricOf(field)?.field ?? ""), seen.map((row) => row && rows.value(row, field))));
  const line = (at: number) => {
    const row = rows.row(at);
    const place = { top: `${HEAD + (scale === 1 / HEIGHT ? at * HEIGHT : view.top + (at - first) * HEIGHT)}px` };
    const grid = { gridTemplateColumns: template, width: wide, ...place };
    if (!row) return <div key={at} role="row" aria-rowindex={at + 2} class="row waiting" style={grid}><div role="gridcell" class="cell" /></div>;
    return <Line key={at} {...{ row, at, grid, bests, columns }} look={selected.get(row.modelId)}
      isCursor={at === cursor} cell={at === cursor ? column : -1} nowUs={rows.nowUs} setCursor={props.setCursor} toggle={props.toggle} valueOf={rows.value} />;
  };
  return (
    <div
      ref={box}
      class={`list${rows.isOld ? " old" : ""}${hasMore ? " more" : ""}`}
      aria-busy={rows.isOld}
      role="grid"
      tabIndex={0}
      aria-label="Models"
      aria-rowcount={total + 1}
      aria-colcount={columns.length + 3}
      aria-multiselectable="true"
      aria-activedescendant={cursor >= first && cursor <= last && rows.row(cursor) ? `at-${cursor}-${Math.max(0, column)}` : undefined}
      onScroll={(event) => {
        setView({ top: event.currentTarget.scrollTop, height: event.currentTarget.clientHeight });
        setMore(isCut(event.currentTarget));
      }}
    >
      <div class="inner" role="presentation" style={{ height: `${pixels + HEAD}px`, width: wide }}>
        <div role="row" aria-rowindex={1} class="row head" style={{ gridTemplateColumns: template, width: wide }}>
          <div role="columnheader" class="cell"><span class="hidden">In the charts</span></div>
          {head("name", ["model", ""])}
          {head("status", ["status", ""])}
          {columns.map((field) => head(field, headOf(field)))}
        </div>
        {Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => line(first + at))}
      </div>
      {rows.total === 0 && <p class="nothing">No model here. {order && "Change the filter, or log one."}</p>}
    </div>
  );
}

interface LineProps {
  row: Row;
  at: number;
  grid: Record<string, string>;
  bests: (number | undefined)[];
  columns: string[];
  look: Look | undefined;
  isCursor: boolean;
  cell: number;
  nowUs: number;
  setCursor: (at: number, column?: number) => void;
  toggle: (id: string) => void;
  valueOf: Rows["value"];
}

function Line({ row, at, grid, bests, columns, look, isCursor, cell, nowUs, setCursor, toggle, valueOf }: LineProps) {
  const id = row.modelId;
  const isSelected = look !== undefined;
  const [name, status, heartbeat] = row.values;
  const text = displayName(id, name?.text);
  const sinceUs = heartbeat?.integer === undefined ? undefined : nowUs - Number(heartbeat.integer);
  const mark = (column: number) => ({ role: "gridcell" as const, id: isCursor ? `at-${at}-${column}` : undefined });
  return (
    <div role="row" aria-rowindex={at + 2} aria-selected={isSelected} class={`row${isCursor ? " cursor" : ""}`} style={grid}
      onClick={(event) => setCursor(at, cellOf(event))} onDblClick={() => go(modelPath(id))}>
      <div role="gridcell" class="cell">
        <input type="checkbox" checked={isSelected} aria-label={`${text} in the charts`} onChange={() => toggle(id)} />
      </div>
      <div {...mark(0)} class={`cell name${cell === 0 ? " at" : ""}`}>
        <Swatch look={look} />
        <a href={modelPath(id)} title={text}>{text}</a>
      </div>
      <div {...mark(1)} class={cell === 1 ? "cell at" : "cell"}><Status status={status?.text} sinceUs={sinceUs} /></div>
      {columns.map((field, column) => {
        const value = valueOf(row, field);
        const best = value?.number !== undefined && value.number === bests[column];
        return (
          <div key={field} {...mark(column + 2)} class={`cell${isNumber(value) ? " right" : ""}${best ? " best" : ""}${cell === column + 2 ? " at" : ""}`}
            title={best ? `${field}: the best of the project` : shownTitle(value, field)}>
            {best && <span class="star" role="img" aria-label="best">★</span>}
            {shown(value, field)}
          </div>
        );
      })}
    </div>
  );
}

// Which cell a click is on; the box before the name is none.
function cellOf(event: MouseEvent): number | undefined {
  const cell = (event.target as Element).closest("[role=gridcell]");
  const at = cell ? [...(cell.parentElement?.children ?? [])].indexOf(cell) - 1 : -1;
  return at < 0 ? undefined : at;
}

const shownTitle = (value: Value | undefined, field: string): string =>
  `${field} = ${value?.number ?? (shown(value, field) || "none")}`;

export const found = (total: number | undefined): string => (total === undefined ? "" : `${count(total)} ${total === 1 ? "model" : "models"}`);
