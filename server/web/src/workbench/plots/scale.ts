// Where values stand along an axis: numbers evenly or by their logarithms, times, and everything else as categories.

import type { Cell } from "../cells";
import { isTime } from "../fields";
import { duration, number, time, timeMark } from "../../common/figures";

export interface Mark {
  at: number;
  text: string;
}

export interface Scale {
  field: string;
  // Whether its values are numbers; else each different value is a category.
  isNumeric: boolean;
  isLog: boolean;
  // Whether all of its numbers have a logarithm.
  canLog: boolean;
  categories: Cell[];
  min: number;
  max: number;
  // From 0 to 1; null where a value has no place.
  place: (cell: Cell) => number | null;
  // The number at a place.
  value: (at: number) => number;
  // At most so many.
  marks: (most: number) => Mark[];
}

const LARGE_RATIO = 100;

// A value as it is written at an axis.
export function told(field: string, cell: Cell): string {
  if (cell === null) return "none";
  if (typeof cell !== "number") return String(cell);
  if (isTime(field)) return time(cell);
  return field === "duration" ? duration(cell) : number(cell);
}

// Numbers, then texts, then booleans, as the server orders them.
function inOrder(one: Cell, other: Cell): number {
  const rank = (cell: Cell): number => ["number", "string", "boolean"].indexOf(typeof cell);
  if (rank(one) !== rank(other)) return rank(one) - rank(other);
  return one === other ? 0 : (one as string) < (other as string) ? -1 : 1;
}

// A scale for the values of a field. `log`: whether by logarithms; undefined: where most would stand in a corner.
export function scaleOf(field: string, cells: Cell[], log?: boolean): Scale {
  const there = cells.filter((cell) => cell !== null);
  if (there.some((cell) => typeof cell !== "number")) return categorical(field, [...new Set(there)].sort(inOrder));
  const every = there as number[];
  const canLog = every.length > 0 && every.every((value) => value > 0);
  const positive = every.filter((value) => value > 0);
  let [min, max] = ends(every);
  // Evenly spread numbers span much too, by chance.
  const isCrowded = (): boolean => (every.toSorted((one, other) => one - other)[every.length >> 1] ?? 0) < (min + max) / 8;
  const isLog = log === undefined ? canLog && max / min >= LARGE_RATIO && !isTime(field) && isCrowded() : log && positive.length > 0;
  if (isLog) [min, max] = ends(positive);
  const [forth, back] = isLog ? [Math.log, Math.exp] : [(value: number) => value, (value: number) => value];
  const [start, span] = [forth(min), forth(max) - forth(min)];
  const place = (cell: Cell): number | null => {
    if (typeof cell !== "number" || (isLog && cell <= 0)) return null;
    return span > 0 ? (forth(cell) - start) / span : 0.5;
  };
  // The ends as they are: they would come back rounded.
  const value = (at: number): number => (at <= 0 ? min : at >= 1 ? max : back(start + at * span));
  const marks = (most: number): Mark[] => {
    if (every.length === 0) return [];
    if (span === 0) return [{ at: 0.5, text: told(field, min) }];
    if (isLog) return logMarks(min, max, most).map((mark) => ({ at: place(mark) ?? 0, text: number(mark) }));
    const apart = isTime(field) ? timeApart(span, most) : evenApart(span, most);
    const first = Math.ceil(min / apart - 1e-9);
    const count = Math.floor(max / apart + 1e-9) - first + 1;
    return Array.from({ length: Math.max(0, count) }, (_, one) => {
      const mark = Number(((first + one) * apart).toPrecision(15));
      return { at: place(mark) ?? 0, text: isTime(field) ? timeMark(mark / 1e6, apart / 1e6) : told(field, mark) };
    });
  };
  return { field, isNumeric: true, isLog, canLog, categories: [], min, max, place, value, marks };
}

function categorical(field: string, categories: Cell[]): Scale {
  const places = new Map(categories.map((cell, at) => [cell, (at + 0.5) / categories.length]));
  const every = (most: number): number => Math.ceil(categories.length / Math.max(1, most));
  return {
    field, isNumeric: false, isLog: false, canLog: false, categories, min: NaN, max: NaN,
    place: (cell) => places.get(cell) ?? null,
    value: () => NaN,
    marks: (most) => categories.flatMap((cell, at) => (at % every(most) === 0 ? [{ at: places.get(cell) ?? 0, text: told(field, cell) }] : [])),
  };
}

// Not by Math.min(...): thousands of arguments are too many for some browsers.
function ends(values: number[]): [number, number] {
  if (values.length === 0) return [NaN, NaN];
  return [values.reduce((one, other) => Math.min(one, other)), values.reduce((one, other) => Math.max(one, other))];
}

// 1, 2 or 5 times a power of ten.
function evenApart(span: number, most: number): number {
  const power = 10 ** Math.floor(Math.log10(span / most));
  return [1, 2, 5, 10].map((step) => step * power).find((apart) => span / apart <= most) ?? 10 * power;
}

const TIMES = [1, 5, 15, 60, 300, 900, 3600, 10800, 21600, 43200, 86400, 604800].map((seconds) => seconds * 1e6);
const timeApart = (span: number, most: number): number => TIMES.find((apart) => span / apart <= most) ?? evenApart(span, most);

function logMarks(min: number, max: number, most: number): number[] {
  const [first, last] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))];
  const within = (steps: number[], by: number): number[] => {
    const powers = Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, at) => first + at * by);
    return powers.flatMap((power) => steps.map((step) => Number(`${step}e${power}`))).filter((mark) => mark >= min * 0.999 && mark <= max * 1.001);
  };
  for (const steps of [[1, 2, 5], [1, 3], [1]]) {
    const found = within(steps, 1);
    if (found.length <= most && found.length > 0) return found;
  }
  const found = within([1], Math.ceil((last - first) / most));
  return found.length > 0 ? found : [min, max];
}
