// What a project takes in the store, and what of it is largest.

import { bytes, count, duration, time } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { Limits, Project, Statistics, Version } from "../common/messages";
import { projectPath } from "../common/place";
import { Told } from "../common/told";
import { all, call } from "../common/wire";
import { versionPath } from "./addresses";

// Versions that are looked through, and artifacts that are shown.
const MOST = 5000;
const ROWS = 50;

interface Held {
  newest: Version;
  largest: Version;
  count: number;
  sizeBytes: number;
}

// What each artifact has, the largest first.
function heldOf(versions: Version[]): Held[] {
  const found = new Map<string, Held>();
  for (const version of versions) {
    const own = found.get(version.artifactId) ?? { newest: version, largest: version, count: 0, sizeBytes: 0 };
    const size = Number(version.sizeBytes ?? 0);
    own.count += 1;
    own.sizeBytes += size;
    if (size > Number(own.largest.sizeBytes ?? 0)) own.largest = version;
    found.set(version.artifactId, own);
  }
  return [...found.values()].sort((one, other) => other.sizeBytes - one.sizeBytes);
}

async function load(projectUid: string) {
  const versions = (deleted: boolean) => all<Version, "versions">("ArtifactService/ListArtifactVersions", { projectUid, deleted, descending: true, pageSize: 1000 }, "versions", MOST);
  const [statistics, live, deleted, { limits }] = await Promise.all([
    call<Statistics>("ProjectService/GetProjectStatistics", { projectUid }),
    versions(false),
    versions(true),
    call<Limits>("LimitsService/GetLimits", {}),
  ]);
  return { statistics, live, deleted, keptUs: Number(limits.undoKeptUs) };
}

export function Storage({ project }: { project: Project }) {
  const loaded = useLoaded(() => load(project.uid), [project.uid]);
  return (
    <main>
      <h1>Storage</h1>
      {loaded.value ? <Figures project={project} {...loaded.value} /> : <Told loaded={loaded} />}
    </main>
  );
}

function Figures({ project, statistics, live, deleted, keptUs }: { project: Project } & Awaited<ReturnType<typeof load>>) {
  const [whole, stored] = [Number(statistics.versionBytes ?? 0), Number(statistics.storedBytes ?? 0)];
  const gone = deleted.found.reduce((sum, version) => sum + Number(version.sizeBytes ?? 0), 0);
  const held = heldOf(live.found);
  const ends = deleted.found.map((version) => Number(version.deletedAtUs ?? 0) + keptUs);
  return (
    <>
      <dl class="facts">
        <div><dt>stored</dt><dd>{bytes(stored)}</dd></div>
        <div><dt>versions, each by itself</dt><dd>{bytes(whole)}</dd></div>
        <div><dt>saved by sharing and compression</dt><dd>{bytes(Math.max(0, whole - stored))}{whole > stored && whole > 0 && ` (${Math.round((1 - stored / whole) * 100)} %)`}</dd></div>
        <div><dt>computing time saved by the cache</dt><dd>{duration(Number(statistics.cacheSavedUs ?? 0) / 1e6)}</dd></div>
        <div><dt>artifacts</dt><dd>{count(statistics.artifactCount)}</dd></div>
        <div><dt>versions</dt><dd>{count(statistics.versionCount)}</dd></div>
      </dl>
      <h2>In the trash</h2>
      {deleted.found.length === 0 ? <p class="nothing">Nothing. What is deleted stays for {duration(keptUs / 1e6)}, and counts as stored so long.</p> : (
        <p>
          <a href={projectPath(project.id, "/trash")}>{count(deleted.found.length)}{deleted.hasMore && " and more"} {deleted.found.length === 1 ? "version" : "versions"}</a> of {bytes(gone)}, {deleted.found.length === 1 ? "" : "each "}for {duration(keptUs / 1e6)} after it was deleted: the first until {time(Math.min(...ends))}. They count as stored so long.
        </p>
      )}
      <h2>Largest artifacts</h2>
      {held.length === 0 && <p class="nothing">This project has no artifacts.</p>}
      {held.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Largest artifacts">
          <table class="numbers">
            <thead>
              <tr>{["artifact", "type", "all versions", "versions", "largest version", "its size", "newest saved"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
            </thead>
            <tbody>
              {held.slice(0, ROWS).map((one) => (
                <tr key={one.newest.artifactId}>
                  <th scope="row"><a href={versionPath(project.id, one.newest)}>{one.newest.name}</a></th>
                  <td class="right">{one.newest.type}</td>
                  <td class="right">{bytes(one.sizeBytes)}</td>
                  <td class="right">{count(one.count)}</td>
                  <td class="right"><a href={versionPath(project.id, one.largest)} aria-label={`${one.largest.name} v${one.largest.version}`}>v{one.largest.version}</a></td>
                  <td class="right">{bytes(one.largest.sizeBytes)}</td>
                  <td class="right">{time(one.newest.createdAtUs)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="pale">
        Sizes are those of the files, before chunks are shared.
        {held.length > ROWS && ` The largest ${ROWS} of ${count(held.length)} artifacts.`}
        {live.hasMore && ` Of the newest ${count(live.found.length)} versions.`}
      </p>
    </>
  );
}
