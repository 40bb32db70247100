// ReadFile: the bytes of one file, verified, going on where they stopped.

import { ArtifactService, type ReadFileHeader } from "../xpstore/v1/artifact_pb.js";
import type { CallOptions, Connection } from "./connection.js";
import { dataLoss } from "./errors.js";
import { Hasher } from "./hash.js";
import { isEqual, toHex } from "./ids.js";
import { int64, type Integer } from "./numbers.js";

/** Which bytes of a file. */
export interface Range {
  /** First byte; default 0. */
  offset?: Integer;
  /** How many; default: to the end. A range past the end is cut there. */
  length?: Integer;
}

/** Yields the bytes of a file of a version, which must have the digest, if one is known. */
export async function* readFile(
  connection: Connection, source: { case: "versionId"; value: string }, path: string, options: Range & CallOptions, known?: Uint8Array,
): AsyncGenerator<Uint8Array> {
  const start = int64("offset", options.offset ?? 0);
  const length = options.length === undefined ? undefined : int64("length", options.length);
  const attempts = connection.attempts(options);
  let hasher: Hasher | undefined;
  let header: ReadFileHeader | undefined;
  let done = 0n;
  for (;;) {
    try {
      const request = { source, path, offset: start + done, length: length === undefined ? undefined : length - done };
      for await (const { part } of connection.receive(ArtifactService.method.readFile, request, options.signal)) {
        if (part.case === "header") {
          if (header === undefined) {
            header = part.value;
            if (known !== undefined && !isEqual(header.digest, known)) throw dataLoss(`The server has other bytes of ${header.path} than its manifest says.`);
            if (start === 0n && header.length === header.sizeBytes) hasher = await Hasher.create();
          } else if (!isEqual(header.digest, part.value.digest) || part.value.offset !== start + done) {
            throw dataLoss(`The server went on with other bytes of ${header.path} than it began with.`);
          }
        } else if (part.case === "data") {
          done += BigInt(part.value.length);
          if (header === undefined || done > header.length) throw dataLoss("The server sent more bytes than it said.");
          hasher?.update(part.value);
          attempts.renew();
          yield part.value;
        }
      }
      if (header === undefined || done < header.length) {
        throw dataLoss(`The server sent ${done} bytes and not ${header?.length ?? "any header"}.`);
      }
      break;
    } catch (error) {
      await attempts.after(error);
      if (header !== undefined && done === header.length) break; // only the end of the stream was lost
    }
  }
  const digest = hasher?.digest();
  if (digest !== undefined && !isEqual(digest, header.digest)) {
    throw dataLoss(`${header.path} arrived with the digest ${toHex(digest)}, and was saved with ${toHex(header.digest)}.`);
  }
}
