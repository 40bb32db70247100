// A colour for each model, by its id, so that it never changes; of those drawn together that share one, all but the first have dashes.

// A dozen that differ for colour-blind readers, and that are seen on white and on near black: tests/page/test_colours.py.
const LIGHT = [
  "#2f62d7", "#f82e78", "#08927c", "#a25755", "#796d06", "#682e7b",
  "#158fff", "#789926", "#8f0745", "#2c14dd", "#ab7bb1", "#374f06",
];
const DARK = [
  "#912bff", "#f2a0bf", "#0efbaa", "#d9080a", "#ccf024", "#a07bb2",
  "#d0c0ff", "#4d804c", "#f8507b", "#6696ff", "#a8487e", "#00c00d",
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

export const palette = (isDark: boolean): readonly string[] => (isDark ? DARK : LIGHT);

// FNV-1a.
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

// How models are drawn that are drawn together.
export function looks(ids: string[], isDark: boolean): Looks {
  const colours = palette(isDark);
  const seen = new Map<number, number>();
  const found = new Map<string, Look>();
  for (const id of ids) {
    const at = hash(id) % colours.length;
    const before = seen.get(at) ?? 0;
    seen.set(at, before + 1);
    const style = before % DASHES.length;
    found.set(id, { colour: colours[at] ?? "", dash: DASHES[style] ?? [], border: BORDERS[style] ?? "" });
  }
  return found;
}

// A line in a colour that says something else.
export const plain = (colour: string): Look => ({ colour, dash: [], border: "solid" });

// How a dozen things at most are drawn, each in a colour of its own: that of its text, or the next that is free.
export function looksOf(texts: string[], isDark: boolean): Looks {
  const colours = palette(isDark);
  const taken = new Set<number>();
  const found = new Map<string, Look>();
  for (const text of texts) {
    let at = hash(text) % colours.length;
    while (taken.has(at) && taken.size < colours.length) at = (at + 1) % colours.length;
    taken.add(at);
    found.set(text, plain(colours[at] ?? ""));
  }
  return found;
}
