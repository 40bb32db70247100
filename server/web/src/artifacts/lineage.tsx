// The graph of lineage: lines drawn behind links, and the same as a list.

import { useEffect, useRef } from "preact/hooks";
import { useLoaded } from "../common/hooks";
import { count } from "../common/figures";
import type { Project } from "../common/messages";
import { Told } from "../common/told";
import { graphOf, MOST_NODES, type Graph, type Node, type Start } from "./lineage-graph";
import "./lineage.css";

const [WIDTH, HEIGHT, GAP_X, GAP_Y, EDGE] = [176, 44, 56, 12, 8];

interface Box extends Node {
  x: number;
  y: number;
}

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
  const { boxes, width, height } = placed(loaded.value);
  const lines = edges.flatMap(([from, to]) => {
    const [left, right] = [boxes.get(from), boxes.get(to)];
    return left && right ? [curve(left, right)] : [];
  });
  return (
    <section aria-label="Lineage">
      <p class="pale">What it was made from is on the left, what was made of it on the right.{isCut && ` More is not drawn: at most ${count(MOST_NODES)} versions and models.`}</p>
      <div ref={region} class="wide" tabIndex={0} role="region" aria-label="Graph of lineage">
        <div class="graph" style={{ width: `${width}px`, height: `${height}px` }}>
          <svg width={width} height={height} aria-hidden="true">
            <marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z" /></marker>
            {lines.map((path) => <path key={path} d={path} marker-end="url(#arrow)" />)}
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

function curve(left: Box, right: Box): string {
  const [x, y] = [left.x + WIDTH, left.y + HEIGHT / 2];
  const [toX, toY] = [right.x, right.y + HEIGHT / 2];
  const bend = Math.max(24, (toX - x) / 2);
  return `M${x} ${y} C${x + bend} ${y} ${toX - bend} ${toY} ${toX} ${toY}`;
}

// Columns of boxes; in each they stand in the order of the mean height of their neighbours in those before.
function placed({ nodes, edges }: Graph): { boxes: Map<string, Box>; width: number; height: number } {
  const layers = new Map<number, Node[]>();
  for (const node of nodes.values()) layers.set(node.layer, [...(layers.get(node.layer) ?? []), node]);
  const order = [...layers.keys()].sort((one, other) => one - other);
  const tallest = Math.max(...[...layers.values()].map((column) => column.length));
  const height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * EDGE;
  const boxes = new Map<string, Box>();
  const near = new Map<string, string[]>();
  for (const [from, to] of edges) near.set(to, [...(near.get(to) ?? []), from]);
  order.forEach((layer, column) => {
    const own = layers.get(layer) ?? [];
    const mean = (node: Node): number => {
      const heights = (near.get(node.id) ?? []).flatMap((id) => boxes.get(id)?.y ?? []);
      return heights.length > 0 ? heights.reduce((sum, one) => sum + one, 0) / heights.length : height / 2;
    };
    const sorted = own.map((node) => [mean(node), node] as const).sort(([one], [other]) => one - other);
    const top = (height - own.length * (HEIGHT + GAP_Y) + GAP_Y) / 2;
    sorted.forEach(([, node], at) => boxes.set(node.id, { ...node, x: EDGE + column * (WIDTH + GAP_X), y: top + at * (HEIGHT + GAP_Y) }));
  });
  return { boxes, width: order.length * (WIDTH + GAP_X) - GAP_X + 2 * EDGE, height };
}
