// Where a server is: what users write, as the transport takes it.

import { invalid } from "../core/errors.js";

const DEFAULT_PORT = 50051;
const HOST = /^(\[[0-9a-fA-F:.]+\]|[\p{L}\p{N}._-]+)(?::(\d{1,5}))?\/?$/u;

export interface Address {
  /** With scheme and port. */
  baseUrl: string;
  isTls: boolean;
  /** Of a server that listens on a socket of this machine's file system. */
  socket?: string;
}

/**
 * Reads "host:50051", "http(s)://...", "grpc(s)://..." or "unix:...". Without a scheme this machine is spoken to in plaintext
 * and everything else with TLS. A key in plaintext beyond this machine is refused.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith("unix:")) return { baseUrl: "http://localhost", isTls: false, socket: text.slice(5).replace(/^\/\/(?=\/)/, "") };
  const [, scheme = "", rest = ""] = /^(?:([a-z]*):\/\/)?(.*)$/s.exec(text) ?? [];
  if (!["", "http", "https", "grpc", "grpcs"].includes(scheme)) throw invalid("address", text, "use host:port, https://host, grpcs://host:port or unix:path");
  const [, host, port] = HOST.exec(rest) ?? [];
  if (host === undefined || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) {
    throw invalid("address", text, "write host:port or https://host, without a user or a path");
  }
  const isLoopback = host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
  const isTls = scheme === "https" || scheme === "grpcs" || (scheme === "" && !isLoopback);
  if (!isTls && !isLoopback) throw invalid("address", text, "the API key would travel in plaintext; use https:// or grpcs:// beyond this machine");
  return { baseUrl: `${isTls ? "https" : "http"}://${host}:${port ?? (scheme === "https" ? 443 : DEFAULT_PORT)}`, isTls };
}
