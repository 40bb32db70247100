// Configs and series of single models, as tables show them.

import { number } from "./figures";
import { all } from "./wire";

// A number of a JSON text as it stands there: integers beyond 2^53 and formats such as 1e-3 are kept.
class Exact {
  constructor(readonly source: string) {}
}

const exact = (_: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === "number" ? new Exact(context?.source ?? String(value)) : value;

// What a JSON object holds, by its paths.
export function flat(json: string | undefined, most = 500): [string, string][] {
  const found: [string, string][] = [];
  const walk = (path: string, value: unknown): void => {
    if (found.length >= most) return;
    if (value instanceof Exact) found.push([path, value.source]);
    else if (value !== null && typeof value === "object" && Object.keys(value).length > 0) {
      for (const [key, one] of Object.entries(value)) walk(path === "" ? key : `${path}.${key}`, one);
    } else if (path !== "") found.push([path, typeof value === "string" ? value : JSON.stringify(value)]);
  };
  walk("", JSON.parse(json || "{}", exact));
  return found;
}

interface Summary {
  modelId: string;
  name: string;
  phase?: string;
  count?: string;
  last?: { point: { floatValue?: number | string; intValue?: string; jsonValue?: string; step?: string; timeUs?: string } };
  minValue?: number;
  maxValue?: number;
}

export interface Series {
  name: string;
  phase: string;
  title: string;
  count: number;
  last: string;
  // As it was logged, to compare.
  exactLast: string;
  lastStep: string;
  min: number | undefined;
  max: number | undefined;
}

function seriesOf(summary: Summary): Series {
  const point = summary.last?.point;
  const value = point?.floatValue ?? point?.intValue;
  return {
    name: summary.name,
    phase: summary.phase ?? "",
    title: summary.name + (summary.phase ? ` [${summary.phase}]` : ""),
    count: Number(summary.count ?? 0),
    last: value === undefined ? (point?.jsonValue ?? "").slice(0, 200) : number(Number(value)),
    exactLast: String(value ?? point?.jsonValue ?? ""),
    lastStep: point?.step ?? "",
    min: summary.minValue,
    max: summary.maxValue,
  };
}

// What was logged to some models, by their ids.
export async function listSeries(modelIds: string[]): Promise<Map<string, Series[]>> {
  const found = new Map<string, Series[]>();
  if (modelIds.length === 0) return found;
  const { found: summaries } = await all<Summary, "series">("MetricService/ListSeries", { modelIds }, "series", 20000);
  for (const one of summaries) found.set(one.modelId, [...(found.get(one.modelId) ?? []), seriesOf(one)]);
  return found;
}
