// One of the media, by its kind. What it holds may be something else than its kind says: that is said, and it can be downloaded.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { fileAddress } from "../artifacts/addresses";
import { Grid } from "../artifacts/preview/grid";
import { read, textOf } from "../artifacts/preview/reading";
import { bytes, count } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { Media } from "../common/messages";
import { sentence } from "../common/wire";
import { FigureDrawing, HistogramDrawing, histogramOf } from "./drawings";
import { figureOf } from "./figure";

const HEAD = 64 << 10;
// A JSON text is parsed whole.
const MOST_JSON = 4 << 20;
// Pictures beyond are loaded when somebody says so.
const MOST_IMAGE = 20e6;
const ROWS = 100;
const COLUMNS = 100;
// So many pixels wide and less: its pixels are shown as squares.
const SMALL = 128;

interface Props {
  medium: Media;
  // What it is, for who does not see it.
  label: string;
  isDark: boolean;
}

export function Shown({ medium, label, isDark }: Props) {
  if (medium.kind === "MEDIA_KIND_IMAGE") return <Picture {...{ medium, label }} />;
  if (medium.kind === "MEDIA_KIND_AUDIO") return <Sound {...{ medium, label }} />;
  return <Read {...{ medium, label, isDark }} />;
}

const addressOf = (medium: Media): string => fileAddress(medium.versionId, medium.path);

export function Download({ medium, text }: { medium: Media; text: string }) {
  const name = medium.path.slice(medium.path.lastIndexOf("/") + 1);
  return <a class="button" href={addressOf(medium)} download={`${medium.name.replaceAll("/", "-")}-${medium.step ?? 0}-${name}`}>{text}<span class="hidden"> {medium.name} of step {medium.step ?? 0}</span></a>;
}

// The same element for all steps: a browser shows the picture before until the next is there.
function Picture({ medium, label }: Omit<Props, "isDark">) {
  const [broken, setBroken] = useState("");
  const [asked, setAsked] = useState("");
  const [isSmall, setSmall] = useState(false);
  const src = addressOf(medium);
  if (broken === src) return <p class="error" role="alert">The browser cannot show this as a picture. <Download medium={medium} text="Download" /></p>;
  const size = Number(medium.sizeBytes ?? 0);
  if (size > MOST_IMAGE && asked !== src) return <p>A picture of {bytes(size)}. <button type="button" onClick={() => setAsked(src)}>Show it</button></p>;
  return (
    <a href={src} target="_blank" rel="noreferrer" title="Open in a new tab">
      <img class={isSmall ? "small" : ""} src={src} alt={label} loading="lazy" decoding="async" onError={() => setBroken(src)}
        onLoad={(event) => setSmall(event.currentTarget.naturalWidth <= SMALL)} />
    </a>
  );
}

function Sound({ medium, label }: Omit<Props, "isDark">) {
  const [broken, setBroken] = useState("");
  const src = addressOf(medium);
  if (broken === src) return <p class="error" role="alert">The browser cannot play this. <Download medium={medium} text="Download" /></p>;
  return <audio controls preload="metadata" src={src} aria-label={label} onError={() => setBroken(src)} />;
}

// What was read, and of which.
interface Content {
  medium: Media;
  bytes: Uint8Array;
}

function Read({ medium, label, isDark }: Props) {
  const size = Number(medium.sizeBytes ?? 0);
  const isText = medium.kind === "MEDIA_KIND_TEXT";
  const isTooLarge = !isText && size > MOST_JSON;
  const loaded = useLoaded(async (signal): Promise<Content | null> => {
    if (isTooLarge) return null;
    return { medium, bytes: await read({ versionId: medium.versionId, path: medium.path, sizeBytes: size, signal }, 0, isText ? HEAD : MOST_JSON) };
  }, [medium.versionId]);
  const download = <Download medium={medium} text={isText ? "Download" : "JSON"} />;
  if (isTooLarge) return <p>{bytes(size)}: too large to be shown here. {download}</p>;
  if (loaded.error !== undefined) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  if (!loaded.value) return <p class="nothing">Loading…</p>;
  return <>{drawn(loaded.value, label, isDark)}<p>{download}</p></>;
}

function drawn({ medium, bytes: content }: Content, label: string, isDark: boolean): VNode {
  const size = Number(medium.sizeBytes ?? 0);
  const text = textOf(content, content.length < size);
  if (text === null) return <p class="error" role="alert">It is no text.</p>;
  try {
    if (medium.kind === "MEDIA_KIND_FIGURE") return <FigureDrawing figure={figureOf(JSON.parse(text))} {...{ label, isDark }} />;
    if (medium.kind === "MEDIA_KIND_HISTOGRAM") return <HistogramDrawing histogram={histogramOf(JSON.parse(text))} label={label} />;
    if (medium.kind === "MEDIA_KIND_TABLE") return <Table json={text} label={label} />;
  } catch (error) {
    return <p class="error" role="alert">It cannot be shown: {sentence(error)}</p>;
  }
  return (
    <>
      {content.length < size && <p class="pale">The first {bytes(content.length)} of {bytes(size)}.</p>}
      <pre class="shown wrapped" tabIndex={0} aria-label={label}>{text}</pre>
    </>
  );
}

// Numbers as they stand in the text: no digit is lost.
const exact = (_: string, value: unknown, context?: { source?: string }): unknown => (typeof value === "number" ? (context?.source ?? String(value)) : value);
const cell = (value: unknown): string => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value)).slice(0, 1000);

function Table({ json, label }: { json: string; label: string }) {
  const { columns, rows } = (JSON.parse(json, exact) ?? {}) as { columns?: unknown; rows?: unknown };
  if (!Array.isArray(columns) || !Array.isArray(rows) || !rows.every(Array.isArray)) throw new Error("It is no table.");
  const cuts = [
    rows.length > ROWS && `the first ${ROWS} of ${count(rows.length)} rows`,
    columns.length > COLUMNS && `the first ${COLUMNS} of ${count(columns.length)} columns`,
  ].filter(Boolean);
  return (
    <>
      {cuts.length > 0 && <p class="pale">Shown are {cuts.join(" and ")}.</p>}
      <Grid label={label} columns={columns.slice(0, COLUMNS).map((name): [string] => [cell(name)])} rows={rows.slice(0, ROWS).map((row: unknown[]) => row.slice(0, COLUMNS).map(cell))} />
    </>
  );
}
