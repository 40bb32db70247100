// The page: who is signed in, and which view the path names.

import { render } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./page.css";
import { Artifacts } from "./artifacts/artifacts";
import { Storage } from "./artifacts/storage";
import { VersionPage, type Wanted } from "./artifacts/version";
import { Cache } from "./cache/cache";
import { Help } from "./help";
import { useLoaded } from "./common/hooks";
import { useKeys } from "./common/keys";
import { GoTo } from "./goto";
import { Login } from "./login";
import { ModelPage } from "./model";
import type { Project } from "./common/messages";
import { follow, go, projectPath, usePlace } from "./common/place";
import { Projects } from "./projects";
import { useTheme } from "./common/theme";
import { Trash } from "./trash";
import { call, sentence, session, signOut, whenSignedOut, type Session } from "./common/wire";
import { Workbench } from "./workbench/workbench";

const getProject = (projectId: string): Promise<{ project: Project }> => call("ProjectService/GetProject", { projectId });

// The project of the first view, asked for while it is asked who is signed in: for its first taker, if that went well.
const early = new Map<string, Promise<{ project: Project }>>();
function begin(id: string): void {
  const begun = getProject(id);
  early.set(id, begun);
  begun.catch(() => early.delete(id));
}
function project(id: string): Promise<{ project: Project }> {
  const begun = early.get(id);
  early.delete(id);
  return begun ?? getProject(id);
}

const ROOMS = [["", "Models"], ["/artifacts", "Artifacts"], ["/cache", "Cache"], ["/storage", "Storage"], ["/trash", "Trash"]] as const;

function Page() {
  const { path, query } = usePlace();
  const { isDark, turn } = useTheme();
  // undefined: not known yet.
  const [who, setWho] = useState<Session | null | undefined>(undefined);
  const [error, setError] = useState("");
  const [helps, setHelps] = useState(false);
  const ask = (): void => {
    session().then((found) => (setWho(found), setError("")), (cause: unknown) => setError(sentence(cause)));
  };
  // Before anything is painted: effects wait for that.
  useLayoutEffect(() => {
    whenSignedOut(() => setWho(null));
    ask();
    if (path[0] === "p" && path[1] !== undefined) begin(path[1]);
  }, []);
  useKeys({ "?": () => setHelps(true) });
  const [kind, id, room, ...rest] = path;
  const versionId = query.get("id") ?? undefined;
  useEffect(() => {
    document.title = [kind === "p" ? id : undefined, "xpstore"].filter(Boolean).join(" · ");
  }, [kind, id]);
  if (who === null) return <Login onDone={() => (kind === "login" && go("/"), ask())} />;
  if (who === undefined) return <main><p class={error ? "error" : "nothing"}>{error || "Loading…"}</p></main>;
  const leave = (): void => void signOut().finally(() => setWho(null));
  return (
    <div class="page" onClick={follow}>
      <header class="top">
        <a class="home" href="/">xpstore</a>
        {kind === "p" && id !== undefined && <Rooms id={id} room={room ?? ""} />}
        <span class="push" />
        <button type="button" onClick={turn} aria-label={isDark ? "Light colours" : "Dark colours"} title={isDark ? "Light colours" : "Dark colours"}>{isDark ? "☀" : "☾"}</button>
        <button type="button" onClick={() => setHelps(true)} aria-label="Keys" title="Keys">?</button>
        <button type="button" onClick={leave} title={`Signed in as ${who.name}`}>Sign out</button>
      </header>
      {kind === "p" && id !== undefined ? (
        <ProjectPage key={id} id={id} room={room ?? ""} wanted={{ id: versionId, name: rest[0], selector: rest[1] }} isDark={isDark} />
      ) : kind === "m" && id !== undefined ? (
        <ModelPage key={id} id={id} isDark={isDark} />
      ) : (
        <Projects />
      )}
      <GoTo project={kind === "p" ? id : undefined} />
      {helps && <Help close={() => setHelps(false)} />}
    </div>
  );
}

function Rooms({ id, room }: { id: string; room: string }) {
  return (
    <nav class="rooms" aria-label="Project">
      <a class="project" href={projectPath(id)}>{id}</a>
      {ROOMS.map(([rest, text]) => (
        <a key={rest} href={projectPath(id, rest)} aria-current={rest.slice(1) === room ? "page" : undefined}>{text}</a>
      ))}
    </nav>
  );
}

function ProjectPage({ id, room, wanted, isDark }: { id: string; room: string; wanted: Wanted; isDark: boolean }) {
  const loaded = useLoaded(() => project(id), [id]);
  const found = loaded.value?.project;
  if (!found) return <main>{loaded.error ? <p class="error" role="alert">{sentence(loaded.error)}</p> : <p class="nothing">Loading…</p>}</main>;
  if (room === "artifacts" && (wanted.id ?? wanted.name) !== undefined) return <VersionPage key={`${wanted.id} ${wanted.name}/${wanted.selector}`} project={found} wanted={wanted} />;
  if (room === "artifacts") return <Artifacts project={found} />;
  if (room === "cache") return <Cache project={found} />;
  if (room === "storage") return <Storage project={found} />;
  if (room === "trash") return <Trash project={found} />;
  return <Workbench project={found} isDark={isDark} />;
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
