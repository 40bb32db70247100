// What a saved file holds, as far as it can be shown. Nothing of it is ever taken for HTML or script.

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { bytes, count } from "../../common/figures";
import { useLoaded } from "../../common/hooks";
import { Pairs } from "../../common/pairs";
import { sentence } from "../../common/wire";
import { fileAddress } from "../addresses";
import { npyHead, tensorsLength, tensorsOf } from "./arrays";
import { rowsOf } from "./csv";
import { Grid } from "./grid";
import { JsonTree, parse } from "./json-tree";
import { kindOf, type Kind } from "./kinds";
import { dump, read, textOf, type Source } from "./reading";

const HEAD = 64 << 10;
// A JSON text is parsed whole.
const MOST_JSON = 1 << 20;
// Pictures beyond are loaded when somebody says so.
const MOST_IMAGE = 20e6;
const ROWS = 100;
const COLUMNS = 100;

export function Preview({ versionId, path, sizeBytes }: { versionId: string; path: string; sizeBytes: number }) {
  const kind = kindOf(path);
  if (sizeBytes === 0) return <p class="nothing">The file is empty.</p>;
  if (kind === "image" || kind === "audio" || kind === "video") return <Medium {...{ kind, versionId, path, sizeBytes }} />;
  return <Read {...{ kind, versionId, path, sizeBytes }} />;
}

interface Shown {
  kind: Kind;
  versionId: string;
  path: string;
  sizeBytes: number;
}

function Medium({ kind, versionId, path, sizeBytes }: Shown) {
  const [isBroken, setBroken] = useState(false);
  const [isAsked, setAsked] = useState(kind !== "image" || sizeBytes <= MOST_IMAGE);
  const src = fileAddress(versionId, path);
  if (isBroken) {
    return (
      <>
        <p class="error" role="alert">The browser cannot show it as {kind === "image" ? "a picture" : kind}. This is how it begins:</p>
        <Read kind="text" {...{ versionId, path, sizeBytes }} />
      </>
    );
  }
  if (!isAsked) return <p>A picture of {bytes(sizeBytes)}. <button type="button" onClick={() => setAsked(true)}>Show it</button></p>;
  const broken = (): void => setBroken(true);
  if (kind === "audio") return <audio controls preload="metadata" src={src} onError={broken} aria-label={path} />;
  if (kind === "video") return <video controls preload="metadata" src={src} onError={broken} aria-label={path} />;
  return <img class="picture" src={src} alt={path} onError={broken} />;
}

function Read({ kind, versionId, path, sizeBytes }: Shown) {
  const loaded = useLoaded((signal) => show(kind, { versionId, path, sizeBytes, signal }), [versionId, path, kind]);
  if (loaded.error !== undefined) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  return loaded.value ?? <p class="nothing">Loading…</p>;
}

async function show(kind: Kind, source: Source): Promise<VNode> {
  if (kind === "parquet") return showParquet(source);
  const whole = kind === "json" && source.sizeBytes <= MOST_JSON ? MOST_JSON : HEAD;
  const head = await read(source, 0, whole);
  if (kind === "npy" || kind === "tensors") {
    try {
      return kind === "npy" ? showNpy(head) : await showTensors(source, head);
    } catch (error) {
      return <><p class="error" role="alert">{sentence(error)}</p>{showText(head, source.sizeBytes)}</>;
    }
  }
  const isCut = head.length < source.sizeBytes;
  const text = textOf(head, isCut);
  if (text !== null && kind === "table") return showTable(text, isCut, source);
  if (text !== null && kind === "json" && !isCut) return showJson(text, head, source.sizeBytes);
  return showText(head, source.sizeBytes);
}

function showText(head: Uint8Array, sizeBytes: number): VNode {
  const isCut = head.length < sizeBytes;
  const text = textOf(head, isCut);
  if (text === null) {
    return <><p class="pale">No text. Its first bytes:</p><pre class="shown" tabIndex={0} aria-label="First bytes">{dump(head)}</pre></>;
  }
  return (
    <>
      {isCut && <p class="pale">The first {bytes(head.length)} of {bytes(sizeBytes)}.</p>}
      <pre class="shown" tabIndex={0} aria-label="Text of the file">{text}</pre>
    </>
  );
}

function showJson(text: string, head: Uint8Array, sizeBytes: number): VNode {
  try {
    return <div class="shown"><JsonTree value={parse(text)} isFirst /></div>;
  } catch (error) {
    return <><p class="error" role="alert">It is no JSON: {sentence(error)}</p>{showText(head, sizeBytes)}</>;
  }
}

function showTable(text: string, isCut: boolean, { path, sizeBytes }: Source): VNode {
  const [names = [], ...rows] = rowsOf(text.replace(/^\ufeff/, ""), path.toLowerCase().endsWith(".tsv") ? "\t" : ",", isCut, ROWS + 1);
  if (names.length === 0) return showText(new TextEncoder().encode(text), sizeBytes);
  const isMore = isCut || rows.length === ROWS;
  const wide = names.length > COLUMNS ? `, the first ${COLUMNS} of ${names.length} columns` : "";
  return (
    <>
      <p class="pale">{isMore ? `The first ${count(rows.length)} rows` : `${count(rows.length)} ${rows.length === 1 ? "row" : "rows"}`}{wide}.</p>
      <Grid label="Rows of the file" columns={names.slice(0, COLUMNS).map((name) => [name])} rows={rows} />
    </>
  );
}

async function showParquet(source: Source): Promise<VNode> {
  const { parquetHead } = await import("./parquet");
  const slice = async (start: number, end: number): Promise<ArrayBuffer> => (await read(source, start, end)).buffer;
  const found = await parquetHead(source.sizeBytes, slice, ROWS).catch(async (error: unknown) => {
    if (source.signal?.aborted) throw error;
    return sentence(error);
  });
  if (typeof found === "string") {
    return <><p class="error" role="alert">It is no Parquet file that can be read: {found}</p>{showText(await read(source, 0, HEAD), source.sizeBytes)}</>;
  }
  const shown = new Set(found.shown);
  const types = new Map(found.columns);
  const left = found.columns.filter(([name]) => !shown.has(name));
  return (
    <>
      <dl class="facts">
        <div><dt>rows</dt><dd>{count(String(found.rowCount))}</dd></div>
        <div><dt>columns</dt><dd>{count(found.columns.length)}</dd></div>
        <div><dt>row groups</dt><dd>{count(found.groupCount)}</dd></div>
        {found.createdBy && <div><dt>written by</dt><dd>{found.createdBy}</dd></div>}
      </dl>
      {found.why && <p class="error" role="status">{found.why}</p>}
      {found.rows.length > 0 && <p class="pale">{BigInt(found.rows.length) < found.rowCount ? `The first ${found.rows.length} rows.` : "All rows."}</p>}
      {found.shown.length > 0 && <Grid label="First rows" columns={found.shown.map((name) => [name, types.get(name) ?? ""])} rows={found.rows} />}
      {left.length > 0 && <details><summary>{count(left.length)} columns without their values here</summary><Pairs pairs={left.slice(0, 1000)} none="" /></details>}
    </>
  );
}

function showNpy(head: Uint8Array<ArrayBuffer>): VNode {
  const { facts, values } = npyHead(head);
  return (
    <>
      <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      {values ? <pre class="shown wrapped" tabIndex={0} aria-label="First values">{values}</pre> : <p class="pale">Values of this type are not shown.</p>}
    </>
  );
}

async function showTensors(source: Source, first: Uint8Array<ArrayBuffer>): Promise<VNode> {
  const length = tensorsLength(first);
  if (length > 4 * MOST_JSON) throw new Error(`Its list of tensors is too large to be shown: ${bytes(length)}.`);
  const head = new TextDecoder().decode((await read(source, 0, 8 + length)).subarray(8));
  const { metadata, rows } = tensorsOf(head);
  const cells = rows.slice(0, 1000).map(([name, type, shape, size]) => [name, type, shape, bytes(size)]);
  return (
    <>
      <p class="pale">{count(rows.length)} {rows.length === 1 ? "tensor" : "tensors"}{rows.length > 1000 && ", the first 1,000"}.</p>
      <Grid label="Tensors" columns={[["tensor"], ["type"], ["shape"], ["size"]]} rows={cells} />
      {metadata.length > 0 && <><h3>Metadata of the file</h3><Pairs pairs={metadata.slice(0, 100)} none="" /></>}
    </>
  );
}
