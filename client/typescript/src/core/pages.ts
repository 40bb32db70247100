// Lists, page by page: a page may be short with more to come, and only an empty token is the end.

import type { CallOptions } from "./connection.js";

/** What lists take. */
export interface ListOptions extends CallOptions {
  /** Most items of one page; default that of the server. The list is complete whatever it is. */
  pageSize?: number;
}

export interface Page<T> {
  items: T[];
  nextPageToken: string;
}

/** Yields the items of all pages; the next page is asked for when the one before is used up. */
export async function* pages<T>(ask: (pageToken: string) => Promise<Page<T>>): AsyncGenerator<T> {
  let token = "";
  do {
    const { items, nextPageToken } = await ask(token);
    yield* items;
    token = nextPageToken;
  } while (token !== "");
}

/** All items of a list in an array. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
