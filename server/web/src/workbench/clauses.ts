// A filter as conditions that `and` joins: brushes and cells put theirs in, and take them out again.

import { isTime } from "./fields";
import { literal } from "./cells";

const TOKEN = /"(?:[^"]|"")*"|'(?:[^']|'')*'|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[\p{L}\p{M}\p{N}_-]+|\S/giuy;
const PART = /[\p{L}\p{M}\p{N}_-]+/uy;
const SPACE = /\s*/y;

interface Token {
  text: string;
  start: number;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  for (;;) {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
    if (at >= text.length) return found;
    // What follows a dot or a bracket is a name, even where it begins as a number or is `and`.
    const before = found.at(-1)?.text;
    const one = before === "." || before === "[" ? PART : TOKEN;
    one.lastIndex = at;
    TOKEN.lastIndex = at;
    const match = (one.exec(text) ?? TOKEN.exec(text))?.[0] ?? text.charAt(at);
    found.push({ text: match, start: at });
    at += match.length;
  }
}

// The conditions that a filter joins with `and`; null where a quote or a parenthesis is not closed.
export function clausesOf(filter: string): string[] | null {
  const clauses: string[] = [];
  let [depth, start] = [0, 0];
  let before = "";
  for (const token of tokens(filter)) {
    const isWord = before !== "." && before !== "[";
    const word = isWord ? token.text.toLowerCase() : "";
    before = token.text;
    if (word === "'" || word === '"') return null;
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    if (depth < 0) return null;
    if (depth === 0 && word === "or") return clausesOf(`(${filter})`);
    if (depth === 0 && word === "and") {
      clauses.push(filter.slice(start, token.start).trim());
      start = token.start + token.text.length;
    }
  }
  if (depth > 0) return null;
  const last = filter.slice(start).trim();
  return [...clauses, ...(last ? [last] : [])];
}

export const joined = (clauses: string[]): string => clauses.join(" and ");

// A filter with one more condition. What cannot be read stays as it is: the server says what is wrong with it.
export function withClause(filter: string, clause: string): string {
  const clauses = clausesOf(filter) ?? [`(${filter})`];
  return clauses.includes(clause) ? filter : joined([...clauses, clause]);
}

// A stretch of an axis: of numbers from and to, both open where not set; or some values.
export interface Brush {
  low?: number;
  high?: number;
  values?: (string | number | boolean)[];
}

const LITERAL = /'(?:[^']|'')*'|true|false|[+-]?[\d.]+(?:e[+-]?\d+)?/g;

function read(field: string, text: string): string | number | boolean {
  if (text.startsWith("'")) {
    const bare = text.slice(1, -1).replaceAll("''", "'");
    return isTime(field) ? Date.parse(bare) * 1000 + Number(/\d{3}(?=Z$)/.exec(bare)?.[0] ?? 0) : bare;
  }
  return text === "true" || text === "false" ? text === "true" : Number(text);
}

// What a condition says of an axis, if it is one that a brush writes.
function brushed(field: string, clause: string): Brush | null {
  if (!clause.startsWith(`${field} `)) return null;
  const rest = clause.slice(field.length + 1);
  const bound = /^(>=|<=) (\S+)$/.exec(rest);
  const value = bound?.[2] && read(field, bound[2]);
  if (bound && typeof value === "number" && !Number.isNaN(value)) return bound[1] === ">=" ? { low: value } : { high: value };
  const inside = /^in \((.*)\)$/s.exec(rest)?.[1];
  if (inside === undefined || inside.replace(LITERAL, "").replace(/[\s,]/g, "") !== "") return null;
  return { values: (inside.match(LITERAL) ?? []).map((one) => read(field, one)) };
}

// The brushes of some axes, and the conditions that are none.
export function brushesOf(filter: string, axes: string[]): { brushes: Map<string, Brush>; rest: string[] } | null {
  const clauses = clausesOf(filter);
  if (!clauses) return null;
  const brushes = new Map<string, Brush>();
  const rest = clauses.filter((clause) => {
    const axis = axes.find((field) => brushed(field, clause));
    if (axis === undefined) return true;
    brushes.set(axis, { ...brushes.get(axis), ...brushed(axis, clause) });
    return false;
  });
  return { brushes, rest };
}

// The conditions of a brush.
export function clausesOfBrush(field: string, { low, high, values }: Brush): string[] {
  if (values) return [`${field} in (${values.map((value) => literal(field, value)).join(", ")})`];
  const bound = (sign: string, value: number | undefined): string[] => (value === undefined ? [] : [`${field} ${sign} ${literal(field, value)}`]);
  return [...bound(">=", low), ...bound("<=", high)];
}
