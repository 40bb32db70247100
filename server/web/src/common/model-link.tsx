// A link to a model of which only the id is known.

import { useEffect, useState } from "preact/hooks";
import type { Model } from "./messages";
import { displayName } from "./names";
import { modelPath } from "./place";
import { call } from "./wire";

// Of more models the ids are shown: each costs a call.
const MOST = 200;
const names = new Map<string, Promise<string>>();
let last: Promise<unknown> = Promise.resolve();

export const shortId = (id: string): string => id.slice(-8); // the first digits of many are those of the time

// One after the other, each once.
function nameOf(id: string): Promise<string> {
  const known = names.get(id);
  if (known) return known;
  if (names.size >= MOST) return Promise.resolve(shortId(id));
  const name = last.then(() => call<{ model: Model }>("ModelService/GetModel", { modelId: id })).then(
    ({ model }) => displayName(id, model.name),
    () => shortId(id),
  );
  names.set(id, name);
  last = name;
  return name;
}

export function ModelLink({ id }: { id: string }) {
  const [name, setName] = useState(shortId(id));
  useEffect(() => {
    let isShown = true;
    void nameOf(id).then((found) => isShown && setName(found));
    return () => void (isShown = false);
  }, [id]);
  return <a href={modelPath(id)}>{name}</a>;
}
