// A JSON value whose objects and lists open and close.

import { useState } from "preact/hooks";

const STEP = 200;

// Numbers as they stand in the text: no digit is lost.
class Digits {
  constructor(readonly text: string) {}
}

export function parse(text: string): unknown {
  const keep = (_: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === "number" ? new Digits(context?.source ?? String(value)) : value;
  return JSON.parse(text, keep);
}

const isInner = (value: unknown): value is object => value !== null && typeof value === "object" && !(value instanceof Digits);

export function JsonTree({ value, name = "", isFirst = false }: { value: unknown; name?: string; isFirst?: boolean }) {
  const [isOpen, setOpen] = useState(isFirst);
  const [shown, setShown] = useState(STEP);
  if (!isInner(value)) return <>{name && <b>{name}: </b>}<code>{value instanceof Digits ? value.text : JSON.stringify(value)}</code></>;
  const entries = Object.entries(value);
  const what = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  if (entries.length === 0) return <>{name && <b>{name}: </b>}<code>{what.replace("0", "")}</code></>;
  return (
    <details open={isOpen} onToggle={(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
      <summary>{name && <b>{name} </b>}<span class="pale">{what}</span></summary>
      {isOpen && (
        <ul class="json">
          {entries.slice(0, shown).map(([key, one]) => <li key={key}><JsonTree value={one} name={key} /></li>)}
          {entries.length > shown && <li><button type="button" onClick={() => setShown(shown + STEP)}>Show more of {entries.length}</button></li>}
        </ul>
      )}
    </details>
  );
}
