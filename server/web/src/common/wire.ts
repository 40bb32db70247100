// Calls of the server: Connect with JSON over fetch. 64-bit integers come as texts.

// An error as Connect writes it, or one of the way to the server.
export class CallError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly metadata: Record<string, string> = {},
  ) {
    super(message);
  }
}

interface WireError {
  code?: string;
  message?: string;
  details?: { debug?: { metadata?: Record<string, string> } }[];
}

// What is done when the session is not there or has ended.
let onSignedOut: () => void = () => undefined;
export const whenSignedOut = (action: () => void): void => {
  onSignedOut = action;
};

function failure(error: WireError, status: number): CallError {
  const metadata = error.details?.find((one) => one.debug?.metadata)?.debug?.metadata ?? {};
  return new CallError(error.code ?? "unknown", error.message ?? `The server answered ${status}.`, metadata);
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { ...init, credentials: "same-origin" });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new CallError("unavailable", "The server does not answer. Is it running? The page asks again.");
  }
}

async function refused(answer: Response): Promise<CallError> {
  if (answer.status === 401) onSignedOut();
  const error = (await answer.json().catch(() => ({}))) as WireError;
  return failure(error, answer.status);
}

// Calls a method such as "ModelService/SearchModels".
export async function call<T>(method: string, request: object, signal?: AbortSignal): Promise<T> {
  const answer = await ask(`/xpstore.v1.${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(request),
    ...(signal && { signal }),
  });
  if (!answer.ok) throw await refused(answer);
  return (await answer.json()) as T;
}

// Calls a method that answers with a stream by a packed message, and gives each packed message of the answer.
export async function* stream(method: string, request: Uint8Array<ArrayBuffer>, signal?: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const envelope = new Uint8Array(5 + request.length);
  new DataView(envelope.buffer).setUint32(1, request.length);
  envelope.set(request, 5);
  const answer = await ask(`/xpstore.v1.${method}`, {
    method: "POST",
    headers: { "Content-Type": "application/connect+proto", "Connect-Protocol-Version": "1" },
    body: envelope,
    ...(signal && { signal }),
  });
  if (!answer.ok || !answer.body) throw await refused(answer);
  const reader = answer.body.getReader();
  let held = new Uint8Array(0);
  for (;;) {
    while (held.length >= 5) {
      const size = new DataView(held.buffer, held.byteOffset).getUint32(1);
      if (held.length < 5 + size) break;
      const message = held.subarray(5, 5 + size);
      const isEnd = ((held[0] ?? 0) & 2) !== 0;
      held = held.subarray(5 + size);
      if (isEnd) {
        const { error } = JSON.parse(new TextDecoder().decode(message)) as { error?: WireError };
        if (error) throw failure(error, answer.status);
        return;
      }
      yield message;
    }
    const { done, value } = await reader.read();
    if (done) throw new CallError("unavailable", "The answer broke off. The page asks again.");
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
  }
}

// All pages of a list, at most `most` entries.
export async function all<T, K extends string>(
  method: string,
  request: object,
  field: K,
  most = 1000,
  signal?: AbortSignal,
): Promise<{ found: T[]; hasMore: boolean }> {
  const found: T[] = [];
  let pageToken = "";
  do {
    type Page = Partial<Record<K, T[]>> & { nextPageToken?: string };
    const page: Page = await call<Page>(method, { ...request, ...(pageToken && { pageToken }) }, signal);
    found.push(...(page[field] ?? []));
    pageToken = page.nextPageToken ?? "";
  } while (pageToken && found.length < most);
  return { found, hasMore: pageToken !== "" };
}

// Opens a session with an API key; whether the key was right.
export async function signIn(key: string): Promise<boolean> {
  const headers = { "Content-Type": "application/json" };
  const answer = await ask("/session", { method: "POST", headers, body: JSON.stringify({ key }) });
  if (answer.ok) return true;
  if (answer.status === 401) return false;
  throw failure((await answer.json().catch(() => ({}))) as WireError, answer.status);
}

export interface Session {
  name: string;
  version: string;
}

// Who is signed in; null when nobody is.
export async function session(): Promise<Session | null> {
  const answer = await ask("/session", {});
  if (answer.ok) return (await answer.json()) as Session;
  if (answer.status === 401) return null;
  throw failure((await answer.json().catch(() => ({}))) as WireError, answer.status);
}

export async function signOut(): Promise<void> {
  await ask("/session", { method: "DELETE" });
}

// An error as a sentence for people.
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
