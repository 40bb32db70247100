// Which columns the list has.

import { useEffect, useRef, useState } from "preact/hooks";
import { isVaried, label, MEASURES, metricOf, shown } from "./fields";
import { number } from "../common/figures";
import type { Field } from "../common/messages";
import { change } from "../common/place";

const ALWAYS = ["step", "duration", "created_at", "created_by", "host", "git_commit", "tags", "description"];
const MOST_SHOWN = 200;

function told(field: Field | undefined): string {
  if (!field) return "";
  const ends = field.min === undefined || field.max === undefined ? "" : `${number(field.min)} to ${number(field.max)}`;
  if (metricOf(field.field)) return ends;
  if (!isVaried(field)) return `always ${shown(field.values?.[0]) || "none"}`;
  return field.textCount ? (field.values ?? []).slice(0, 4).map((value) => shown(value)).join(", ") : ends;
}

export function Columns({ fields, columns, close }: { fields: Field[]; columns: string[]; close: () => void }) {
  const [wanted, setWanted] = useState("");
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.focus(), []);
  const offered = [
    ...fields.flatMap((field) => (metricOf(field.field) ? MEASURES.map((one) => [`${field.field}.${one}`, field] as const) : [[field.field, field] as const])),
    ...ALWAYS.map((name) => [name, undefined] as const),
  ];
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const matching = offered.filter(([name]) => words.every((word) => name.toLowerCase().includes(word)));
  matching.sort(([one], [other]) => Number(columns.includes(other)) - Number(columns.includes(one)));
  const put = (next: string[]): void => change({ c: next.join(",") });
  const toggle = (name: string): void => put(columns.includes(name) ? columns.filter((one) => one !== name) : [...columns, name]);
  return (
    <div class="picker" role="group" aria-label="Columns of the list">
      <div class="bar">
        <label class="hidden" for="columns-search">Search columns</label>
        <input id="columns-search" type="search" placeholder="Search columns" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)}
          ref={box}
          onKeyDown={(event) => event.key === "Escape" && close()} />
        <button type="button" onClick={() => change({ c: "" })}>What differs</button>
        <button type="button" onClick={close}>Done</button>
      </div>
      <ul>
        {matching.slice(0, MOST_SHOWN).map(([name, field]) => (
          <li key={name}>
            <label title={name}>
              <input type="checkbox" checked={columns.includes(name)} onChange={() => toggle(name)} /> {label(name)}
              <span class="pale"> {told(field)}</span>
            </label>
          </li>
        ))}
        {matching.length > MOST_SHOWN && <li class="pale">{matching.length - MOST_SHOWN} more: search for them.</li>}
      </ul>
    </div>
  );
}
