// gRPC over HTTP/2 of Node.

import { connect as connectSocket } from "node:net";
import type { ClientHttp2Session, ClientHttp2Stream, SecureClientSessionOptions } from "node:http2";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Address } from "./address.js";

// A server ends connections that ping more often than every 10 s.
const PING_MS = 30_000;
const PING_TIMEOUT_MS = 15_000;
// What the other side may send before it hears from us: with Node's own 64 KiB a long line is slow. What was not read yet when a
// connection breaks is lost.
const WINDOW_BYTES = 2 << 20;

export interface Channel {
  transport: Transport;
  close: () => void;
}

export function openChannel(address: Address, ca?: string | Uint8Array): Channel {
  const { socket } = address;
  const options: SecureClientSessionOptions = { settings: { initialWindowSize: WINDOW_BYTES, enablePush: false } };
  if (ca !== undefined) options.ca = Buffer.from(ca);
  if (socket !== undefined) options.createConnection = () => connectSocket(socket);
  const pings = { pingIntervalMs: PING_MS, pingTimeoutMs: PING_TIMEOUT_MS };
  const sessions = new WideSessions(address.baseUrl, pings, options);
  const transport = createGrpcTransport({ baseUrl: address.baseUrl, sessionManager: sessions, acceptCompression: [] });
  return { transport, close: () => sessions.abort() };
}

class WideSessions extends Http2SessionManager {
  private readonly wide = new WeakSet<ClientHttp2Session>();

  override async request(...words: Parameters<Http2SessionManager["request"]>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...words);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined && !this.wide.has(session)) {
      session.setLocalWindowSize(3 * WINDOW_BYTES);
      this.wide.add(session);
    }
    return stream;
  }
}
