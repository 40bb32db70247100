// What differs in the files of two versions: both lists are read in step, a page at a time.

import type { ArtifactFile } from "../common/messages";
import { call } from "../common/wire";

const PAGE = 1000;

export interface Change {
  path: string;
  before?: ArtifactFile;
  after?: ArtifactFile;
}

export interface Comparison {
  changes: Change[];
  // Files of both that are the same, and files of either that were looked at.
  sameCount: number;
  seenCount: number;
  // Whether both lists came to their end.
  isWhole: boolean;
}

async function* filesOf(versionId: string, signal: AbortSignal): AsyncGenerator<ArtifactFile> {
  let pageToken = "";
  do {
    const request = { versionId, pageSize: PAGE, ...(pageToken && { pageToken }) };
    const page = await call<{ files?: ArtifactFile[]; nextPageToken?: string }>("ArtifactService/ListArtifactFiles", request, signal);
    yield* page.files ?? [];
    pageToken = page.nextPageToken ?? "";
  } while (pageToken);
}

// The order of the lists, that of the bytes in UTF-8, is that of code points; units of UTF-16 have another.
export function isBefore(one: string, other: string): boolean {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  if (at === one.length || at === other.length) return one.length < other.length;
  // In the middle of a pair: what is equal before it begins the same pair.
  const start = at > 0 && /[\ud800-\udbff]/.test(one[at - 1] ?? "") ? at - 1 : at;
  return (one.codePointAt(start) ?? 0) < (other.codePointAt(start) ?? 0);
}

const isSame = (one: ArtifactFile, other: ArtifactFile): boolean => one.digest === other.digest && one.type === other.type && one.executable === other.executable;

// Ends after `most` files of either, or so many changes.
export async function compare(beforeId: string, afterId: string, signal: AbortSignal, most: number, mostChanges: number): Promise<Comparison> {
  const [left, right] = [filesOf(beforeId, signal), filesOf(afterId, signal)];
  const next = async (list: AsyncGenerator<ArtifactFile>): Promise<ArtifactFile | undefined> => (await list.next()).value ?? undefined;
  let [before, after] = await Promise.all([next(left), next(right)]);
  const found: Comparison = { changes: [], sameCount: 0, seenCount: 0, isWhole: true };
  while (before || after) {
    if (found.seenCount >= most || found.changes.length >= mostChanges) return { ...found, isWhole: false };
    found.seenCount += 1;
    if (before && after && before.path === after.path) {
      if (isSame(before, after)) found.sameCount += 1;
      else found.changes.push({ path: before.path, before, after });
      [before, after] = await Promise.all([next(left), next(right)]);
    } else if (before && (!after || isBefore(before.path, after.path))) {
      found.changes.push({ path: before.path, before });
      before = await next(left);
    } else if (after) {
      found.changes.push({ path: after.path, after });
      after = await next(right);
    }
  }
  return found;
}
