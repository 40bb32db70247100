// The cell of the list that keys act on.

import { useEffect, useRef, useState } from "preact/hooks";

export interface Cursor {
  // The row, from 0; -1 for none.
  at: number;
  // The column: 0 the name, 1 the status, then those that are shown; -1 for none.
  column: number;
}

export const NOWHERE: Cursor = { at: -1, column: -1 };

export interface Moves {
  cursor: Cursor;
  // As it is now, also before it is drawn.
  latest: () => Cursor;
  set: (at: number, column?: number) => void;
  down: (by: number) => void;
  right: (by: number) => void;
}

// It is nowhere again when `keys` change: there is another list.
export function useCursor(start: Cursor | undefined, rows: number, columns: number, keys: unknown[]): Moves {
  const held = useRef(start ?? NOWHERE);
  const [cursor, show] = useState(held.current);
  const put = (next: Cursor): void => show((held.current = next));
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) put(NOWHERE);
    isFirst.current = false;
  }, keys);
  const within = (value: number, most: number): number => Math.max(0, Math.min(most, value));
  return {
    cursor,
    latest: () => held.current,
    set: (at, column = held.current.column) => put({ at, column }),
    down: (by) => put({ ...held.current, at: within(held.current.at + by, Math.max(0, rows - 1)) }),
    right: (by) => put({ at: Math.max(0, held.current.at), column: within(held.current.column + by, columns - 1) }),
  };
}
