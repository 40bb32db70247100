// What the runs of a model printed: the newest at the bottom, where it is followed.

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { count, time } from "../common/figures";
import { useEvery } from "../common/hooks";
import type { Run } from "../common/messages";
import { change, usePlace } from "../common/place";
import { sentence } from "../common/wire";
import { status } from "../workbench/compare";
import { blocksOf, type Block } from "./lines";
import { Printed, type Part } from "./printed";
import "./log.css";

const EVERY_MS = 3000;
// As log.css has them.
const LINE_PIXELS = 18;
const GAP_PIXELS = 30;
// Lines are in the document so far from those that are seen, and older ones are loaded so far before the first is.
const NEAR_PIXELS = 1200;
const SCROLL_PIXELS = 400; // seen at once, less would be drawn too often
const MOST_LETTERS = 10_000; // of a line that is shown

// `name` is that of the model, for files.
export function Log({ runs, name }: { runs: Run[]; name: string }) {
  const { query } = usePlace();
  const run = runs.find((one) => one.id === query.get("run")) ?? runs[0];
  if (!run) return <p class="nothing">It never ran.</p>;
  const told = (one: Run, at: number): string =>
    `${runs.length - at}: ${status(one.status)}, from ${time(one.startedAtUs)}${one.environment?.rank ? `, rank ${one.environment.rank}` : ""}`;
  return (
    <Console key={run.id} run={run} file={`${name}-${runs.length - runs.indexOf(run)}.txt`}>
      {runs.length > 1 && (
        <label>run <select value={run.id} onChange={(event) => change({ run: event.currentTarget.value })}>
          {runs.map((one, at) => <option key={one.id} value={one.id}>{told(one, at)}</option>)}
        </select></label>
      )}
    </Console>
  );
}

// Lines, or what tells that some were left out; `top` is where it begins.
interface Row {
  top: number;
  height: number;
  block?: Block;
  // Bytes that were left out.
  gap?: number;
}

// What a run printed, in rows of known heights: only those on the screen are in the document.
function useRows(printed: Printed, round: number): { rows: Row[]; height: number } {
  const held = useRef(new Map<number, Block[]>());
  return useMemo(() => {
    const rows: Row[] = [];
    let height = 0;
    const add = (row: Omit<Row, "top">): void => {
      rows.push({ top: height, ...row });
      height += row.height;
    };
    if (!printed.isWhole) height += GAP_PIXELS;
    held.current = new Map(gaps(printed).map(([part, gap]) => {
      if (gap > 0) add({ gap, height: GAP_PIXELS });
      const blocks = blocksOf(part.text, held.current.get(part.start) ?? []);
      for (const block of blocks) add({ block, height: block.lines.length * LINE_PIXELS });
      return [part.start, blocks];
    }));
    return { rows, height };
  }, [printed, round]);
}

// The parts, each with how many bytes were left out before it.
const gaps = ({ parts, isWhole }: Printed): [Part, number][] =>
  parts.map((part, at) => [part, part.start - (at > 0 ? (parts[at - 1]?.end ?? 0) : isWhole ? 0 : part.start)]);

const leftOut = (gap: number): string => `... ${count(gap)} bytes were left out ...`;

interface Props {
  run: Run;
  file: string;
  children: ComponentChildren;
}

function Console({ run, file, children }: Props) {
  const printed = useMemo(() => new Printed(run.id), []);
  const [round, setRound] = useState(-1);
  const [error, setError] = useState<unknown>(undefined);
  const { rows, height } = useRows(printed, round);
  const box = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  // Where the box is scrolled to, and how high it is.
  const [seen, setSeen] = useState("0 0");
  const stop = useMemo(() => new AbortController(), []);
  useEffect(() => () => stop.abort(), []);
  // One call after the other; of those that wait each kind once.
  const turn = useRef(Promise.resolve());
  const waiting = useRef(new Set<string>());
  // How high the box was before older lines came.
  const heightBefore = useRef<number | null>(null);
  const act = (kind: string, read: () => Promise<boolean>): Promise<void> => {
    if (waiting.current.has(kind)) return turn.current;
    waiting.current.add(kind);
    const inTurn = async (): Promise<void> => {
      try {
        if (await read()) setRound((before) => before + 1);
        setError(undefined);
      } catch (cause) {
        if (!stop.signal.aborted) setError(cause);
      } finally {
        waiting.current.delete(kind);
      }
    };
    return (turn.current = turn.current.then(inTurn));
  };
  const isRunning = run.status === "RUN_STATUS_RUNNING";
  const newer = (): void => void act(`newer ${isRunning}`, () => printed.newer(stop.signal));
  const older = (isAll = false): Promise<void> => act(`older ${isAll}`, async () => {
    if (printed.isWhole) return false;
    await printed.older(isAll, stop.signal);
    heightBefore.current = box.current?.scrollHeight ?? null;
    return true;
  });
  // Once more when it ends: what it printed last may have come since.
  useEffect(newer, [isRunning]);
  useEvery(EVERY_MS, () => (isRunning || round < 0) && newer());
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    if (isAtEnd) element.scrollTop = element.scrollHeight;
    else if (heightBefore.current !== null) element.scrollTop += element.scrollHeight - heightBefore.current;
    heightBefore.current = null;
    look();
    if (element.scrollHeight <= element.clientHeight) void older();
  }, [round]);
  const look = (): void => {
    const { scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    setSeen(`${Math.floor(scrollTop / SCROLL_PIXELS) * SCROLL_PIXELS} ${clientHeight}`);
  };
  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
    look();
    setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < 2 * LINE_PIXELS);
    if (element.scrollTop < NEAR_PIXELS) void older();
  };
  const toEnd = (): void => {
    setAtEnd(true);
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  const save = async (): Promise<void> => {
    await older(true);
    if (!printed.isWhole) return; // why is said
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([textOf(printed)], { type: "text/plain" }));
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  const search = useSearch(rows, ({ row, line }) => {
    if (!box.current) return;
    box.current.scrollTop = row.top + line * LINE_PIXELS - box.current.clientHeight / 2;
    setAtEnd(false);
  });
  const [top = 0, visible = 0] = seen.split(" ").map(Number);
  const near = rows.filter((row) => row.top < top + visible + NEAR_PIXELS && row.top + row.height > top - NEAR_PIXELS);
  return (
    <>
      <div class="bar options">
        {children}
        <label>Search <input type="search" value={search.word} onInput={(event) => search.setWord(event.currentTarget.value)} onKeyDown={search.onKey} /></label>
        {search.word && (
          <>
            <span role="status">{search.told}{!printed.isWhole && " in what is loaded"}</span>
            <button type="button" aria-label="Match before" title="Shift Enter" disabled={search.total === 0} onClick={() => search.step(-1)}>↑</button>
            <button type="button" aria-label="Next match" title="Enter" disabled={search.total === 0} onClick={() => search.step(1)}>↓</button>
          </>
        )}
        <span class="push" />
        {rows.length > 0 && <button type="button" onClick={() => void save()}>Download</button>}
      </div>
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {round < 0 && error === undefined && <p class="nothing">Loading…</p>}
      {round >= 0 && rows.length === 0 && <p class="nothing">{isRunning ? "It printed nothing yet, or what it prints is not recorded." : "It printed nothing, or what it printed was not recorded."}</p>}
      {rows.length > 0 && (
        <div class="around">
          <div class="console" ref={box} tabIndex={0} role="region" aria-label="What the run printed" onScroll={onScroll}>
            <div class="all" style={{ height: `${height}px` }}>
              {!printed.isWhole && <button type="button" onClick={() => void older()}>Older lines</button>}
              {near.map((row) => (
                <div key={row.top} class="stretch" style={{ top: `${row.top}px` }}>
                  {row.gap && <p class="gap">{leftOut(row.gap)}</p>}
                  {row.block && <Lines block={row.block} hits={search.hits(row)} current={search.current?.row === row ? search.current.line : -1} />}
                </div>
              ))}
            </div>
          </div>
          {!isAtEnd && <button type="button" class="newest" onClick={toEnd}>Newest ↓</button>}
        </div>
      )}
    </>
  );
}

// All that is loaded, without colours.
const textOf = (printed: Printed): string =>
  gaps(printed).map(([part, gap]) => {
    const lines = blocksOf(part.text, []).flatMap((block) => block.lines.map((line) => `${line.text}\n`));
    return (gap > 0 ? `${leftOut(gap)}\n` : "") + lines.join("");
  }).join("");

interface Match {
  row: Row;
  line: number;
}

// Lines that have a text in them, large letters or small.
function useSearch(rows: Row[], show: (match: Match) => void) {
  const [word, setWord] = useState("");
  // Counted from the end: what is printed meanwhile is not what was found.
  const [at, setAt] = useState(0);
  const matches = useMemo((): Match[] => {
    const small = word.toLowerCase();
    if (small === "") return [];
    return rows.flatMap((row) => (row.block?.lines ?? []).flatMap((line, place) => (line.text.toLowerCase().includes(small) ? [{ row, line: place }] : [])));
  }, [word, rows]);
  const byRow = useMemo(() => {
    const found = new Map<Row, string>();
    for (const { row, line } of matches) found.set(row, `${found.get(row) ?? ","}${line},`);
    return found;
  }, [matches]);
  const chosen = matches.length - 1 - Math.min(at, matches.length - 1);
  const current = matches[chosen];
  useEffect(() => {
    if (current) show(current);
  }, [word, at]);
  const total = matches.length;
  const step = (by: number): void => setAt((before) => (total === 0 ? 0 : (Math.min(before, total - 1) - by + total) % total));
  return {
    word, total, current, step,
    setWord: (text: string): void => (setWord(text), setAt(0)),
    onKey: (event: KeyboardEvent): void => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    },
    told: total === 0 ? "no line" : `${count(chosen + 1)} of ${count(total)} ${total === 1 ? "line" : "lines"}`,
    hits: (row: Row): string => byRow.get(row) ?? "",
  };
}

// `hits` has the numbers of the lines that were found, each between commas.
function Lines({ block, hits, current }: { block: Block; hits: string; current: number }) {
  return useMemo(() => (
    <div class="printed">
      {block.lines.map((line, at) => (
        <div key={at} class={at === current ? "current" : hits.includes(`,${at},`) ? "hit" : undefined}>
          {shownOf(line.spans).map((span, one) => (span.look ? <span key={one} class={span.look}>{span.text}</span> : span.text))}
          {line.text.length > MOST_LETTERS && <i> … {count(line.text.length - MOST_LETTERS)} more characters: download it</i>}
        </div>
      ))}
    </div>
  ), [block, hits, current]);
}

function shownOf(spans: Block["lines"][number]["spans"]): Block["lines"][number]["spans"] {
  let left = MOST_LETTERS;
  return spans.flatMap((span) => {
    const text = span.text.slice(0, left);
    left -= text.length;
    return text ? [{ ...span, text }] : [];
  });
}
