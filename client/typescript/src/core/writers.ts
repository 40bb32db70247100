// The writers of a client: points are numbered for each project from 0.

import type { Connection } from "./connection.js";
import { MetricWriter } from "./metrics.js";

export class Writers {
  private readonly byProject = new Map<string, MetricWriter>();

  constructor(private readonly connection: Connection) {}

  of(projectUid: string): MetricWriter {
    const writer = this.byProject.get(projectUid) ?? new MetricWriter(this.connection);
    this.byProject.set(projectUid, writer);
    return writer;
  }
}
