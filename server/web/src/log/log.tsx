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
const LINE_PIXELS = 18; // as log.css has it
// Older lines are loaded so far before the first is seen.
const NEAR_PIXELS = 300;
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

interface Piece {
  part: Part;
  // Bytes that were left out before it.
  gap: number;
  blocks: Block[];
}

// What a run printed. Parts are told apart by where they end, so that lines stay as they are while older ones come before them.
function usePieces(printed: Printed, round: number): Piece[] {
  const held = useRef<Piece[]>([]);
  return useMemo(() => {
    const pieces = printed.parts.map((part, at): Piece => {
      const end = at > 0 ? (printed.parts[at - 1]?.end ?? 0) : printed.isWhole ? 0 : part.start;
      return { part, gap: part.start - end, blocks: blocksOf(part.text, held.current.find((one) => one.part.start === part.start)?.blocks ?? []) };
    });
    return (held.current = pieces);
  }, [printed, round]);
}

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
  const pieces = usePieces(printed, round);
  const box = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
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
    if (element.scrollHeight <= element.clientHeight) void older();
  }, [round]);
  const onScroll = (): void => {
    const element = box.current;
    if (!element) return;
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
  const search = useSearch(pieces, () => {
    const [element, line] = [box.current, box.current?.querySelector(".current")];
    if (!element || !line) return;
    element.scrollTop += line.getBoundingClientRect().top - element.getBoundingClientRect().top - element.clientHeight / 2;
    setAtEnd(false);
  });
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
        {pieces.length > 0 && <button type="button" onClick={() => void save()}>Download</button>}
      </div>
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {round < 0 && error === undefined && <p class="nothing">Loading…</p>}
      {round >= 0 && pieces.length === 0 && <p class="nothing">{isRunning ? "It printed nothing yet, or what it prints is not recorded." : "It printed nothing, or what it printed was not recorded."}</p>}
      {pieces.length > 0 && (
        <div class="around">
          <div class="console" ref={box} tabIndex={0} role="region" aria-label="What the run printed" onScroll={onScroll}>
            {!printed.isWhole && <button type="button" onClick={() => void older()}>Older lines</button>}
            {pieces.map(({ part, gap, blocks }) => (
              <div key={part.end === pieces.at(-1)?.part.end ? "end" : part.end}>
                {gap > 0 && <p class="gap">{leftOut(gap)}</p>}
                {blocks.map((block, at) => <Lines key={at} block={block} hits={search.hits(block)} current={search.current?.block === block ? search.current.line : -1} />)}
              </div>
            ))}
          </div>
          {!isAtEnd && <button type="button" class="newest" onClick={toEnd}>Newest ↓</button>}
        </div>
      )}
    </>
  );
}

// All that is loaded, without colours.
function textOf({ parts, isWhole }: Printed): string {
  const texts = parts.map((part, at) => {
    const gap = part.start - (at > 0 ? (parts[at - 1]?.end ?? 0) : isWhole ? 0 : part.start);
    const lines = blocksOf(part.text, []).flatMap((block) => block.lines.map((line) => `${line.text}\n`));
    return (gap > 0 ? `${leftOut(gap)}\n` : "") + lines.join("");
  });
  return texts.join("");
}

interface Match {
  block: Block;
  line: number;
}

// Lines that have a text in them, large letters or small.
function useSearch(pieces: Piece[], onGo: () => void) {
  const [word, setWord] = useState("");
  // Counted from the end: what is printed meanwhile is not what was found.
  const [at, setAt] = useState(0);
  const matches = useMemo((): Match[] => {
    const small = word.toLowerCase();
    if (small === "") return [];
    const blocks = pieces.flatMap((piece) => piece.blocks);
    return blocks.flatMap((block) => block.lines.flatMap((line, place) => (line.text.toLowerCase().includes(small) ? [{ block, line: place }] : [])));
  }, [word, pieces]);
  const byBlock = useMemo(() => {
    const found = new Map<Block, string>();
    for (const { block, line } of matches) found.set(block, `${found.get(block) ?? ","}${line},`);
    return found;
  }, [matches]);
  const chosen = matches.length - 1 - Math.min(at, matches.length - 1);
  const current = matches[chosen];
  useEffect(() => {
    if (current) onGo();
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
    hits: (block: Block): string => byBlock.get(block) ?? "",
  };
}

// `hits` has the numbers of the lines that were found, each between commas.
function Lines({ block, hits, current }: { block: Block; hits: string; current: number }) {
  return useMemo(() => (
    <div class="printed" style={{ containIntrinsicHeight: `${block.lines.length * LINE_PIXELS}px` }}>
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
