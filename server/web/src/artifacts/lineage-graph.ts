// What a version or a model was made from, and what was made of it: a graph in layers, from left to right.

import type { Project, Version, VersionRef } from "../common/messages";
import { displayName } from "../common/names";
import { modelPath } from "../common/place";
import { all, call } from "../common/wire";
import { versionPath } from "./addresses";

export const MOST_NODES = 120;
const MOST_LAYERS = 4;
const PAGE = 100;
// Versions whose models are asked for.
const MOST_ASKED = 50;

export interface Node {
  id: string;
  kind: "version" | "model";
  title: string;
  detail: string;
  href: string;
  // Versions have even ones, models of a version the odd one left of it.
  layer: number;
}

export interface Graph {
  nodes: Map<string, Node>;
  edges: [from: string, to: string][];
  // What was left out.
  isCut: boolean;
}

export type Start = { version: Version } | { modelId: string; name: string | undefined; versions: Version[] };

class Growing {
  readonly nodes = new Map<string, Node>();
  readonly edges = new Map<string, [string, string]>();
  isCut = false;

  constructor(readonly project: Project) {}

  // Whether it is there now: a graph has an end.
  add(node: Node): boolean {
    if (this.nodes.has(node.id)) return true;
    if (this.nodes.size >= MOST_NODES) {
      this.isCut = true;
      return false;
    }
    this.nodes.set(node.id, node);
    return true;
  }

  version(id: string, ref: { name: string; version: string; type: string }, layer: number): boolean {
    const href = versionPath(this.project.id, { ...ref, id }, { v: "lineage" });
    return this.add({ id, kind: "version", title: `${ref.name} v${ref.version}`, detail: ref.type, href, layer });
  }

  model(id: string, layer: number, name?: string): boolean {
    return this.add({ id, kind: "model", title: displayName(id, name), detail: "model", href: modelPath(id), layer });
  }

  edge(from: string, to: string): void {
    this.edges.set(`${from} ${to}`, [from, to]);
  }

  // The models that a version belongs to.
  links(version: Version, layer: number): void {
    const ids = new Set((version.links ?? []).map((link) => link.modelId));
    if (Number(version.linkCount ?? 0) > (version.links ?? []).length) this.isCut = true;
    for (const id of ids) if (this.model(id, layer - 1)) this.edge(id, version.id);
  }

  // Those that versions were made from, or that were made of them, and so on.
  async grow(starts: string[], layer: number, users: boolean): Promise<void> {
    let edge = starts;
    for (let step = 1; edge.length > 0; step += 1) {
      const found = await Promise.all(edge.map((versionId) => all<VersionRef, "versions">("ArtifactService/ListArtifactLineage", { versionId, users, pageSize: PAGE }, "versions", PAGE)));
      if (step > MOST_LAYERS) {
        this.isCut ||= found.some((one) => one.found.length > 0);
        return;
      }
      const next = new Set<string>();
      found.forEach((page, at) => {
        this.isCut ||= page.hasMore;
        for (const ref of page.found) {
          const isNew = !this.nodes.has(ref.versionId);
          if (!this.version(ref.versionId, ref, layer + (users ? 2 : -2) * step)) continue;
          if (isNew) next.add(ref.versionId);
          const [from, to] = users ? [edge[at], ref.versionId] : [ref.versionId, edge[at]];
          this.edge(from ?? "", to ?? "");
        }
      });
      edge = [...next];
    }
  }
}

export async function graphOf(project: Project, start: Start): Promise<Graph> {
  const growing = new Growing(project);
  if ("version" in start) {
    growing.version(start.version.id, start.version, 0);
    growing.links(start.version, 0);
    await growing.grow([start.version.id], 0, false);
    await growing.grow([start.version.id], 0, true);
  } else {
    growing.model(start.modelId, -1, start.name);
    const own = start.versions.filter((version) => growing.version(version.id, version, 0));
    for (const version of own) growing.edge(start.modelId, version.id);
    const ids = own.map((version) => version.id);
    await growing.grow(ids, 0, false);
    await growing.grow(ids, 0, true);
  }
  // Models of the versions nearest to it.
  const near = [...growing.nodes.values()].filter((node) => node.kind === "version" && ("version" in start ? node.layer !== 0 : true));
  near.sort((one, other) => Math.abs(one.layer) - Math.abs(other.layer));
  const versions = await Promise.all(near.slice(0, MOST_ASKED).map((node) => call<{ version: Version }>("ArtifactService/GetArtifactVersion", { versionId: node.id })));
  versions.forEach(({ version }, at) => growing.links(version, near[at]?.layer ?? 0));
  growing.isCut ||= near.length > MOST_ASKED;
  straighten(growing);
  return { nodes: growing.nodes, edges: [...growing.edges.values()], isCut: growing.isCut };
}

// Every edge leads to the right: one to a node that is not, puts that further right.
function straighten({ nodes, edges }: Growing): void {
  for (let round = 0; round < nodes.size; round += 1) {
    let isDone = true;
    for (const [from, to] of edges.values()) {
      const [left, right] = [nodes.get(from), nodes.get(to)];
      if (!left || !right || left.layer < right.layer) continue;
      right.layer = left.layer + (left.kind === "version" && right.kind === "version" ? 2 : 1);
      isDone = false;
    }
    if (isDone) return;
  }
}
