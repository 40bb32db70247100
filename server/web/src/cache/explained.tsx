// What there is under a fingerprint, and how the most similar other call of its process differs.

import { versionPath } from "../artifacts/addresses";
import { partKind } from "../artifacts/changes";
import { count, duration, time } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { CacheEntry, ProcessPart, Project } from "../common/messages";
import { change, projectPath } from "../common/place";
import { Told } from "../common/told";
import { call } from "../common/wire";

export const processOf = (entry: CacheEntry): string => entry.version?.process?.name ?? entry.version?.name ?? "";

interface Explanation {
  state?: string;
  entry?: CacheEntry;
  lease?: { holder?: string; heldBy?: string; acquiredAtUs?: string };
  nearest?: CacheEntry;
  differences?: { asked?: ProcessPart; known?: ProcessPart }[];
}

const STATES: Record<string, string> = {
  CACHE_STATE_HIT: "A hit: the next such call takes this result.",
  CACHE_STATE_ABSENT: "A miss: no result has this fingerprint.",
  CACHE_STATE_EXPIRED: "A miss: the result is past its time to live, or older than the project allows.",
  CACHE_STATE_DELETED: "A miss: the artifact version that held the result was deleted.",
  CACHE_STATE_RUNNING: "A miss: somebody computes it at this moment, and other calls wait for that.",
};

export function Why({ fingerprint }: { fingerprint: string }) {
  const ask = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = new FormData(event.currentTarget as HTMLFormElement).get("fingerprint");
    change({ e: String(text ?? "").trim() }, true);
  };
  return (
    <form class="bar" onSubmit={ask}>
      <label>why does a call hit or miss? <input key={fingerprint} name="fingerprint" defaultValue={fingerprint} placeholder="fingerprint" size={24} spellcheck={false} /></label>
      <button type="submit">Explain</button>
    </form>
  );
}

async function explain(projectUid: string, fingerprint: string): Promise<Explanation> {
  const ask = (more: object) => call<Explanation>("CacheService/ExplainCacheEntry", { projectUid, fingerprint, ...more });
  // The name of a process is needed to compare; which one it is, only the entry tells.
  const first = await ask({ process: { name: "unknown" } });
  const process = first.entry?.version?.process;
  if (!process) return first;
  // Of a hit nothing near is said: so none is young enough.
  const { nearest, differences } = await ask({ process, maxAgeUs: "0" });
  return { ...first, ...(nearest && { nearest }), ...(differences && { differences }) };
}

export function Explained({ project, fingerprint }: { project: Project; fingerprint: string }) {
  const loaded = useLoaded(() => explain(project.uid, fingerprint), [project.uid, fingerprint]);
  if (!loaded.value) return <Told loaded={loaded} />;
  const { state = "", entry, lease, nearest, differences = [] } = loaded.value;
  return (
    <section aria-label="Explained">
      <h2>{entry ? processOf(entry) || "A result" : "No result"} <code class="pale">{fingerprint.slice(0, 12)}</code></h2>
      <p role="status">{STATES[state] ?? state}</p>
      {lease && <p>{lease.holder} ({lease.heldBy}) computes since {time(lease.acquiredAtUs)}.</p>}
      {entry && (
        <p>
          {entry.version && <a href={versionPath(project.id, entry.version)}>{entry.version.name} v{entry.version.version}</a>} computed {time(entry.completedAtUs)} in {duration(Number(entry.durationUs ?? 0) / 1e6)}, {count(entry.hits)} {entry.hits === "1" ? "hit" : "hits"}
          {entry.expiresAtUs && `, a hit until ${time(entry.expiresAtUs)}`}.
        </p>
      )}
      {entry && !nearest && <p class="pale">The process has no other result to compare with.</p>}
      {!entry && state === "CACHE_STATE_ABSENT" && <p class="pale">Only the program knows the arguments of a call that was never computed: <code>function.explain(...)</code> compares it with what is known.</p>}
      {nearest && (
        <>
          <p>
            It was not <a href={projectPath(project.id, `/cache?e=${nearest.fingerprint}`)}>the most similar other result</a>
            {nearest.version && <> (<a href={versionPath(project.id, nearest.version)}>{nearest.version.name} v{nearest.version.version}</a>)</>}, because of what differs:
          </p>
          <div class="wide" tabIndex={0} role="region" aria-label="What differs">
            <table>
              <thead><tr>{["what", "here", "in the other"].map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
              <tbody>
                {differences.map(({ asked, known }) => {
                  const part = asked ?? known;
                  return (
                    <tr key={`${part?.kind} ${part?.name}`}>
                      <th scope="row">{partKind(part?.kind)} {part?.name}</th>
                      {[asked, known].map((one, at) => <td key={at}>{one ? one.text || <code>{one.fingerprint?.slice(0, 12)}</code> : <span class="pale">none</span>}</td>)}
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}
