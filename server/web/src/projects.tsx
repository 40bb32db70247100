// All projects: what each holds, what runs, what sharing and the cache save.

import { age, bytes, count, duration, time } from "./common/figures";
import { useEvery, useLoaded } from "./common/hooks";
import type { Project, Statistics } from "./common/messages";
import { projectPath } from "./common/place";
import { DeletedProjects } from "./trash";
import { all, call, sentence } from "./common/wire";

function Figures({ project }: { project: Project }) {
  const loaded = useLoaded(() => call<Statistics>("ProjectService/GetProjectStatistics", { projectUid: project.uid }), [project.uid]);
  useEvery(15000, loaded.reload);
  const found = loaded.value;
  if (!found) return <td colSpan={6}>{loaded.error ? sentence(loaded.error) : ""}</td>;
  const [whole, stored] = [Number(found.versionBytes ?? 0), Number(found.storedBytes ?? 0)];
  const running = Number(found.runningModelCount ?? 0);
  const saved = Number(found.cacheSavedUs ?? 0) / 1e6;
  return (
    <>
      <td class="right">{count(found.modelCount)}</td>
      <td class="right">{running > 0 ? <span class="status running">{count(running)}</span> : "0"}</td>
      <td class="right" title={time(found.activeAtUs)}>{found.activeAtUs ? `${age(Date.now() * 1000 - Number(found.activeAtUs))} ago` : "never"}</td>
      <td class="right">{bytes(stored)}</td>
      <td class="right" title={`${bytes(whole)} as if each version were stored by itself`}>{bytes(Math.max(0, whole - stored))}</td>
      <td class="right">{saved > 0 ? duration(saved) : "0"}</td>
    </>
  );
}

export function Projects() {
  const loaded = useLoaded(() => all<Project, "projects">("ProjectService/ListProjects", { pageSize: 1000 }, "projects"), []);
  useEvery(30000, loaded.reload);
  const { value, error } = loaded;
  return (
    <main>
      <h1>Projects</h1>
      {error !== undefined && <p class="error" role="alert">{sentence(error)}</p>}
      {value?.found.length === 0 && <p class="nothing">There is no project yet. Log one: <code>xpstore.init(...)</code></p>}
      {value && value.found.length > 0 && (
        <div class="wide" tabIndex={0} role="region" aria-label="Projects">
          <table class="numbers">
            <thead>
              <tr>{["project", "models", "running", "last change", "stored", "saved by sharing", "saved by the cache"].map((name) => <th key={name} scope="col">{name}</th>)}</tr>
            </thead>
            <tbody>
              {value.found.map((project) => (
                <tr key={project.uid}>
                  <th scope="row">
                    <a href={projectPath(project.id)}>{project.id}</a>
                    {project.name && project.name !== project.id && <span class="pale"> {project.name}</span>}
                  </th>
                  <Figures project={project} />
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {value?.hasMore && <p class="pale">The first {value.found.length} projects.</p>}
      <DeletedProjects onBack={loaded.reload} />
    </main>
  );
}
