// The page: who is signed in, and which view the path names.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import "./page.css";
import { Artifacts, Trash } from "./artifacts/artifacts";
import { Cache } from "./cache";
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
import { call, sentence, session, signOut, whenSignedOut, type Session } from "./common/wire";
import { Workbench } from "./workbench/workbench";

const ROOMS = [["", "Models"], ["/artifacts", "Artifacts"], ["/cache", "Cache"], ["/trash", "Trash"]] as const;

function Page() {
  const { path } = usePlace();
  const { isDark, turn } = useTheme();
  // undefined: not known yet.
  const [who, setWho] = useState<Session | null | undefined>(undefined);
  const [error, setError] = useState("");
  const [helps, setHelps] = useState(false);
  const ask = (): void => {
    session().then((found) => (setWho(found), setError("")), (cause: unknown) => setError(sentence(cause)));
  };
  useEffect(() => {
    whenSignedOut(() => setWho(null));
    ask();
  }, []);
  useKeys({ "?": () => setHelps(true) });
  const [kind, id, room] = path;
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
        <ProjectPage key={id} id={id} room={room ?? ""} isDark={isDark} />
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

function ProjectPage({ id, room, isDark }: { id: string; room: string; isDark: boolean }) {
  const loaded = useLoaded(() => call<{ project: Project }>("ProjectService/GetProject", { projectId: id }), [id]);
  const project = loaded.value?.project;
  if (!project) return <main>{loaded.error ? <p class="error" role="alert">{sentence(loaded.error)}</p> : <p class="nothing">Loading…</p>}</main>;
  if (room === "artifacts") return <Artifacts project={project} />;
  if (room === "cache") return <Cache project={project} />;
  if (room === "trash") return <Trash project={project} />;
  return <Workbench project={project} isDark={isDark} />;
}

const root = document.getElementById("page");
if (root) render(<Page />, root);
