// What is shown instead of something that is not loaded.

import type { Loaded } from "./hooks";
import { sentence } from "./wire";

export function Told({ loaded }: { loaded: Loaded<unknown> }) {
  if (loaded.error !== undefined) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  return loaded.value === undefined ? <p class="nothing">Loading…</p> : null;
}
