// A colour for each model, by its id, so that it never changes; the next twelve have dashes.

// Okabe and Ito's, and Paul Tol's, which differ for colour-blind readers; as strong on white as on near black.
const COLOURS = [
  "#0077bb", "#d55e00", "#009988", "#cc5599", "#8f7a00", "#7a5fd0",
  "#2f9e44", "#d6455d", "#4a90c2", "#b5651d", "#6b8e23", "#a05fa5",
];
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];

export interface Look {
  colour: string;
  dash: number[];
}

// FNV-1a.
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

export function look(id: string): Look {
  const value = hash(id) % (COLOURS.length * DASHES.length);
  return { colour: COLOURS[value % COLOURS.length] ?? "", dash: DASHES[Math.floor(value / COLOURS.length)] ?? [] };
}
