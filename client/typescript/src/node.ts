/**
 * xpstore in Node, over gRPC.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { Client } from "./core/client.js";
import { type CallOptions, Connection } from "./core/connection.js";
import { invalid } from "./core/errors.js";
import { parseAddress } from "./node/address.js";
import { openChannel } from "./node/transport.js";

export * from "./core/index.js";
export { Float, type Parameter, Tuple } from "./format/fingerprint.js";
export { Tagged, type Value } from "./format/values.js";
export { type Computed, type ComputeOptions, fingerprint, getOrCompute } from "./node/cache.js";
export { download, type DownloadOptions } from "./node/download.js";
export type { SaveOptions } from "./node/drafts.js";
export type { ByteSource, TreeEntry } from "./node/sources.js";
export { uploadFile, type UploadFileOptions } from "./node/upload_file.js";
export { uploadTree, type UploadTreeOptions } from "./node/upload_tree.js";

const TIMEOUT_MS = 30_000;

/** How to connect. */
export interface ConnectOptions extends CallOptions {
  /** The API key; default: `XPSTORE_API_KEY` of the environment. */
  apiKey?: string;
  /** Certificates of the authorities to trust, PEM; default: the file that `XPSTORE_TLS_CA` names, else those of Node. */
  ca?: string | Uint8Array;
}

/**
 * Connects to a server and proves address, key and contract by a first call.
 *
 *     const client = await connect("localhost:50051", { apiKey: "xps_..." });
 *
 * @param address - "host:port", "https://host", "grpcs://host:port" or "unix:path"; default: `XPSTORE_API_URL` of the environment.
 *   Without a scheme this machine is spoken to in plaintext and everything else with TLS.
 */
export async function connect(address?: string, options: ConnectOptions = {}): Promise<Client> {
  const { XPSTORE_API_KEY, XPSTORE_API_URL, XPSTORE_TLS_CA } = process.env;
  const place = address ?? XPSTORE_API_URL;
  if (!place) throw invalid("address", place ?? "", "give host:port, or set XPSTORE_API_URL");
  const apiKey = options.apiKey ?? XPSTORE_API_KEY;
  if (!apiKey || !/^[\x21-\x7e]+$/.test(apiKey)) throw invalid("apiKey", "(not shown)", "give the key that the server made, or set XPSTORE_API_KEY");
  const parsed = parseAddress(place);
  let { ca } = options;
  if (ca === undefined && parsed.isTls && XPSTORE_TLS_CA) {
    ca = await readFile(XPSTORE_TLS_CA).catch((error: Error) => {
      throw invalid("XPSTORE_TLS_CA", XPSTORE_TLS_CA, `cannot be read (${error.message})`);
    });
  }
  const { transport, close } = openChannel(parsed, ca);
  return Client.open(new Connection(transport, place, apiKey, options.timeoutMs ?? TIMEOUT_MS, close), options);
}
