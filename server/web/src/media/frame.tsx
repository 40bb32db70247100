// A small drawing with two axes.

import type { ComponentChildren } from "preact";
import type { Mark, Scale } from "../workbench/plots/scale";

const [WIDTH, HEIGHT] = [360, 200];
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 8, 8, 22];
const LETTERS = 10;

// Where a place of an axis, from 0 to 1, is in the drawing.
export const across = (place: number): number => Number((LEFT + place * (WIDTH - LEFT - RIGHT)).toFixed(1));
export const down = (place: number): number => Number((HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)).toFixed(1));

interface Props {
  label: string;
  y: Scale;
  // Along the bottom.
  marks: Mark[];
  children: ComponentChildren;
}

const short = (text: string): string => (text.length > LETTERS ? `${text.slice(0, LETTERS - 1)}…` : text);

export function Frame({ label, y, marks, children }: Props) {
  return (
    <svg class="drawing" role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`}>
      {y.marks(5).map(({ at, text }) => (
        <g key={at}>
          <path class="rule" d={`M${LEFT} ${down(at)}H${WIDTH - RIGHT}`} />
          <text class="left" x={LEFT - 5} y={down(at) + 4}>{text}</text>
        </g>
      ))}
      {marks.map(({ at, text }) => <text key={at} class={at > 0.95 ? "left" : "middle"} x={at > 0.95 ? WIDTH - RIGHT : across(at)} y={HEIGHT - 6}>{short(text)}</text>)}
      {children}
    </svg>
  );
}
