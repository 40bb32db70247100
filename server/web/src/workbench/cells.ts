// Values of fields as plots take them, and as a filter has them.

import { isTime } from "./fields";
import type { Value } from "../common/messages";

export type Cell = number | string | boolean | null;

export function cellOf(value: Value | undefined): Cell {
  if (!value) return null;
  const figure = value.number ?? value.integer;
  if (figure !== undefined) return Number(figure);
  if (value.texts) return (value.texts.texts ?? []).join(", ") || null;
  return value.truth ?? value.text ?? null;
}

const inQuotes = (text: string): string => `'${text.replaceAll("'", "''")}'`;

// Microseconds since the epoch, all six digits.
function moment(us: number): string {
  const text = new Date(Math.floor(us / 1000)).toISOString();
  return text.replace("Z", `${String(((us % 1000) + 1000) % 1000).padStart(3, "0")}Z`);
}

// A value as it stands in a filter beside a field.
export function literal(field: string, cell: number | string | boolean): string {
  if (typeof cell === "number" && isTime(field)) return inQuotes(moment(cell));
  return typeof cell === "string" ? inQuotes(cell) : String(cell);
}

// The condition that holds for the models that have just this value.
export function isJust(field: string, value: Value | undefined): string {
  const texts = value?.texts?.texts;
  if (texts?.length) return texts.map((text) => `${field} = ${inQuotes(text)}`).join(" and ");
  const cell = cellOf(value);
  return cell === null ? `${field} is null` : `${field} = ${literal(field, cell)}`;
}
