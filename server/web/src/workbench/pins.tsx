// The values of all lines of a chart at one point, kept as a table beside the charts.

import { useState } from "preact/hooks";
import { Swatch } from "../common/swatch";
import type { Looks } from "../common/colours";
import { number } from "../common/figures";
import { useKeys } from "../common/keys";

export interface Point {
  title: string;
  // "step 7", "steps 8–15" or a time.
  where: string;
  // Owners of lines with their values there.
  values: [string, number][];
}

// What the pointer is at, in whichever chart.
let pointed: { chart: object; read: () => Point } | null = null;

export function pointAt(chart: object, read: (() => Point) | null): void {
  if (read) pointed = { chart, read };
  else if (pointed?.chart === chart) pointed = null;
}

export function Pins({ drawn, names }: { drawn: Looks; names: (id: string) => string }) {
  const [pins, setPins] = useState<Point[]>([]);
  useKeys({ p: () => pointed && setPins([pointed.read(), ...pins].slice(0, 6)) });
  if (pins.length === 0) return null;
  return (
    <div class="pins">
      {pins.map((pin, at) => (
        <section key={pins.length - at} class="pin" aria-label={`${pin.title} at ${pin.where}`}>
          <header class="bar">
            <b>{pin.title}</b> <span class="push">at {pin.where}</span>
            <button type="button" aria-label={`Take away ${pin.title} at ${pin.where}`} onClick={() => setPins(pins.filter((_, one) => one !== at))}>×</button>
          </header>
          <table>
            <tbody>
              {pin.values.map(([owner, value]) => (
                <tr key={owner}><th scope="row"><Swatch look={drawn.get(owner)} />{names(owner)}</th><td class="right" title={String(value)}>{number(value)}</td></tr>
              ))}
            </tbody>
          </table>
        </section>
      ))}
    </div>
  );
}
