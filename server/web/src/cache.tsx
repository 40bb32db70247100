// The cache of a project: what it saved, and its entries.

import { bytes, count, duration, time } from "./common/figures";
import { useLoaded } from "./common/hooks";
import type { CacheEntry, CacheStatistics, Project } from "./common/messages";
import { all, call, sentence } from "./common/wire";

const MOST = 500;

export function Cache({ project }: { project: Project }) {
  const projectUid = project.uid;
  const loaded = useLoaded(async () => {
    const entries = all<CacheEntry, "entries">("CacheService/ListCacheEntries", { projectUid, pageSize: MOST }, "entries", MOST);
    return { statistics: await call<CacheStatistics>("CacheService/GetCacheStatistics", { projectUid }), entries: await entries };
  }, [projectUid]);
  const { value, error } = loaded;
  return (
    <main>
      <h1>Cache</h1>
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {value && (
        <dl class="facts">
          <div><dt>results</dt><dd>{count(value.statistics.entryCount)}</dd></div>
          <div><dt>hits</dt><dd>{count(value.statistics.hits)}</dd></div>
          <div><dt>computing time saved</dt><dd>{duration(Number(value.statistics.savedUs ?? 0) / 1e6)}</dd></div>
          <div><dt>size</dt><dd>{bytes(value.statistics.sizeBytes)}</dd></div>
        </dl>
      )}
      {value?.entries.found.length === 0 && <p class="nothing">The cache has no results.</p>}
      {value && value.entries.found.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Results in the cache">
          <table>
            <thead>
              <tr>{["process", "took", "hits", "size", "computed", "fingerprint"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
            </thead>
            <tbody>
              {value.entries.found.map((entry) => (
                <tr key={entry.fingerprint}>
                  <th scope="row">{entry.version?.process?.name ?? entry.version?.name}</th>
                  <td class="right">{duration(Number(entry.durationUs ?? 0) / 1e6)}</td>
                  <td class="right">{count(entry.hits)}</td>
                  <td class="right">{bytes(entry.version?.sizeBytes)}</td>
                  <td>{time(entry.completedAtUs)}</td>
                  <td title={entry.fingerprint}><code>{entry.fingerprint.slice(0, 12)}</code></td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {value?.entries.hasMore && <p class="pale">The first {MOST} results.</p>}
    </main>
  );
}
