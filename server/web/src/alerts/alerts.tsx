// What somebody should look at: of a model, and of all models of a project.

import { useEffect, useRef, useState } from "preact/hooks";
import { count, time } from "../common/figures";
import { useEvery, useLoaded, type Loaded } from "../common/hooks";
import { keep, kept } from "../common/kept";
import type { Alert, Project } from "../common/messages";
import { ModelLink } from "../common/model-link";
import { Told } from "../common/told";
import { call } from "../common/wire";
import "./alerts.css";

const PAGE = 100;
// Text, and not a picture in colours.
const SIGNS: Record<string, string> = { error: "✖\ufe0e", warning: "⚠\ufe0e", info: "ℹ\ufe0e" };

export interface Alerts {
  // Newest first.
  alerts: Alert[];
  hasMore: boolean;
}

export async function listAlerts(scope: { modelId: string } | { projectUid: string }, signal?: AbortSignal): Promise<Alerts> {
  const page = await call<{ alerts?: Alert[]; nextPageToken?: string }>("AlertService/ListAlerts", { ...scope, pageSize: PAGE }, signal);
  return { alerts: page.alerts ?? [], hasMore: Boolean(page.nextPageToken) };
}

const levelOf = (alert: Alert): string => (alert.level ?? "").replace("ALERT_LEVEL_", "").toLowerCase() || "warning";

function One({ alert, hasModel }: { alert: Alert; hasModel: boolean }) {
  const level = levelOf(alert);
  return (
    <li class={`alert of-${level}`}>
      <span class="level"><span aria-hidden="true">{SIGNS[level]}</span> {level}</span>{" "}
      <b>{alert.title}</b>{" "}
      <span class="pale">
        {hasModel && <><ModelLink id={alert.modelId} />, </>}
        {alert.step !== undefined && `step ${count(alert.step)}, `}{time(alert.atUs ?? alert.createdAtUs)}
      </span>
      {alert.text && (alert.text.length < 200 && !alert.text.includes("\n") ? <p>{alert.text}</p> : <details><summary>More</summary><pre class="traceback" tabIndex={0} aria-label={alert.title}>{alert.text}</pre></details>)}
    </li>
  );
}

// Of a model, above all else; nothing where there are none. At first there are `few`.
export function AlertStrip({ alerts, hasMore, few }: Alerts & { few: number }) {
  const [isOpen, setOpen] = useState(false);
  if (alerts.length === 0) return null;
  const shown = isOpen ? alerts : alerts.slice(0, few);
  return (
    <section class="alerts" aria-label="Alerts">
      <ul aria-live="polite">{shown.map((alert) => <One key={alert.id} alert={alert} hasModel={false} />)}</ul>
      {alerts.length > few && !isOpen && <button type="button" onClick={() => setOpen(true)}>{count(alerts.length - few)}{hasMore && "+"} more {alerts.length === few + 1 ? "alert" : "alerts"}</button>}
      {isOpen && hasMore && <p class="pale">The newest {PAGE}.</p>}
    </section>
  );
}

// A button that says how many there are of a project, and how many since this browser showed them; it opens their list.
export function AlertBell({ project, isLive }: { project: Project; isLive: boolean }) {
  const loaded = useLoaded((signal) => listAlerts({ projectUid: project.uid }, signal), [project.uid]);
  useEvery(isLive ? 5000 : 30000, loaded.reload);
  const [isOpen, setOpen] = useState(false);
  const key = `alerts ${project.uid}`;
  const seenUs = Number(kept(key) ?? 0);
  const { alerts = [], hasMore = false } = loaded.value ?? {};
  const newCount = alerts.filter((alert) => Number(alert.createdAtUs) > seenUs).length;
  const open = (): void => {
    setOpen(true);
    if (alerts[0]) keep(key, alerts[0].createdAtUs);
  };
  const told = `${count(alerts.length)}${hasMore ? "+" : ""}`;
  return (
    <>
      <button type="button" class={newCount > 0 ? "bell new" : "bell"} aria-haspopup="dialog" onClick={open}>
        Alerts{alerts.length > 0 && ` ${told}`}{newCount > 0 && <b> {newCount === alerts.length && hasMore ? told : count(newCount)} new</b>}
      </button>
      {isOpen && <AlertList {...{ project, loaded }} close={() => setOpen(false)} />}
    </>
  );
}

function AlertList({ project, loaded, close }: { project: Project; loaded: Loaded<Alerts>; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const { alerts = [], hasMore = false } = loaded.value ?? {};
  return (
    <dialog ref={dialog} class="alerts" aria-label={`Alerts of ${project.id}`} onClose={close}>
      <h2>Alerts</h2>
      <Told loaded={loaded} />
      {loaded.value && alerts.length === 0 && <p class="nothing">None. A run that fails or is lost, and a metric's first value that is no number, make one; so do programs.</p>}
      <ul tabIndex={0}>{alerts.map((alert) => <One key={alert.id} alert={alert} hasModel />)}</ul>
      {hasMore && <p class="pale">The newest {PAGE}.</p>}
      <form method="dialog"><button type="submit">Close</button></form>
    </dialog>
  );
}
