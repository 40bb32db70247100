// What is known of models by their ids: those of the list, and those that only the URL names.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Model, Row } from "../common/messages";
import { displayName } from "../common/names";
import { call } from "../common/wire";

interface Known {
  name: string;
  isRunning: boolean;
}

// Rows that were seen are kept; of other models among `ids` the server is asked once. Those that are gone have a made-up name.
export function useKnown(ids: string[], rows: (Row | undefined)[]): (id: string) => Known {
  const known = useRef(new Map<string, Known>());
  const asked = useRef(new Set<string>());
  const [, setRound] = useState(0);
  for (const row of rows) {
    if (!row) continue;
    known.current.set(row.modelId, { name: displayName(row.modelId, row.values[0]?.text), isRunning: row.values[1]?.text === "running" });
  }
  const missing = ids.filter((id) => !known.current.has(id) && !asked.current.has(id));
  useEffect(() => {
    for (const modelId of missing) {
      asked.current.add(modelId);
      call<{ model: Model }>("ModelService/GetModel", { modelId }).then(
        ({ model }) => {
          known.current.set(modelId, { name: displayName(modelId, model.name), isRunning: model.status === "RUN_STATUS_RUNNING" });
          setRound((before) => before + 1);
        },
        () => undefined,
      );
    }
  }, [missing.join()]);
  return (id) => known.current.get(id) ?? { name: displayName(id), isRunning: false };
}
