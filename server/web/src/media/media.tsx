// Pictures, figures, tables, sounds and the like of one model or of several side by side, as they were at a step.

import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Looks } from "../common/colours";
import { count } from "../common/figures";
import { useEvery, useLoaded, useSeen } from "../common/hooks";
import type { Media, MediaName } from "../common/messages";
import { change, modelPath, usePlace } from "../common/place";
import { Swatch } from "../common/swatch";
import { Told } from "../common/told";
import { sentence } from "../common/wire";
import { listNames, Named, type Names } from "./named";
import { Shown } from "./shown";
import { Steps } from "./steps";
import "./media.css";

const MOST_MODELS = 12;
const EVERY_MS = 5000;
// While a slider moves nothing is asked for.
const SETTLED_MS = 150;

interface Props {
  models: string[];
  drawn: Looks;
  names: (id: string) => string;
  isLive: boolean;
  isDark: boolean;
  hasKeys?: boolean;
}

export function MediaPane({ models: wanted, drawn, names, isLive, isDark, hasKeys = false }: Props) {
  const { query } = usePlace();
  const models = useMemo(() => wanted.slice(0, MOST_MODELS), [wanted]);
  const loaded = useLoaded((signal) => listNames(models, signal), [models.join()]);
  useEvery(EVERY_MS, () => (isLive || loaded.error !== undefined) && loaded.reload());
  // What was logged between the last look and the end.
  const wasLive = useRef(isLive);
  useEffect(() => {
    if (wasLive.current && !isLive) loaded.reload();
    wasLive.current = isLive;
  }, [isLive]);
  const words = (query.get("mn") ?? "").toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
  if (models.length === 0) return <p class="nothing">Select models in the list to see their media.</p>;
  if (!loaded.value) return <Told loaded={loaded} />;
  const every = byName(loaded.value);
  const shown = every.filter(([name]) => words.length === 0 || words.some((word) => name.toLowerCase().includes(word)));
  if (every.length === 0) return <p class="nothing">No picture, table or the like was logged{models.length > 1 ? " to these models" : ""}.</p>;
  const found = shown.flatMap(([, own]) => [...own.values()]);
  const [first, last] = [Math.min(...found.map((one) => Number(one.firstStep ?? 0))), Math.max(...found.map((one) => Number(one.lastStep ?? 0)))];
  const said = query.get("step");
  const step = said !== null && /^\d+$/.test(said) ? Number(said) : null;
  return (
    <>
      <div class="bar options">
        <label>Names <input type="search" placeholder="all" value={query.get("mn") ?? ""} onInput={(event) => change({ mn: event.currentTarget.value })} /></label>
        {wanted.length > MOST_MODELS && <span class="pale">The first {MOST_MODELS} of {wanted.length} models.</span>}
      </div>
      {shown.length > 0 && <Steps {...{ models, first, last, step, hasKeys }} names={shown.map(([name]) => name)} />}
      {loaded.error !== undefined && <p class="error" role="alert">{sentence(loaded.error)}</p>}
      <div class={models.length > 1 ? "media many" : "media"}>
        {shown.map(([name, own]) => <Row key={name} {...{ name, own, step, drawn, isDark }} names={models.length > 1 ? names : null} models={models.filter((id) => own.has(id))} />)}
      </div>
      {shown.length === 0 && <p class="nothing">None has this in its name.</p>}
    </>
  );
}

// The names in their order, and who has each.
function byName(names: Names): [string, Map<string, MediaName>][] {
  const found = new Map<string, Map<string, MediaName>>();
  for (const [id, own] of names) for (const one of own) found.set(one.name, (found.get(one.name) ?? new Map<string, MediaName>()).set(id, one));
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1));
}

interface RowProps extends Pick<Props, "models" | "drawn" | "isDark"> {
  name: string;
  own: Map<string, MediaName>;
  step: number | null;
  // null where there is one model.
  names: Props["names"] | null;
}

function Row({ name, own, models, step, drawn, names, isDark }: RowProps) {
  const [setRow, isSeen] = useSeen();
  return (
    <section ref={setRow} aria-label={name}>
      <h3>{name}</h3>
      <div class="beside">
        {models.map((id) => (
          <Card key={id} id={id} named={own.get(id) as MediaName} {...{ step, isSeen, isDark }} who={names?.(id) ?? ""}>
            {names && <><Swatch look={drawn.get(id)} /><a class="who" href={modelPath(id)}>{names(id)}</a></>}
          </Card>
        ))}
      </div>
    </section>
  );
}

interface CardProps {
  id: string;
  named: MediaName;
  step: number | null;
  isSeen: boolean;
  isDark: boolean;
  // Name of the model; "" where there is one.
  who: string;
  children: ComponentChildren;
}

function Card({ id, named, step, isSeen, isDark, who, children }: CardProps) {
  const { medium, error } = useMedium(id, named, step ?? Infinity, isSeen);
  const at = medium ? `step ${count(medium.step ?? 0)}` : "";
  return (
    <figure>
      <header>{children}<span class="push" /><span class="pale">{at}</span></header>
      {error !== undefined ? <p class="error" role="alert">{sentence(error)}</p>
        : medium === undefined ? <p class="nothing">{isSeen && "Loading…"}</p>
        : medium === null ? <p class="nothing">Nothing yet: the first is of step {count(named.firstStep ?? 0)}.</p>
        : <Shown medium={medium} isDark={isDark} label={[who, named.name, at].filter(Boolean).join(", ") + (medium.caption ? `: ${medium.caption}` : "")} />}
      {medium?.caption && <figcaption>{medium.caption}</figcaption>}
    </figure>
  );
}

// The newest at or before a step; undefined until it is known. What was there stays until then.
function useMedium(id: string, { name, count: logged, lastStep }: MediaName, step: number, isSeen: boolean): { medium: Media | null | undefined; error: unknown } {
  // What was logged since may be the newest.
  const media = useMemo(() => new Named(id, name), [id, name, logged, lastStep]);
  const [found, setFound] = useState<{ medium?: Media | null; error?: unknown }>({});
  const [round, setRound] = useState(0);
  useEvery(EVERY_MS, () => found.error !== undefined && setRound(round + 1));
  const known = media.known(step);
  useEffect(() => {
    if (!isSeen) return;
    if (known !== undefined) return setFound({ medium: known });
    const stop = new AbortController();
    const load = (): void => void media.load(step, stop.signal).then(
      (medium) => !stop.signal.aborted && setFound({ medium }),
      (error: unknown) => !stop.signal.aborted && setFound((before) => ({ ...before, error })),
    );
    const timer = setTimeout(load, found.medium === undefined ? 0 : SETTLED_MS);
    return () => (clearTimeout(timer), stop.abort());
  }, [media, step, isSeen, round]);
  return { medium: isSeen && known !== undefined ? known : found.medium, error: found.error };
}
