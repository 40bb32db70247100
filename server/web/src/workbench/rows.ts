// The models that a search finds, of which only those on the screen are loaded.

import { useEffect, useRef, useState } from "preact/hooks";
import { useEvery, useSettled } from "../common/hooks";
import type { Found, Row, Value } from "../common/messages";
import { call } from "../common/wire";

const PIECE = 50;
// That a screen can show.
const MOST_PIECES = 6;
// Fields that every row needs, before the columns that are shown.
export const OWN = ["name", "status", "heartbeat_at"];

export interface Search {
  projectUid: string;
  filter: string;
  order: string;
  columns: string[];
}

export interface Rows {
  total: number | undefined;
  // The database's clock as it was last asked, microseconds since the epoch.
  nowUs: number;
  error: unknown;
  // Whether the rows are still those of another search.
  isOld: boolean;
  row: (at: number) => Row | undefined;
  // What a row has in a column; nothing where it was not asked for yet.
  value: (row: Row, field: string) => Value | undefined;
  // Whether one of those on the screen runs.
  isLive: boolean;
}

interface Piece {
  rows: Row[];
  round: number;
}

const isRunning = (row: Row): boolean => row.values[1]?.text === "running";

// The rows of a search of which those from `first` to `last` are on the screen. They are asked for again every few seconds while
// one of them runs, else every half minute: there may be new ones.
export function useRows(search: Search | null, first: number, last: number): Rows {
  const key = JSON.stringify(search);
  const held = useRef({ key: "", columns: [] as string[], pieces: new Map<number, Piece>() });
  const [state, setState] = useState<{ total?: number; nowUs: number; error?: unknown }>({ nowUs: 0 });
  const [round, setRound] = useState(0);
  const range = useSettled(`${Math.floor(first / PIECE)} ${Math.floor(Math.max(first, last) / PIECE)}`, 60);
  useEffect(() => {
    if (!search) return;
    const stop = new AbortController();
    const [from = 0, to = 0] = range.split(" ").map(Number);
    const load = async (piece: number): Promise<void> => {
      const columns = [...OWN, ...search.columns];
      const request = { projectUid: search.projectUid, filter: search.filter, orderBy: search.order, columns };
      const paging = { pageSize: PIECE, skip: piece * PIECE, withTotal: true };
      const found = await call<Found>("ModelService/SearchModels", { ...request, ...paging }, stop.signal);
      if (stop.signal.aborted) return;
      if (held.current.key !== key) held.current = { key, columns, pieces: new Map() };
      held.current.pieces.set(piece, { rows: found.rows ?? [], round });
      setState({ total: Number(found.totalCount ?? 0), nowUs: Number(found.nowUs ?? 0) });
    };
    const wanted = Array.from({ length: Math.min(to - from + 1, MOST_PIECES) }, (_, at) => from + at);
    const isKnown = (piece: number): boolean => held.current.key === key && held.current.pieces.get(piece)?.round === round;
    Promise.all(wanted.filter((piece) => !isKnown(piece)).map(load)).catch((error: unknown) => {
      if (!stop.signal.aborted) setState((before) => ({ ...before, error }));
    });
    return () => stop.abort();
  }, [key, range, round]);
  const row = (at: number): Row | undefined => held.current.pieces.get(Math.floor(at / PIECE))?.rows[at % PIECE];
  const value = (of: Row, field: string): Value | undefined => of.values[held.current.columns.indexOf(field)];
  const isLive = Array.from({ length: Math.min(last - first + 1, 200) }, (_, at) => row(first + at)).some(
    (one) => one !== undefined && isRunning(one),
  );
  useEvery(isLive ? 3000 : 30000, () => setRound((before) => before + 1));
  return { total: state.total, nowUs: state.nowUs, error: state.error, isOld: held.current.key !== key, row, value, isLive };
}
