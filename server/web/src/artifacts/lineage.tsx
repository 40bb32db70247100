// The graph of lineage: lines drawn behind links, and the same as a list.

import { useEffect, useRef } from "preact/hooks";
import { useLoaded } from "../common/hooks";
import { count } from "../common/figures";
import type { Project } from "../common/messages";
import { Told } from "../common/told";
import { graphOf, MOST_NODES, type Graph, type Node, type Start } from "./lineage-graph";
import "./lineage.css";

const [WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE] = [176, 44, 56, 12, 8];

interface Place {
  x: number;
  y: number;
}

interface Box extends Node, Place {}

export function Lineage({ project, start }: { project: Project; start: Start }) {
  const id = "version" in start ? start.version.id : start.modelId;
  const versions = "version" in start ? "" : start.versions.map((version) => version.id).join();
  const loaded = useLoaded(() => graphOf(project, start), [id, versions]);
  const region = useRef<HTMLDivElement>(null);
  // What it is about is in view, where the graph is wider than that.
  useEffect(() => {
    const node = region.current?.querySelector<HTMLElement>("[aria-current]");
    if (node && region.current) region.current.scrollLeft = node.offsetLeft - (region.current.clientWidth - node.offsetWidth) / 2;
  }, [loaded.value]);
  if (!loaded.value) return <Told loaded={loaded} />;
  const { nodes, edges, isCut } = loaded.value;
  if (edges.length === 0) return <p class="nothing">Nothing is known of what it was made from, and nothing was made of it.</p>;
  const { boxes, lines, width, height } = placed(loaded.value);
  return (
    <section aria-label="Lineage">
      <p class="pale">What it was made from is on the left, what was made of it on the right.{isCut && ` More is not drawn: at most ${count(MOST_NODES)} versions and models.`}</p>
      <div ref={region} class="wide" tabIndex={0} role="region" aria-label="Graph of lineage">
        <div class="graph" style={{ width: `${width}px`, height: `${height}px` }}>
          <svg width={width} height={height} aria-hidden="true">
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z" /></marker>
            {lines.map((path) => <path key={path} d={path} marker-end={path.endsWith(" ") ? undefined : "url(#arrow)"} />)}
          </svg>
          {[...boxes.values()].map((box) => (
            <a key={box.id} class={`node ${box.kind}`} href={box.href} title={box.title} aria-current={box.id === id ? "true" : undefined} style={{ left: `${box.x}px`, top: `${box.y}px` }}>
              <b>{box.title}</b> <span class="pale">{box.detail}</span>
            </a>
          ))}
        </div>
      </div>
      <details>
        <summary>As a list</summary>
        <ul>
          {edges.map(([from, to]) => <li key={`${from} ${to}`}><Named node={nodes.get(from)} /> → <Named node={nodes.get(to)} /></li>)}
        </ul>
      </details>
    </section>
  );
}

function Named({ node }: { node: Node | undefined }) {
  return node ? <a href={node.href}>{node.kind === "model" && "model "}{node.title}</a> : null;
}

function curve(left: Place, right: Place): string {
  const [x, y] = [left.x + WIDTH, left.y + HEIGHT / 2];
  const [toX, toY] = [right.x, right.y + HEIGHT / 2];
  const bend = (toX - x) / 2;
  return `M${x} ${y} C${x + bend} ${y} ${toX - bend} ${toY} ${toX} ${toY}`;
}

interface Placed {
  boxes: Map<string, Box>;
  lines: string[];
  width: number;
  height: number;
}

// Columns of boxes; in each they stand in the order of the mean height of their neighbours in those before. A line that leads past a
// column has a place of its own there, one for all that lead to the same box, so that it seems to lead to nothing else.
function placed({ nodes, edges }: Graph): Placed {
  const order = [...new Set([...nodes.values()].map((node) => node.layer))].sort((one, other) => one - other);
  const columns: Set<string>[] = order.map(() => new Set());
  const at = (id: string): number => order.indexOf(nodes.get(id)?.layer ?? 0);
  for (const id of nodes.keys()) columns[at(id)]?.add(id);
  const parts = new Map<string, [from: string, to: string]>();
  for (const [from, to] of edges) {
    let last = from;
    for (let column = at(from) + 1; column <= at(to); column += 1) {
      const next = column === at(to) ? to : `${to} ${column}`;
      columns[column]?.add(next);
      parts.set(`${last} > ${next}`, [last, next]);
      last = next;
    }
  }
  const near = new Map<string, string[]>();
  for (const [from, to] of parts.values()) near.set(to, [...(near.get(to) ?? []), from]);
  const height = Math.max(...columns.map((column) => column.size)) * (HEIGHT + GAP_Y) - GAP_Y + 2 * EDGE;
  const places = new Map<string, Place>();
  columns.forEach((own, column) => {
    const mean = (id: string): number => {
      const heights = (near.get(id) ?? []).flatMap((one) => places.get(one)?.y ?? []);
      return heights.length > 0 ? heights.reduce((sum, one) => sum + one, 0) / heights.length : height / 2;
    };
    const sorted = [...own].map((id) => [mean(id), id] as const).sort(([one], [other]) => one - other);
    const top = (height - own.size * (HEIGHT + GAP_Y) + GAP_Y) / 2;
    sorted.forEach(([, id], row) => places.set(id, { x: EDGE + column * (WIDTH + GAP_X), y: top + row * (HEIGHT + GAP_Y) }));
  });
  const boxes = new Map([...nodes].map(([id, node]): [string, Box] => [id, { ...node, ...(places.get(id) ?? { x: 0, y: 0 }) }]));
  const lines = [...parts.values()].map(([from, to]) => {
    const [left, right] = [places.get(from) ?? { x: 0, y: 0 }, places.get(to) ?? { x: 0, y: 0 }];
    // Past a column it goes on straight, without the head of an arrow.
    return curve(left, right) + (nodes.has(to) ? "" : ` h${WIDTH} `);
  });
  return { boxes, lines, width: order.length * (WIDTH + GAP_X) - GAP_X + 2 * EDGE, height };
}
