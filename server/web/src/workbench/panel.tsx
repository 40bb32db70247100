// What is shown of the models beside the list: charts and comparison of the selected, plots of all that are found.

import { useMemo } from "preact/hooks";
import { Charts } from "./charts";
import type { Cell } from "./cells";
import { Compare } from "./compare";
import { label, offers } from "./fields";
import { ChoiceButton } from "../common/chooser";
import { plain, type Looks } from "../common/colours";
import { count } from "../common/figures";
import { change, usePlace } from "../common/place";
import { Swatch } from "../common/swatch";
import { sentence } from "../common/wire";
import { MediaPane } from "../media/media";
import { grouped as mergeOf } from "./groups/group-lines";
import type { Group } from "./groups/groups";
import type { Grouped } from "./grouped";
import type { Bench } from "./plots/bench";
import { Legend } from "./plots/legend";
import { painterOf, type Painter } from "./plots/painter";
import { Parallel } from "./plots/parallel";
import { usePoints } from "./plots/points";
import { Scatter } from "./plots/scatter";

const PANES = [["charts", "Charts"], ["compare", "Compare"], ["media", "Media"], ["scatter", "Scatter"], ["parallel", "Parallel"]] as const;

export interface Colouring {
  painter: Painter | null;
  drawn: Looks;
  error: unknown;
}

// The looks of the selected models: by their ids, or by the value that each has in a field.
export function useColouring({ source, drawn, isLive, isDark }: Bench, field: string): Colouring {
  const { points, error } = usePoints(source, field && drawn.size > 0 ? [field] : [], isLive);
  return useMemo(() => {
    const cells = points?.cells.get(field);
    if (!field || !points || !cells) return { painter: null, drawn, error };
    const own = new Map<string, Cell>(points.ids.map((id, at) => [id, cells[at] ?? null]));
    const painter = painterOf(field, [...drawn.keys()].map((id) => own.get(id) ?? null), isDark);
    return { painter, drawn: new Map([...drawn.keys()].map((id) => [id, plain(painter.colour(own.get(id) ?? null))])), error };
  }, [points, field, drawn, isDark, error]);
}

interface Props {
  bench: Bench;
  grouped: Grouped | null;
  colouring: Colouring;
  // Ids of the models that are drawn, in the order of their selection.
  shown: string[];
  selected: string[];
  names: (id: string) => string;
  isRunning: boolean;
}

export function Panel({ bench, grouped, colouring, shown, selected, names, isRunning }: Props) {
  const { query } = usePlace();
  const pane = query.get("v") ?? "charts";
  const k = query.get("k") ?? "";
  const { fields, isDark } = bench;
  const colours = useMemo(() => [{ value: "", text: "each model its own" }, ...offers(fields ?? [], true)], [fields]);
  return (
    <section class="panel" aria-label="Charts and plots">
      <h2 class="hidden">What the list has</h2>
      <div class="panes" role="tablist" aria-label="What is shown">
        {PANES.map(([name, text]) => (
          <button type="button" role="tab" key={name} aria-selected={pane === name} onClick={() => change({ v: name === "charts" ? "" : name })}>{text}</button>
        ))}
      </div>
      {pane === "compare" ? (
        <Compare models={selected} drawn={colouring.drawn} />
      ) : pane === "media" ? (
        <MediaPane models={selected} drawn={colouring.drawn} names={names} isLive={isRunning} isDark={isDark} />
      ) : pane === "scatter" ? (
        <Scatter {...bench} drawn={colouring.drawn} />
      ) : pane === "parallel" ? (
        <Parallel {...bench} drawn={colouring.drawn} />
      ) : grouped ? (
        <GroupCharts groups={grouped.groups} members={grouped.members} isWaiting={!grouped.loaded.grouping && grouped.loaded.error === undefined} {...{ fields, isDark, isRunning }} />
      ) : (
        <>
          {colouring.painter && <Legend painter={colouring.painter} isDark={isDark} none="no value, or not found by the filter" />}
          {k && colouring.error !== undefined && <p class="error" role="alert">{sentence(colouring.error)}</p>}
          <Charts fields={fields} models={shown} drawn={colouring.drawn} names={names} isDark={isDark} isLive={isRunning}>
            <ChoiceButton label="colour" text={k && label(k)} choices={colours} choose={(field) => change({ k: field })} />
          </Charts>
        </>
      )}
    </section>
  );
}

interface GroupChartsProps extends Pick<Grouped, "groups" | "members">, Pick<Bench, "fields" | "isDark"> {
  isRunning: boolean;
  // Whether the groups are not known yet.
  isWaiting: boolean;
}

// The lines of groups: their legend says of how many models each is the mean.
function GroupCharts({ groups, members: { members, looks, error }, fields, isDark, isRunning, isWaiting }: GroupChartsProps) {
  const models = useMemo(() => [...members.values()].flat(), [members]);
  const merge = useMemo(() => mergeOf(members), [members]);
  const told = (group: Group): string => {
    const drawn = members.get(group.clause)?.length ?? 0;
    return drawn < group.count ? `${group.text}: ${drawn} of ${count(group.count)} models` : `${group.text}: ${count(group.count)} ${group.count === 1 ? "model" : "models"}`;
  };
  const names = (clause: string): string => {
    const group = groups.find((one) => one.clause === clause);
    return group ? told(group) : clause;
  };
  const isCut = groups.some((group) => (members.get(group.clause)?.length ?? 0) < group.count);
  return (
    <>
      <p class="legend" role="group" aria-label="Lines of the charts">
        {groups.map((group) => <span key={group.clause}><Swatch look={looks.get(group.clause)} />{members.has(group.clause) ? told(group) : group.text}</span>)}
      </p>
      <p class="notes">
        Each line is the mean of a group's lines, its band from the smallest to the largest of them.
        {isCut && members.size > 0 && " Of larger groups the first models in the list's order are drawn, 100 lines in all."}
      </p>
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {models.length > 0 && <Charts key={models.join()} fields={fields} models={models} drawn={looks} names={names} isDark={isDark} isLive={isRunning} merge={merge} />}
      {models.length === 0 && error === undefined && <p class="nothing">{groups.length > 0 || isWaiting ? "Loading…" : "Choose groups in the list to draw them."}</p>}
    </>
  );
}
