// The line of the filter: what is wrong with it stands below, at its column.

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { metricOf } from "./fields";
import type { Field } from "../common/messages";
import { change } from "../common/place";
import { sentence } from "../common/wire";

interface Props {
  value: string;
  error: unknown;
  box: RefObject<HTMLInputElement | null>;
  fields: Field[];
}

// An example that holds for some models of this project.
function example(fields: Field[]): string {
  const metric = fields.find((field) => metricOf(field.field));
  const config = fields.find((field) => field.field.startsWith("config.") && field.numberCount && !field.textCount);
  const parts = [metric && `${metric.field}.last > 0.5`, config && `${config.field} <= ${config.max ?? 1}`];
  return parts.filter(Boolean).join(" and ") || "status = 'running'";
}

// Some of a text with a sign below one of its columns, which count from 1.
function pointed(text: string, column: number): string {
  const start = Math.max(0, column - 40);
  return `${text.slice(start, column + 40)}\n${" ".repeat(column - 1 - start)}^`;
}

export function Filter({ value, error, box, fields }: Props) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const column = Number((error as { metadata?: Record<string, string> } | undefined)?.metadata?.["column"] ?? 0);
  const apply = (event: Event): void => {
    event.preventDefault();
    change({ q: text.trim() }, true);
  };
  return (
    <form class="filter" role="search" onSubmit={apply}>
      <label class="hidden" for="filter">Filter of models</label>
      <input id="filter" ref={box} type="text" spellcheck={false} autocomplete="off" value={text} placeholder={`Filter: ${example(fields)}`}
        aria-invalid={error !== undefined} aria-describedby={error === undefined ? undefined : "filter-error"}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()} />
      <button type="submit">Filter</button>
      {value && <button type="button" onClick={() => change({ q: "" }, true)}>Clear</button>}
      {error !== undefined && (
        <div id="filter-error" class="error" role="alert">
          {column > 0 && (
            <pre aria-hidden="true">{pointed(value, column)}</pre>
          )}
          {sentence(error)}
        </div>
      )}
    </form>
  );
}
