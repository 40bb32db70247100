// What differs between two texts, in lines: Myers, "An O(ND) Difference Algorithm and Its Variations", 1986.

export interface Line {
  sign: " " | "-" | "+";
  text: string;
  // Its numbers in both texts, from 1; of a line that is in one alone, the other's is that of what follows.
  before: number;
  after: number;
}

// Memory grows with its square.
const MOST_STEPS = 1500;

// Null where they differ in more lines than can be found out.
export function difference(before: string[], after: string[]): Line[] | null {
  const trace: Int32Array[] = [];
  const most = Math.min(before.length + after.length, MOST_STEPS);
  const middle = most + 1;
  const furthest = new Int32Array(2 * most + 3);
  for (let steps = 0; steps <= most; steps += 1) {
    trace.push(furthest.slice(middle - steps - 1, middle + steps + 2));
    for (let line = -steps; line <= steps; line += 2) {
      const at = middle + line;
      const isDown = line === -steps || (line !== steps && (furthest[at - 1] ?? 0) < (furthest[at + 1] ?? 0));
      let x = isDown ? (furthest[at + 1] ?? 0) : (furthest[at - 1] ?? 0) + 1;
      while (x < before.length && x - line < after.length && before[x] === after[x - line]) x += 1;
      furthest[at] = x;
      if (x >= before.length && x - line >= after.length) return walk(before, after, trace);
    }
  }
  return null;
}

function walk(before: string[], after: string[], trace: Int32Array[]): Line[] {
  const found: Line[] = [];
  let [x, y] = [before.length, after.length];
  const put = (sign: Line["sign"]): void => {
    if (sign !== "+") x -= 1;
    if (sign !== "-") y -= 1;
    found.push({ sign, text: (sign === "+" ? after[y] : before[x]) ?? "", before: x + 1, after: y + 1 });
  };
  for (let steps = trace.length - 1; steps > 0; steps -= 1) {
    const furthest = trace[steps];
    const at = (line: number): number => furthest?.[line + steps + 1] ?? 0;
    const line = x - y;
    const isDown = line === -steps || (line !== steps && at(line - 1) < at(line + 1));
    const from = isDown ? line + 1 : line - 1;
    while (x > at(from) && y > at(from) - from) put(" ");
    put(isDown ? "+" : "-");
  }
  while (x > 0 && y > 0) put(" ");
  return found.reverse();
}

// With so many equal lines around what differs; null stands for what is left out.
export function hunks(lines: Line[], around: number): (Line | null)[] {
  const isNear = new Uint8Array(lines.length);
  lines.forEach((line, at) => line.sign !== " " && isNear.fill(1, Math.max(0, at - around), at + around + 1));
  const found: (Line | null)[] = [];
  lines.forEach((line, at) => {
    if (isNear[at]) found.push(line);
    else if (found.at(-1) !== null) found.push(null);
  });
  return found;
}
