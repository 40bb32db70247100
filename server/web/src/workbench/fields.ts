// Fields as a filter has them, and their values.

import { number, duration, time } from "../common/figures";
import type { Field, Value } from "../common/messages";

export interface Metric {
  // As ListFields has it: metrics.loss[test].
  field: string;
  name: string;
  // "" for points without one.
  phase: string;
}

const NAME = String.raw`"(?:[^"]|"")*"|'(?:[^']|'')*'|[^\s".'\[\]]+`;
const METRIC = new RegExp(`^metrics\\.(${NAME})(?:\\[(${NAME})\\])?$`);
const MEASURE = /\.(last|min|max|last_step|min_step|max_step)$/;

const unquoted = (text: string): string =>
  text.startsWith('"') || text.startsWith("'") ? text.slice(1, -1).replaceAll(text.charAt(0).repeat(2), text.charAt(0)) : text;

// A name as a field has it.
export const quoted = (text: string): string => (/^[A-Za-z0-9_-]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`);

// The metric that a field names; null for other fields.
export function metricOf(field: string): Metric | null {
  const bare = field.replace(MEASURE, "");
  const found = METRIC.exec(bare);
  return found?.[1] ? { field: bare, name: unquoted(found[1]), phase: unquoted(found[2] ?? "") } : null;
}

// A field as the head of a column: config.net.depth is net.depth, metrics.loss[test].min is loss [test] min.
export function label(field: string): string {
  const metric = metricOf(field);
  if (metric) return [title(metric), MEASURE.exec(field)?.[1]?.replace("_", " ")].filter(Boolean).join(" ");
  // Quotes tell of dots that part nothing; others are only needed in a filter.
  return field.replace(/^config\./, "").replace(/"(?:[^"]|"")*"/g, (part) => (part.includes(".") ? part : unquoted(part)));
}

export const title = (metric: Metric): string => metric.name + (metric.phase && ` [${metric.phase}]`);

// Which of a metric's values is the one to compare by, as far as its name tells.
export function measure(metric: Metric): "min" | "max" | "last" {
  if (/loss|err|mae|mse|rmse|perplexity|ppl/i.test(metric.name)) return "min";
  return /acc|auc|f1|score|iou|bleu|rouge|r2|reward|precision|recall|map/i.test(metric.name) ? "max" : "last";
}

export const isVaried = (field: Field): boolean => (field.values?.length ?? 0) > 1 || Boolean(field.hasMoreValues);

// A number of its own in most models.
export const isRange = (field: Field): boolean => !field.textCount && (field.hasMoreValues ?? false);

// What a run logs by itself of its machine: by time, as it has no steps.
export const isOfSystem = (metric: { phase: string }): boolean => metric.phase === "system";

// Metrics of which less or more is better first: they say which model is best. Those of machines last.
export const directedFirst = (metrics: Metric[]): Metric[] => {
  const rank = (metric: Metric): number => (isOfSystem(metric) ? 2 : Number(measure(metric) === "last"));
  return metrics.toSorted((one, other) => rank(one) - rank(other));
};

// What a list shows before anybody chose: what differs in configs, few values first, then the first metrics.
export function defaultColumns(fields: Field[]): string[] {
  const configs = fields.filter((field) => field.field.startsWith("config.") && isVaried(field));
  // A seed or a number of its own in every model says least.
  configs.sort((one, other) => Number(isRange(one)) - Number(isRange(other)));
  const metrics = fields.flatMap((field) => metricOf(field.field) ?? []).filter((metric) => !isOfSystem(metric));
  const columns = directedFirst(metrics).map((metric) => `${metric.field}.${measure(metric)}`);
  return [...columns.slice(0, 2), ...configs.slice(0, 5).map((field) => field.field), ...columns.slice(2, 4)];
}

export const isTime = (field: string): boolean => /^(created_at|updated_at|heartbeat_at)$/.test(field);

// A value as it is shown.
export function shown(value: Value | undefined, field = ""): string {
  if (!value) return "";
  if (value.number !== undefined) return field === "duration" ? duration(value.number) : number(Number(value.number));
  if (value.integer !== undefined) return isTime(field) ? time(value.integer) : value.integer;
  if (value.truth !== undefined) return String(value.truth);
  if (value.texts) return (value.texts.texts ?? []).join(", ");
  return value.text ?? "";
}

export const isNumber = (value: Value | undefined): boolean => value?.number !== undefined || value?.integer !== undefined;

export const MEASURES = ["last", "min", "max", "min_step", "max_step"];
const PLAIN = ["step", "duration", "created_at", "status", "created_by", "host", "git_commit"];

// What may be an axis or a colour: each field with its label. Steps of metrics can be shown, and do not filter.
export function offers(fields: Field[], withSteps: boolean): { value: string; text: string; note?: string }[] {
  const measures = MEASURES.filter((one) => withSteps || !one.endsWith("_step"));
  const every = fields.flatMap((field) => (metricOf(field.field) ? measures.map((one) => `${field.field}.${one}`) : [field.field]));
  return [...every, ...PLAIN].map((field) => ({ value: field, text: label(field), note: field.split(/[.[]/, 1)[0] ?? "" }));
}

// Fields in a URL: names may have commas in their quotes.
export function splitList(text: string): string[] {
  return text.match(/(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,"'])+/g) ?? [];
}

