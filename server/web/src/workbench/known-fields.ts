// The fields that models of a project have: soon those of the newest models, then all.

import { useRef } from "preact/hooks";
import { quoted } from "./fields";
import { useEvery, useLoaded } from "../common/hooks";
import type { Field, Model, Value } from "../common/messages";
import { listSeries } from "../common/values";
import { all, call } from "../common/wire";

const MOST_FIELDS = 5000;
const SAMPLED_MODELS = 30;
const SAMPLED_SERIES = 5;
// All fields may take the server half a second, for which the first rows would wait: these come first.
const ROWS_MS = 500;
const FEW_VALUES = 12; // of `max_field_values`
// All fields of many models take the server seconds: they are asked for again after so many times of that.
const PATIENCE = 50;

function valueOf(value: unknown): Value | null {
  if (typeof value === "number") return { number: value };
  if (typeof value === "string") return { text: value };
  return typeof value === "boolean" ? { truth: value } : null;
}

// The fields of some configs, with their first few values, in the order of their text.
function fieldsOf(configs: string[]): Field[] {
  const found = new Map<string, Map<string, Value>>();
  const walk = (path: string, value: unknown): void => {
    if (value !== null && typeof value === "object") {
      for (const [key, one] of Object.entries(value)) walk(`${path}.${quoted(key)}`, one);
      return;
    }
    const one = valueOf(value);
    if (one) found.set(path, (found.get(path) ?? new Map<string, Value>()).set(JSON.stringify(one), one));
  };
  for (const config of configs) walk("config", JSON.parse(config || "{}"));
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1)).map(([field, byText]) => {
    const values = [...byText.values()];
    const numbers = values.filter((value) => value.number !== undefined).length;
    const texts = values.filter((value) => value.text !== undefined).length;
    return {
      field,
      numberCount: String(numbers),
      ...(texts > 0 && { textCount: String(texts) }),
      values: values.slice(0, FEW_VALUES),
      hasMoreValues: values.length > FEW_VALUES,
    };
  });
}

async function sample(projectUid: string, signal: AbortSignal): Promise<Field[]> {
  const request = { projectUid, orderBy: "created_at desc", pageSize: SAMPLED_MODELS };
  const { models = [] } = await call<{ models?: Model[] }>("ModelService/SearchModels", request, signal);
  const series = await listSeries(models.slice(0, SAMPLED_SERIES).map((model) => model.id));
  const metrics = new Set([...series.values()].flat().map((one) => `metrics.${quoted(one.name)}[${quoted(one.phase)}]`));
  return [...fieldsOf(models.map((model) => model.configJson ?? "")), ...[...metrics].sort().map((field) => ({ field }))];
}

export interface KnownFields {
  // Those that are known by now.
  fields: Field[] | undefined;
  // What the list shows until somebody chose is made of these.
  sampled: Field[] | undefined;
  error: unknown;
}

export function useFields(projectUid: string, isLive: boolean): KnownFields {
  const tookMs = useRef(0);
  const sampling = useRef<Promise<unknown>>(Promise.resolve());
  const soon = useLoaded((signal) => {
    const sampled = sample(projectUid, signal);
    sampling.current = sampled.then(() => new Promise((resolve) => setTimeout(resolve, ROWS_MS)), () => undefined);
    return sampled;
  }, [projectUid]);
  const whole = useLoaded(async () => {
    await sampling.current;
    const began = performance.now();
    const { found } = await all<Field, "fields">("ModelService/ListFields", { projectUid, pageSize: 1000 }, "fields", MOST_FIELDS);
    tookMs.current = performance.now() - began;
    return found;
  }, [projectUid]);
  useEvery(Math.max(isLive ? 10000 : 30000, tookMs.current * PATIENCE), whole.reload);
  return {
    fields: whole.value ?? soon.value,
    sampled: soon.value?.length ? soon.value : (whole.value ?? soon.value),
    error: whole.error ?? soon.error,
  };
}
