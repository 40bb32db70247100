// What can go wrong, and the one table from the wire to it.

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

/** Why a call failed: the names of the contract's `ErrorReason`, and what only a client can meet. */
export type Reason =
  | "INVALID_ARGUMENT" | "NOT_FOUND" | "ALREADY_EXISTS" | "CONFLICT" | "UNAUTHENTICATED" | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED" | "UNAVAILABLE" | "DEADLINE_EXCEEDED" | "DATA_LOSS" | "INTERNAL" | "STALE" | "UNIMPLEMENTED"
  /** The server speaks a contract that this client is not made for. */
  | "CONTRACT"
  /** Somebody else computed what was waited for, and that raised an error. */
  | "COMPUTATION_FAILED";

/** Every error of this package. The message says what was wrong, with which value, and what to do. */
export class XpstoreError extends Error {
  override readonly name = "XpstoreError";

  constructor(
    message: string,
    /** What kind of error it is, for programs. */
    readonly reason: Reason,
    /** What it is about, as the server says it: `field`, `value`, `resource`, `expected`, `limit`. */
    readonly metadata: Readonly<Record<string, string>> = {},
    readonly details: {
      /** Names the call in the server's log. */
      readonly requestId?: string;
      /** After how long the server asks to repeat the call. */
      readonly retryAfterMs?: number;
      /** Whether another attempt may succeed without any change. */
      readonly isTemporary?: boolean;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
  }
}

/** An error that names a value the caller gave. */
export function invalid(field: string, value: unknown, cure: string): XpstoreError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new XpstoreError(`${field} = ${shown.slice(0, 200)}: ${cure}`, "INVALID_ARGUMENT", { field, value: shown.slice(0, 200) });
}

/** Bytes that are not what was saved. */
export const dataLoss = (message: string): XpstoreError => new XpstoreError(message, "DATA_LOSS");

// For answers that the service did not give itself: those of a proxy, the network or this process.
const BY_CODE: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: "INVALID_ARGUMENT",
  [Code.OutOfRange]: "INVALID_ARGUMENT",
  [Code.NotFound]: "NOT_FOUND",
  [Code.AlreadyExists]: "ALREADY_EXISTS",
  [Code.FailedPrecondition]: "CONFLICT",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.Unauthenticated]: "UNAUTHENTICATED",
  [Code.ResourceExhausted]: "RESOURCE_EXHAUSTED",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
  [Code.DataLoss]: "DATA_LOSS",
  [Code.Unimplemented]: "UNIMPLEMENTED",
  // A broken connection has one of these, or INTERNAL or UNKNOWN.
  [Code.Aborted]: "UNAVAILABLE",
  [Code.Canceled]: "UNAVAILABLE",
  [Code.Unavailable]: "UNAVAILABLE",
  [Code.Internal]: "UNAVAILABLE",
  [Code.Unknown]: "UNAVAILABLE",
};
const PROXY = "A proxy before the server answered, or ended the call at its time limit";
const NOT_OURS = "No xpstore answers there: is the address right, and is it passed on as gRPC with its path?";
const BY_HTTP: Record<string, [Reason, string]> = {
  "401": ["UNAUTHENTICATED", PROXY],
  "403": ["PERMISSION_DENIED", PROXY],
  "404": ["UNIMPLEMENTED", NOT_OURS],
  "413": ["RESOURCE_EXHAUSTED", "A proxy takes no bodies of this size: lift its limit (nginx: client_max_body_size 0)"],
};
const MOST_CAUSES = 8;
// What Node says of a certificate that does not become another one by waiting.
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|WRONG_VERSION_NUMBER|ERR_TLS/;

/** Makes the typed error of a failed call to `address`. */
export function fromWire(error: unknown, address: string, requestId: string): XpstoreError {
  // Also where the transport wrapped what a stream of requests threw.
  for (let at = error, depth = 0; at instanceof Error && depth < MOST_CAUSES; at = at.cause, depth++) {
    if (at instanceof XpstoreError) return at;
  }
  const connect = ConnectError.from(error);
  const said = details(connect);
  if (said.reason !== undefined) {
    const { request_id = requestId, ...metadata } = said.metadata;
    const isTemporary =
      said.reason === "UNAVAILABLE" || said.reason === "DEADLINE_EXCEEDED" ||
      (said.retryAfterMs !== undefined && metadata.limit !== "disk"); // room on a disk does not come by waiting
    return new XpstoreError(connect.rawMessage, said.reason as Reason, metadata, {
      requestId: request_id, retryAfterMs: said.retryAfterMs, isTemporary, cause: error,
    });
  }
  const causes = causesOf(connect);
  if (causes.some((code) => UNTRUSTED.test(code))) {
    const message = `${address} is not trusted (${causes.join(", ")}): give the authority of its certificate as \`ca\``;
    return new XpstoreError(message, "UNAVAILABLE", {}, { requestId, cause: error });
  }
  const http = /^HTTP (\d{3})$/.exec(connect.rawMessage)?.[1];
  if (http !== undefined) {
    const [reason, cure] = BY_HTTP[http] ?? ["UNAVAILABLE", PROXY];
    const isTemporary = reason === "UNAVAILABLE";
    return new XpstoreError(`${address}: HTTP ${http}. ${cure}.`, reason, {}, { requestId, isTemporary, cause: error });
  }
  const reason = BY_CODE[connect.code] ?? "UNAVAILABLE";
  const isTemporary = reason === "UNAVAILABLE" || reason === "DEADLINE_EXCEEDED";
  const what = isTemporary ? `${address} does not answer: ` : reason === "UNIMPLEMENTED" ? `${NOT_OURS} ${address}: ` : "";
  const cure = connect.cause instanceof TypeError ? refusedByBrowser(address) : "";
  return new XpstoreError(what + connect.rawMessage + cure, reason, {}, { requestId, isTemporary, cause: error });
}

/** What a browser does not tell a page: whether the server is away, or does not name the page's origin. */
function refusedByBrowser(address: string): string {
  const origin = (globalThis as { location?: { origin: string } }).location?.origin;
  if (origin === undefined || address === origin || address.startsWith(`${origin}/`)) return "";
  return `. If it is there, name the origin of this page, ${origin}, in its XPSTORE_HTTP_ORIGINS.`;
}

/** The codes that Node gave an error and its causes, such as ECONNREFUSED. */
function causesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let at = error, depth = 0; at instanceof Error && depth < MOST_CAUSES; at = at.cause, depth++) {
    const code: unknown = (at as { code?: unknown }).code;
    if (typeof code === "string") codes.push(code);
  }
  return codes;
}

interface Said {
  reason?: string;
  metadata: Record<string, string>;
  retryAfterMs?: number;
}

/** What the service said of an error, if it was the service: `google.rpc.ErrorInfo` and `RetryInfo`. */
function details(error: ConnectError): Said {
  const said: Said = { metadata: {} };
  for (const detail of error.details) {
    if (!("type" in detail)) continue; // of this process
    try {
      if (detail.type === "google.rpc.ErrorInfo") readInfo(new BinaryReader(detail.value), said);
      if (detail.type === "google.rpc.RetryInfo") said.retryAfterMs = readDelay(new BinaryReader(detail.value));
    } catch {
      // The trailer of something between client and server.
    }
  }
  return said;
}

function readInfo(reader: BinaryReader, said: Said): void {
  let [reason, domain] = ["", ""];
  const metadata: Record<string, string> = {};
  fields(reader, (field) => {
    if (field === 1) reason = reader.string();
    else if (field === 2) domain = reader.string();
    else if (field === 3) {
      const entry = new BinaryReader(reader.bytes());
      let [key, value] = ["", ""];
      fields(entry, (part) => {
        if (part === 1) key = entry.string();
        else if (part === 2) value = entry.string();
        else return false;
        return true;
      });
      metadata[key] = value;
    } else return false;
    return true;
  });
  if (domain === "xpstore") Object.assign(said, { reason, metadata });
}

function readDelay(reader: BinaryReader): number | undefined {
  let delayMs: number | undefined;
  fields(reader, (field) => {
    if (field !== 1) return false;
    const duration = new BinaryReader(reader.bytes());
    delayMs = 0;
    fields(duration, (part) => {
      if (part === 1) delayMs! += 1000 * Number(duration.int64());
      else if (part === 2) delayMs! += duration.int32() / 1e6;
      else return false;
      return true;
    });
    return true;
  });
  return delayMs === undefined ? undefined : Math.max(delayMs, 0);
}

/** Reads the fields of a message; `read` says whether it took one. */
function fields(reader: BinaryReader, read: (field: number) => boolean): void {
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (!read(field)) reader.skip(type, field);
  }
}
