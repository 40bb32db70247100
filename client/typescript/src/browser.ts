/**
 * xpstore in a browser: reads over the Connect protocol, with `fetch` alone.
 *
 * The server must serve HTTP (`XPSTORE_HTTP_LISTEN`) and allow the page's origin (`XPSTORE_HTTP_ORIGINS`).
 *
 * @module
 */

import { createConnectTransport } from "@connectrpc/connect-web";
import { Client } from "./core/client.js";
import { type CallOptions, Connection } from "./core/connection.js";

export * from "./core/index.js";

/** How to connect. */
export interface ConnectOptions extends CallOptions {
  /** The API key. Who sees the page sees it, and may do all that it may. */
  apiKey: string;
}

/** Connects to a server by its HTTP address, such as "https://host:8080". */
export async function connect(url: string, options: ConnectOptions): Promise<Client> {
  const transport = createConnectTransport({ baseUrl: url.replace(/\/+$/, ""), useBinaryFormat: true });
  return Client.open(new Connection(transport, url, options.apiKey, options.timeoutMs ?? 30_000, () => undefined), options);
}
