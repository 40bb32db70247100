// What a plot draws, as a table: for who does not see it.

import { useState } from "preact/hooks";
import { count } from "../../common/figures";
import { modelPath } from "../../common/place";
import { label } from "../fields";
import type { Points } from "./points";
import { told } from "./scale";

const MOST_SHOWN = 200;

export function PointsTable({ points, fields }: { points: Points; fields: string[] }) {
  const [isOpen, setOpen] = useState(false);
  const rows = points.ids.slice(0, MOST_SHOWN);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {isOpen && (
        <div class="wide" tabIndex={0} role="region" aria-label="What is drawn">
          <table class="numbers">
            <thead><tr><th scope="col">model</th>{fields.map((field) => <th scope="col" key={field}>{label(field)}</th>)}</tr></thead>
            <tbody>
              {rows.map((id, at) => (
                <tr key={id}>
                  <th scope="row"><a href={modelPath(id)}>{points.names[at]}</a></th>
                  {fields.map((field) => <td key={field} class="right">{told(field, points.cells.get(field)?.[at] ?? null)}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
          {points.ids.length > MOST_SHOWN && <p class="pale">The first {MOST_SHOWN} of {count(points.ids.length)}; the list has all.</p>}
        </div>
      )}
    </details>
  );
}
