// Which models are selected, and which of them are hidden in charts: by the URL, else the first of the list.

import { useCallback, useMemo, useRef } from "preact/hooks";
import { looks, type Looks } from "../common/colours";
import type { Row } from "../common/messages";
import { change, usePlace } from "../common/place";
import type { Rows } from "./rows";

export const SHOWN_AT_FIRST = 10;
const MOST_SELECTED = 100;

export interface Selection {
  // Whether nobody chose.
  isAutomatic: boolean;
  // Rows of the first models of the list.
  first: (Row | undefined)[];
  // Ids that are selected, at most as many as charts may draw.
  selected: string[];
  // How many are selected.
  count: number;
  looks: Looks;
  toggle: (id: string) => void;
  hidden: ReadonlySet<string>;
  hide: (id: string) => void;
}

const idsOf = (text: string): string[] => [...new Set(text.split(",").filter((id) => id.length === 36))];

export function useSelection(rows: Rows, isDark: boolean): Selection {
  const { query } = usePlace();
  const isAutomatic = !query.has("s");
  const first = Array.from({ length: SHOWN_AT_FIRST }, (_, at) => rows.row(at));
  const firstIds = first.flatMap((row) => row?.modelId ?? []);
  const firstKey = useKept(firstIds.join(","), rows.total !== 0 && firstIds.length === 0);
  const text = isAutomatic ? firstKey : (query.get("s") ?? "");
  const chosen = useMemo(() => idsOf(text), [text]);
  const selected = useMemo(() => chosen.slice(0, MOST_SELECTED), [chosen]);
  const own = useMemo(() => looks(selected, isDark), [selected, isDark]);
  const hiddenText = query.get("h") ?? "";
  const hidden = useMemo(() => new Set(idsOf(hiddenText).filter((id) => own.has(id))), [hiddenText, own]);
  const toggle = useCallback(
    (id: string) => change({ s: (own.has(id) ? chosen.filter((one) => one !== id) : [...chosen, id]).join(",") || "-" }),
    [chosen, own],
  );
  const hide = (id: string): void => {
    if (!own.has(id)) return;
    change({ h: (hidden.has(id) ? [...hidden].filter((one) => one !== id) : [...hidden, id]).join(",") });
  };
  return { isAutomatic, first, selected, count: chosen.length, looks: own, toggle, hidden, hide };
}

// A value that stays what it was while `isUnknown`.
function useKept(value: string, isUnknown: boolean): string {
  const kept = useRef(value);
  if (!isUnknown) kept.current = value;
  return kept.current;
}
