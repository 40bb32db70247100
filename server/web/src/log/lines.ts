// Lines of what was printed to a terminal: colours and bold are kept, what moves the cursor is not; a line that was written over is
// what was written last.

// The classes of a stretch of text, as CSS has them.
export interface Style {
  // 0 to 15; -1 for none.
  colour: number;
  back: number;
  isBold: boolean;
  isDim: boolean;
}

export interface Line {
  spans: { text: string; look: string }[];
  text: string;
}

// Some lines that are drawn together.
export interface Block {
  source: string;
  before: Style;
  after: Style;
  lines: Line[];
}

const LINES = 100;
const PLAIN: Style = { colour: -1, back: -1, isBold: false, isDim: false };
// Sequences of a terminal (ECMA-48): those with parameters, texts such as titles, two signs; then other signs that print nothing.
const SEQUENCE = /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-Z\\`-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r/g;

// "Select graphic rendition": of the colours beyond the first 16 none.
function styled(style: Style, parameters: string): Style {
  const codes = (parameters || "0").split(/[;:]/).map(Number);
  let next = style;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0;
    if (code === 0) next = PLAIN;
    else if (code === 1) next = { ...next, isBold: true };
    else if (code === 2) next = { ...next, isDim: true };
    else if (code === 22) next = { ...next, isBold: false, isDim: false };
    else if (code === 7) next = { ...next, back: 7 };
    else if (code === 27 || code === 49) next = { ...next, back: -1 };
    else if (code === 39) next = { ...next, colour: -1 };
    else if (code >= 30 && code <= 37) next = { ...next, colour: code - 30 };
    else if (code >= 90 && code <= 97) next = { ...next, colour: code - 82 };
    else if (code >= 40 && code <= 47) next = { ...next, back: code - 40 };
    else if (code >= 100 && code <= 107) next = { ...next, back: code - 92 };
    else if (code === 38 || code === 48) {
      const colour = codes[at + 1] === 5 && (codes[at + 2] ?? 16) < 16 ? (codes[at + 2] ?? -1) : -1;
      next = code === 38 ? { ...next, colour } : { ...next, back: colour };
      at += codes[at + 1] === 5 ? 2 : 4;
    }
  }
  return next;
}

// Bright colours as the others: those differ enough from any background already.
function look({ colour, back, isBold, isDim }: Style): string {
  const classes = [
    back >= 0 ? `k${back % 8}` : colour === 8 || isDim ? "pale" : colour >= 0 ? `c${colour % 8}` : "",
    isBold && "bold",
  ];
  return classes.filter(Boolean).join(" ");
}

function lineOf(source: string, style: Style): [Line, Style] {
  let spans: Line["spans"] = [];
  let isBack = false;
  let from = 0;
  const add = (text: string): void => {
    if (text === "") return;
    if (isBack) spans = [];
    isBack = false;
    const last = spans.at(-1);
    const own = look(style);
    if (last && last.look === own) last.text += text;
    else spans.push({ text, look: own });
  };
  for (const found of source.matchAll(SEQUENCE)) {
    add(source.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[0] === "\r") isBack = true;
    else if (found[2] === "m") style = styled(style, found[1] ?? "");
    else if (found[2] === "K" && isBack) spans = [];
  }
  add(source.slice(from));
  return [{ spans, text: spans.map((span) => span.text).join("") }, style];
}

// The lines of a text; those of `old` that are the same are not made anew.
export function blocksOf(text: string, old: Block[]): Block[] {
  const found: Block[] = [];
  let style = PLAIN;
  for (let from = 0; from < text.length; ) {
    let to = from;
    for (let line = 0; line < LINES && to < text.length; line += 1) to = text.indexOf("\n", to) + 1 || text.length;
    const source = text.slice(from, to);
    const before = old[found.length];
    const block = before && before.before === style && before.source === source ? before : blockOf(source, style);
    found.push(block);
    style = block.after;
    from = to;
  }
  return found;
}

function blockOf(source: string, before: Style): Block {
  let after = before;
  const lines = source.replace(/\n$/, "").split("\n").map((one) => {
    const [line, style] = lineOf(one, after);
    after = style;
    return line;
  });
  return { source, before, after, lines };
}
