// What a run printed, as far as it is loaded: the newest, and older parts when somebody asks for them.

import type { Console, ConsolePiece } from "../common/messages";
import { call } from "../common/wire";

const STRETCH = 256 << 10;
// The server answers no more at once.
const MOST_READ = 1 << 20;
// Of a log that is followed for long; what is dropped can be loaded again.
const MOST_HELD = 8 << 20;

// A part without a gap.
export interface Part {
  // In bytes of UTF-8 from the start of all that the run printed.
  start: number;
  end: number;
  text: string;
}

const encoder = new TextEncoder();
const partOf = ({ offset, text }: ConsolePiece): Part => {
  const start = Number(offset ?? 0);
  return { start, end: start + encoder.encode(text).length, text };
};

// What of it lies before an offset at which a character begins. After a gap an answer may go on beyond what was asked for.
function until(part: Part, to: number): Part {
  if (part.end <= to) return part;
  return { ...part, end: to, text: new TextDecoder().decode(encoder.encode(part.text).subarray(0, to - part.start)) };
}

// From the start of a line, if it has one there.
function secondHalf({ end, text }: Part): Part {
  const kept = text.slice(text.indexOf("\n", text.length >> 1) + 1 || text.length >> 1);
  return { start: end - encoder.encode(kept).length, end, text: kept };
}

function joined(parts: Part[]): Part[] {
  const found: Part[] = [];
  for (const part of parts) {
    const last = found.at(-1);
    if (last && last.end === part.start) found[found.length - 1] = { start: last.start, end: part.end, text: last.text + part.text };
    else found.push(part);
  }
  return found;
}

export class Printed {
  // In order; between two of them the server has nothing, but before the first there may be more.
  parts: Part[] = [];
  // Whether the first part is the first of all that is kept.
  isWhole = false;
  private nextOffset: number | undefined;

  constructor(private readonly runId: string) {}

  private async read(request: object, signal?: AbortSignal): Promise<{ parts: Part[]; next: number; end: number }> {
    const found = await call<Console>("RunService/ReadConsole", { runId: this.runId, ...request }, signal);
    return { parts: (found.pieces ?? []).map(partOf), next: Number(found.nextOffset ?? 0), end: Number(found.endOffset ?? 0) };
  }

  // Reads what is new; at first, how it ends. Whether there was something.
  async newer(signal: AbortSignal): Promise<boolean> {
    let isNew = false;
    for (let isAtEnd = false; !isAtEnd; ) {
      const isFirst = this.nextOffset === undefined;
      const { parts, next, end } = await this.read(isFirst ? { maxBytes: STRETCH } : { offset: this.nextOffset, maxBytes: MOST_READ }, signal);
      if (isFirst) this.isWhole = (parts[0]?.start ?? 0) === 0;
      isNew ||= isFirst || parts.length > 0;
      isAtEnd = parts.length === 0 || next >= end;
      this.parts = joined([...this.parts, ...parts]);
      this.nextOffset = next;
    }
    this.drop();
    return isNew;
  }

  // Reads what lies before the first part: some of it, or all that is kept.
  async older(isAll: boolean, signal?: AbortSignal): Promise<void> {
    while (!this.isWhole) {
      const first = this.parts[0]?.start ?? 0;
      const from = isAll ? 0 : Math.max(0, first - STRETCH);
      let found = await this.readTo(from, first, signal);
      // Only a gap lies there: before it is how the log begins.
      if (found.length === 0 && from > 0) found = await this.readTo(0, first, signal);
      this.parts = joined([...found, ...this.parts]);
      this.isWhole = found.length === 0 || found[0]?.start === 0;
      if (!isAll) return;
    }
  }

  private async readTo(from: number, to: number, signal?: AbortSignal): Promise<Part[]> {
    const found: Part[] = [];
    for (let offset = from; offset < to; ) {
      const { parts, next } = await this.read({ offset, maxBytes: Math.min(MOST_READ, to - offset) }, signal);
      found.push(...parts.filter((part) => part.start < to).map((part) => until(part, to)));
      if (next <= offset || parts.length === 0) break;
      offset = next;
    }
    return found;
  }

  private drop(): void {
    const sum = (): number => this.parts.reduce((all, part) => all + part.end - part.start, 0);
    while (sum() > MOST_HELD) {
      const [first, ...others] = this.parts;
      this.parts = first && others.length === 0 ? [secondHalf(first)] : others;
      this.isWhole = false;
    }
  }
}
