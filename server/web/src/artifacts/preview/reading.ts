// Bytes of a saved file, by plain GET with a Range.

import { CallError } from "../../common/wire";
import { fileAddress } from "../addresses";

export interface Source {
  versionId: string;
  path: string;
  sizeBytes: number;
  signal?: AbortSignal | undefined;
}

// The bytes from `start` until before `end`, which is cut at the end of the file.
export async function read(source: Source, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
  const last = Math.min(end, source.sizeBytes) - 1;
  if (last < start) return new Uint8Array(0);
  let answer: Response;
  try {
    const headers = { Range: `bytes=${start}-${last}` };
    answer = await fetch(fileAddress(source.versionId, source.path), { headers, ...(source.signal && { signal: source.signal }) });
  } catch (cause) {
    if (source.signal?.aborted) throw cause;
    throw new CallError("unavailable", "The server does not answer. Is it running?");
  }
  if (answer.status !== 206) {
    const error = (await answer.json().catch(() => ({}))) as { code?: string; message?: string };
    throw new CallError(error.code ?? "unknown", error.message ?? `The server answered ${answer.status}.`);
  }
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (bytes.length !== last - start + 1) throw new CallError("unavailable", "The file broke off on its way.");
  return bytes;
}

// The text of bytes, a byte order mark with it; null if they are no UTF-8 text. A character that is cut at their end is left out.
export function textOf(bytes: Uint8Array, isCut: boolean): string | null {
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
  } catch {
    return null;
  }
}

// How bytes that are no text begin: sixteen to a line.
export function dump(bytes: Uint8Array, most = 256): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, most); at += 16) {
    const line = [...bytes.subarray(at, at + 16)];
    const hex = line.map((one) => one.toString(16).padStart(2, "0")).join(" ");
    const signs = line.map((one) => (one > 31 && one < 127 ? String.fromCharCode(one) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${signs}`);
  }
  return lines.join("\n");
}
