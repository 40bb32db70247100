// The list as groups: how many models each has and what their numbers are; a group opens to its models.

import { useState } from "preact/hooks";
import { withClause } from "../clauses";
import { isNumber, label, shown } from "../fields";
import { Status } from "../list";
import type { Looks } from "../../common/colours";
import { count, number } from "../../common/figures";
import { useLoaded } from "../../common/hooks";
import type { Found, Row } from "../../common/messages";
import { displayName } from "../../common/names";
import { change, modelPath, useLeft } from "../../common/place";
import { Swatch } from "../../common/swatch";
import { call, sentence } from "../../common/wire";
import type { Source } from "../plots/points";
import { MOST_DRAWN, type Group, type Grouping } from "./groups";
import "./groups.css";

const MOST_SHOWN = 200;
const PAGE = 50;

interface Props {
  source: Source;
  grouping: Grouping;
  isOld: boolean;
  drawn: Looks;
  toggle: (clause: string) => void;
  sort: (field: string) => void;
}

export function GroupList({ source, grouping, isOld, drawn, toggle, sort }: Props) {
  const left = useLeft<string[]>("groups", (): string[] => opened);
  const [opened, setOpened]: [string[], (next: string[]) => void] = useState<string[]>(left ?? []);
  const [most, setMost] = useState(MOST_SHOWN);
  const { field, columns, groups, total } = grouping;
  const [sorted, direction] = source.order.split(/ (?=asc$|desc$)/);
  const turn = (clause: string): void => setOpened(opened.includes(clause) ? opened.filter((one) => one !== clause) : [...opened, clause]);
  return (
    <div class={isOld ? "list groups old" : "list groups"} tabIndex={0} role="region" aria-label={`Models by ${label(field)}`} aria-busy={isOld}>
      <table>
        <thead>
          <tr>
            <th scope="col"><span class="hidden">In the charts</span></th>
            <th scope="col">{label(field)}</th>
            <th scope="col" class="right">models</th>
            {columns.map((column) => (
              <th scope="col" key={column} class="right" aria-sort={sorted === column ? (direction === "desc" ? "descending" : "ascending") : "none"}>
                <button type="button" title={`${column}: order by the mean`} onClick={() => sort(column)}>
                  {label(column)}{sorted === column && <b aria-hidden="true"> {direction === "desc" ? "▾" : "▴"}</b>}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        {groups.slice(0, most).map((group) => (
          <tbody key={group.clause}>
            <tr class="group" aria-selected={drawn.has(group.clause)}>
              <td>
                <input type="checkbox" checked={drawn.has(group.clause)} aria-label={`${group.text} in the charts`} onChange={() => toggle(group.clause)}
                  disabled={!drawn.has(group.clause) && drawn.size >= MOST_DRAWN} />
              </td>
              <th scope="row">
                <button type="button" class="open" aria-expanded={opened.includes(group.clause)} onClick={() => turn(group.clause)}>
                  <span aria-hidden="true">{opened.includes(group.clause) ? "▾" : "▸"}</span> <Swatch look={drawn.get(group.clause)} />{group.text}
                </button>
              </th>
              <td class="right">{count(group.count)}</td>
              {columns.map((column, at) => <Aggregated key={column} of={group.aggregates[at]} models={group.count} />)}
            </tr>
            {opened.includes(group.clause) && <Opened {...{ source, group, columns }} />}
          </tbody>
        ))}
      </table>
      {groups.length === 0 && <p class="nothing">No model here.</p>}
      {groups.length > most && <button type="button" onClick={() => setMost(most + MOST_SHOWN)}>More groups</button>}
      {total > groups.length && <p class="nothing">The largest {count(groups.length)} of {count(total)} groups.</p>}
    </div>
  );
}

function Aggregated({ of, models }: { of: Group["aggregates"][number] | undefined; models: number }) {
  const numbers = Number(of?.count ?? 0);
  if (!of || numbers === 0) return <td class="right pale">none</td>;
  const [mean, min, max, spread] = [of.mean ?? 0, of.min ?? 0, of.max ?? 0, of.deviation ?? 0];
  return (
    <td class="right" title={`mean ${mean}, from ${min} to ${max}, standard deviation ${spread}, of ${count(numbers)} models`}>
      {number(mean)} {numbers > 1 && <span class="pale">±{Number(spread.toPrecision(2)) === 0 ? 0 : number(Number(spread.toPrecision(2)))}</span>}
      <div class="pale">{numbers > 1 && `${number(min)} to ${number(max)}`}{numbers < models && ` of ${count(numbers)}`}</div>
    </td>
  );
}

// The models of a group, some at a time.
function Opened({ source, group, columns }: { source: Source; group: Group; columns: string[] }) {
  const [most, setMost] = useState(PAGE);
  const filter = withClause(source.filter, group.clause);
  const loaded = useLoaded(async (signal) => {
    const request = { ...source, filter, orderBy: source.order, order: undefined, columns: ["name", "status", ...columns], pageSize: Math.min(most, 1000) };
    return (await call<Found>("ModelService/SearchModels", request, signal)).rows ?? [];
  }, [JSON.stringify([source, filter, columns]), most]);
  const rows = loaded.value;
  if (!rows) return <tr><td colSpan={columns.length + 3}>{loaded.error ? <p class="error" role="alert">{sentence(loaded.error)}</p> : <p class="nothing">Loading…</p>}</td></tr>;
  return (
    <>
      {rows.map((row) => <Member key={row.modelId} row={row} columns={columns} />)}
      <tr>
        <td />
        <td colSpan={columns.length + 2}>
          {group.count > rows.length && most < 1000 && <button type="button" onClick={() => setMost(most + PAGE)}>More models</button>}{" "}
          <button type="button" onClick={() => change({ q: filter, g: "", gs: "" }, true)}>List these alone</button>
        </td>
      </tr>
    </>
  );
}

function Member({ row, columns }: { row: Row; columns: string[] }) {
  const [name, status] = row.values;
  return (
    <tr>
      <td />
      <th scope="row"><a href={modelPath(row.modelId)}>{displayName(row.modelId, name?.text)}</a></th>
      <td class="right"><Status status={status?.text} /></td>
      {columns.map((column, at) => {
        const value = row.values[at + 2];
        return <td key={column} class={isNumber(value) ? "right" : ""}>{shown(value, column)}</td>;
      })}
    </tr>
  );
}
