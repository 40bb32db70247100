// In what a model differs from those that were created right before and after it in its experiment.

import { count } from "./common/figures";
import { useLoaded } from "./common/hooks";
import type { Model } from "./common/messages";
import { displayName } from "./common/names";
import { modelPath } from "./common/place";
import { flat } from "./common/values";
import { call, sentence } from "./common/wire";

const EACH = 2;
const ROWS = 100;

// As filters have times, to the microsecond.
function moment(us: string): string {
  const whole = BigInt(us);
  return new Date(Number(whole / 1000n)).toISOString().replace("Z", `${String(whole % 1000n).padStart(3, "0")}Z`);
}

async function near(model: Model): Promise<Model[]> {
  const at = moment(model.createdAtUs ?? "0");
  const ask = async (sign: string, order: string): Promise<Model[]> => {
    const request = { experimentId: model.experimentId, filter: `created_at ${sign} '${at}'`, orderBy: `created_at ${order}`, pageSize: EACH };
    return (await call<{ models?: Model[] }>("ModelService/SearchModels", request)).models ?? [];
  };
  const [before, after] = await Promise.all([ask("<", "desc"), ask(">", "asc")]);
  return [...before.reverse(), ...after];
}

export function Differences({ model }: { model: Model }) {
  const loaded = useLoaded(() => near(model), [model.id]);
  if (loaded.error !== undefined) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  if (!loaded.value || loaded.value.length === 0) return null;
  const all = [model, ...loaded.value];
  const configs = all.map((one) => new Map(flat(one.configJson, Infinity)));
  const paths = [...new Set(configs.flatMap((config) => [...config.keys()]))];
  const differing = paths.filter((path) => new Set(configs.map((config) => config.get(path))).size > 1);
  return (
    <>
      <h2>Differs from its neighbours in</h2>
      {differing.length === 0 && <p class="nothing">Nothing: the models before and after it have the same config.</p>}
      {differing.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Differences from its neighbours">
          <table class="compare">
            <thead>
              <tr><th scope="col">config</th>{all.map((one, at) => <th key={one.id} scope="col">{at === 0 ? "this one" : <a href={modelPath(one.id)}>{displayName(one.id, one.name)}</a>}</th>)}</tr>
            </thead>
            <tbody>
              {differing.slice(0, ROWS).map((path) => (
                <tr key={path}>
                  <th scope="row">{path}</th>
                  {configs.map((config, at) => <td key={at} class="right">{at === 0 ? <b>{config.get(path)}</b> : config.get(path)}{config.has(path) ? "" : <span class="pale">none</span>}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
          {differing.length > ROWS && <p class="pale">The first {ROWS} of {count(differing.length)}.</p>}
        </div>
      )}
    </>
  );
}
