// The cache of a project: what it saved, its entries, and why a call hits or misses.

import { useState } from "preact/hooks";
import { versionPath } from "../artifacts/addresses";
import { bytes, count, duration, time } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { CacheEntry, CacheStatistics, Project } from "../common/messages";
import { projectPath, usePlace } from "../common/place";
import { Told } from "../common/told";
import { all, call } from "../common/wire";
import { Explained, processOf, Why } from "./explained";

const MOST = 500;

const took = (entry: CacheEntry): number => Number(entry.durationUs ?? 0) / 1e6;
const saved = (entry: CacheEntry): number => took(entry) * Number(entry.hits ?? 0);

export function Cache({ project }: { project: Project }) {
  const { query } = usePlace();
  const projectUid = project.uid;
  const loaded = useLoaded(async () => {
    const entries = all<CacheEntry, "entries">("CacheService/ListCacheEntries", { projectUid, pageSize: MOST }, "entries", MOST);
    return { statistics: await call<CacheStatistics>("CacheService/GetCacheStatistics", { projectUid }), entries: await entries };
  }, [projectUid]);
  const { value } = loaded;
  const fingerprint = query.get("e") ?? "";
  return (
    <main>
      <h1>Cache</h1>
      {!value && <Told loaded={loaded} />}
      {value && (
        <dl class="facts">
          <div><dt>results</dt><dd>{count(value.statistics.entryCount)}</dd></div>
          <div><dt>hits</dt><dd>{count(value.statistics.hits)}</dd></div>
          <div><dt>computing time saved</dt><dd>{duration(Number(value.statistics.savedUs ?? 0) / 1e6)}</dd></div>
          <div><dt>size</dt><dd>{bytes(value.statistics.sizeBytes)}</dd></div>
        </dl>
      )}
      <Why fingerprint={fingerprint} />
      {fingerprint && <Explained key={fingerprint} project={project} fingerprint={fingerprint} />}
      {value?.entries.found.length === 0 && <p class="nothing">The cache has no results.</p>}
      {value && value.entries.found.length > 0 && <Entries project={project} {...value.entries} />}
    </main>
  );
}

function Entries({ project, found, hasMore }: { project: Project; found: CacheEntry[]; hasMore: boolean }) {
  const [sought, setSought] = useState("");
  const shown = found.filter((entry) => processOf(entry).toLowerCase().includes(sought.toLowerCase())).sort((one, other) => saved(other) - saved(one));
  return (
    <>
      <h2>Results</h2>
      <p class="bar">
        <input type="search" aria-label="Search processes" placeholder="process" value={sought} onInput={(event) => setSought(event.currentTarget.value)} />
        <span class="pale">What saved most comes first{hasMore && `, of the oldest ${MOST}`}.</span>
      </p>
      <div class="wide" tabIndex={0} role="region" aria-label="Results in the cache">
        <table class="numbers">
          <thead>
            <tr>{["process", "took", "hits", "saved", "size", "computed", "why"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
          </thead>
          <tbody>
            {shown.map((entry) => (
              <tr key={entry.fingerprint}>
                <th scope="row">{entry.version ? <a href={versionPath(project.id, entry.version)}>{processOf(entry)} v{entry.version.version}</a> : processOf(entry)}</th>
                <td class="right">{duration(took(entry))}</td>
                <td class="right">{count(entry.hits)}</td>
                <td class="right">{duration(saved(entry))}</td>
                <td class="right">{bytes(entry.version?.sizeBytes)}</td>
                <td class="right">{time(entry.completedAtUs)}</td>
                <td class="right" title={entry.fingerprint}><a href={projectPath(project.id, `/cache?e=${entry.fingerprint}`)}><code>{entry.fingerprint.slice(0, 12)}</code><span class="hidden"> explained</span></a></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
