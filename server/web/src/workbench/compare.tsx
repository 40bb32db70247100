// The selected models side by side: only what differs.

import { useState } from "preact/hooks";
import type { Looks } from "../common/colours";
import { number } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { Model } from "../common/messages";
import { displayName } from "../common/names";
import { modelPath } from "../common/place";
import { Swatch } from "../common/swatch";
import { call, CallError, sentence } from "../common/wire";
import { flat, listSeries, type Series } from "../common/values";
import { isOfSystem } from "./fields";

const MOST = 20;

interface Compared {
  models: Model[];
  series: Map<string, Series[]>;
}

async function load(ids: string[], signal: AbortSignal): Promise<Compared> {
  const ask = async (modelId: string): Promise<Model | null> => {
    try {
      return (await call<{ model: Model }>("ModelService/GetModel", { modelId }, signal)).model;
    } catch (error) {
      if (error instanceof CallError && error.code === "not_found") return null;
      throw error;
    }
  };
  const [models, series] = await Promise.all([Promise.all(ids.map(ask)), listSeries(ids)]);
  return { models: models.filter((model) => model !== null), series };
}

// A cell: what is shown, and what is compared: two numbers may look alike with four digits.
interface Cell {
  text: string;
  exact: string;
}

const cell = (text: string, exact = text): Cell => ({ text, exact });
const numeric = (value: number): Cell => cell(number(value), String(value));

// A line of the table: its name and a value for each model.
function lines({ models, series }: Compared): [string, Cell[]][] {
  const sides = models.map((model) => {
    const own = new Map<string, Cell>([
      ["status", cell(status(model.status))],
      ["tags", cell((model.tags ?? []).join(", "))],
      ["step", cell(model.step ?? "0")],
    ]);
    for (const [path, value] of flat(model.configJson)) own.set(`config.${path}`, cell(value));
    for (const one of series.get(model.id) ?? []) {
      if (isOfSystem(one)) continue;
      own.set(`${one.title} last`, cell(one.last, one.exactLast));
      if (one.min !== undefined) own.set(`${one.title} min`, numeric(one.min));
      if (one.max !== undefined) own.set(`${one.title} max`, numeric(one.max));
    }
    return own;
  });
  const names = [...new Set(sides.flatMap((side) => [...side.keys()]))];
  return names.map((name) => [name, sides.map((side) => side.get(name) ?? cell(""))]);
}

export const status = (text: string | undefined): string => (text ?? "never ran").replace("RUN_STATUS_", "").toLowerCase();

export function Compare({ models, drawn }: { models: string[]; drawn: Looks }) {
  const [showsAll, setShowsAll] = useState(false);
  const ids = models.slice(0, MOST);
  const loaded = useLoaded((signal) => load(ids, signal), [ids.join()]);
  if (ids.length < 2) return <p class="nothing">Select two models or more in the list.</p>;
  if (loaded.error) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  if (!loaded.value) return <p class="nothing">Loading…</p>;
  const goneCount = ids.length - loaded.value.models.length;
  const every = lines(loaded.value);
  const differing = every.filter(([, values]) => new Set(values.map((value) => value.exact)).size > 1);
  const shown = showsAll ? every : differing;
  return (
    <>
      <div class="bar options">
        <span>{differing.length} of {every.length} values differ{models.length > MOST && `; the first ${MOST} of ${models.length} models`}{goneCount > 0 && `; ${goneCount} of the models are gone`}</span>
        <label><input type="checkbox" checked={showsAll} onChange={() => setShowsAll(!showsAll)} /> show what is equal too</label>
      </div>
      <div class="wide" tabIndex={0} role="region" aria-label="Comparison">
        <table class="compare">
          <thead>
            <tr>
              <th scope="col">what</th>
              {loaded.value.models.map((model) => (
                <th scope="col" key={model.id}>
                  <Swatch look={drawn.get(model.id)} />
                  <a href={modelPath(model.id)}>{displayName(model.id, model.name)}</a>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map(([name, values]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {values.map((value, at) => <td key={at} class="right" title={value.exact}>{value.text || <span class="pale">none</span>}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
