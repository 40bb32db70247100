// Colours for values: viridis for numbers, the colours of models for everything else.

import type { Cell } from "../cells";
import { scaleOf, type Scale } from "./scale";
import { palette } from "../../common/colours";

// Every tenth of viridis, from dark blue to yellow.
const VIRIDIS = [
  [68, 1, 84], [72, 36, 117], [65, 68, 135], [53, 95, 141], [42, 120, 142], [33, 145, 140],
  [34, 168, 132], [68, 191, 112], [122, 209, 81], [189, 223, 38], [253, 231, 37],
] as const;
// Its ends cannot be seen on white or on near black.
const SEEN = { light: [0, 0.78], dark: [0.2, 1] } as const;
export const GREY = { light: "#8a93a0", dark: "#6b7480" } as const;

export function viridis(share: number, isDark: boolean): string {
  const [start, end] = isDark ? SEEN.dark : SEEN.light;
  const at = (start + Math.max(0, Math.min(1, share)) * (end - start)) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mix = [0, 1, 2].map((part) => Math.round((VIRIDIS[low]?.[part] ?? 0) * (1 - at + low) + (VIRIDIS[low + 1]?.[part] ?? 0) * (at - low)));
  return `rgb(${mix.join(" ")})`;
}

export interface Painter {
  scale: Scale;
  colour: (cell: Cell) => string;
  // Colours of categories that share theirs with others: there are more than colours.
  hasRest: boolean;
}

// What paints the values of a field; grey is no value, or one of more categories than there are colours.
export function painterOf(field: string, cells: Cell[], isDark: boolean): Painter {
  const scale = scaleOf(field, cells);
  const colours = palette(isDark);
  const grey = isDark ? GREY.dark : GREY.light;
  if (!scale.isNumeric) {
    const own = new Map(scale.categories.slice(0, colours.length).map((cell, at) => [cell, colours[at] ?? grey]));
    return { scale, colour: (cell) => own.get(cell) ?? grey, hasRest: scale.categories.length > colours.length };
  }
  const colour = (cell: Cell): string => {
    const at = scale.place(cell);
    return at === null ? grey : viridis(at, isDark);
  };
  return { scale, colour, hasRest: false };
}
