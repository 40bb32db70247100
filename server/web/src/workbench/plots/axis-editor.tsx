// One axis of parallel coordinates without a pointer: where it stands, and which of its values the filter lets through.

import { useState } from "preact/hooks";
import type { Brush } from "../clauses";
import { label } from "../fields";
import { moved } from "./order";
import { told, type Scale } from "./scale";

interface Props {
  axes: string[];
  edited: string;
  setEdited: (field: string) => void;
  put: (axes: string[]) => void;
  scale: Scale | undefined;
  brush: Brush | undefined;
  setBrush: (brush: Brush | null) => void;
}

const MOST_SHOWN = 50;

export function AxisEditor({ axes, edited, setEdited, put, scale, brush, setBrush }: Props) {
  const at = axes.indexOf(edited);
  return (
    <div class="picker" role="group" aria-label={`Axis ${label(edited)}`}>
      <div class="bar">
        <label>axis <select value={edited} onChange={(event) => setEdited(event.currentTarget.value)}>
          {axes.map((field) => <option key={field} value={field}>{label(field)}</option>)}
        </select></label>
        <button type="button" disabled={at === 0} onClick={() => put(moved(axes, at, -1))}>← Left</button>
        <button type="button" disabled={at === axes.length - 1} onClick={() => put(moved(axes, at, 1))}>Right →</button>
        <button type="button" onClick={() => (put(axes.filter((field) => field !== edited)), setEdited(""))}>Remove</button>
        <button type="button" onClick={() => setEdited("")}>Done</button>
      </div>
      {scale?.isNumeric && <Range key={JSON.stringify(brush)} {...{ brush, setBrush }} />}
      {scale && !scale.isNumeric && (
        <ul>
          {scale.categories.slice(0, MOST_SHOWN).map((cell) => (
            <li key={String(cell)}>
              <label><input type="checkbox" checked={!brush?.values || brush.values.includes(cell as string)} onChange={() => {
                const every = scale.categories as NonNullable<Brush["values"]>;
                const now = brush?.values ?? every;
                const next = now.includes(cell as string) ? now.filter((one) => one !== cell) : [...now, cell as string];
                setBrush(next.length === 0 || next.length === every.length ? null : { values: next });
              }} /> {told(edited, cell)}</label>
            </li>
          ))}
          {scale.categories.length > MOST_SHOWN && <li class="pale">{scale.categories.length - MOST_SHOWN} more: drag along the axis, or write a filter.</li>}
        </ul>
      )}
    </div>
  );
}

function Range({ brush, setBrush }: { brush: Brush | undefined; setBrush: (brush: Brush | null) => void }) {
  const text = (value: number | undefined): string => (value === undefined ? "" : String(value));
  const [low, setLow] = useState(text(brush?.low));
  const [high, setHigh] = useState(text(brush?.high));
  const isWrong = [low, high].some((one) => one.trim() !== "" && !Number.isFinite(Number(one)));
  const apply = (event: Event): void => {
    event.preventDefault();
    if (isWrong) return;
    const next = { ...(low.trim() && { low: Number(low) }), ...(high.trim() && { high: Number(high) }) };
    setBrush(Object.keys(next).length > 0 ? next : null);
  };
  return (
    <form class="bar" onSubmit={apply}>
      <label>from <input type="text" inputMode="decimal" size={10} value={low} onInput={(event) => setLow(event.currentTarget.value)} /></label>
      <label>to <input type="text" inputMode="decimal" size={10} value={high} onInput={(event) => setHigh(event.currentTarget.value)} /></label>
      <button type="submit">Filter by it</button>
      {isWrong && <span class="error" role="alert">Write numbers, or nothing for an open end.</span>}
    </form>
  );
}
