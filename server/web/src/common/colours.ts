// A colour for each model, by its id, so that it never changes; of those drawn together that share one, all but the first have dashes.

// Okabe and Ito's, and Paul Tol's, which differ for colour-blind readers; as strong on white as on near black.
const COLOURS = [
  "#0077bb", "#d55e00", "#009988", "#cc5599", "#8f7a00", "#7a5fd0",
  "#2f9e44", "#d6455d", "#4a90c2", "#b5651d", "#6b8e23", "#a05fa5",
];
// As a canvas and as CSS have them.
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
const BORDERS = ["solid", "dashed", "dotted", "double"];

export interface Look {
  colour: string;
  dash: number[];
  border: string;
}

export type Looks = ReadonlyMap<string, Look>;

// FNV-1a.
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

// How models are drawn that are drawn together.
export function looks(ids: string[]): Looks {
  const seen = new Map<number, number>();
  const found = new Map<string, Look>();
  for (const id of ids) {
    const at = hash(id) % COLOURS.length;
    const before = seen.get(at) ?? 0;
    seen.set(at, before + 1);
    const style = before % DASHES.length;
    found.set(id, { colour: COLOURS[at] ?? "", dash: DASHES[style] ?? [], border: BORDERS[style] ?? "" });
  }
  return found;
}
