// The files of a version: folders that open and close, loaded a page at a time.

import { useEffect, useMemo, useState } from "preact/hooks";
import { bytes, count } from "../common/figures";
import type { ArtifactFile, Version } from "../common/messages";
import { call, sentence } from "../common/wire";
import { fileAddress } from "./addresses";
import { treeOf, type Folder } from "./tree";

const PAGE = 1000;
// Of one folder at first: as many elements are drawn at once.
const ROWS = 200;
// So many files and fewer stand open.
const OPEN = 40;

// How many it has.
export const files = (version: Version): string => `${count(version.fileCount)} ${version.fileCount === "1" ? "file" : "files"}`;

interface Listed {
  files: ArtifactFile[];
  // Of the next page; empty after the last.
  token: string;
  isLoading: boolean;
  error?: unknown;
}

const NONE: Listed = { files: [], token: "", isLoading: true };

function useFiles(versionId: string, pathPrefix: string): Listed & { more: () => void } {
  const [listed, setListed] = useState(NONE);
  const load = (before: Listed, signal?: AbortSignal): void => {
    setListed({ ...before, isLoading: true });
    const request = { versionId, pathPrefix, pageSize: PAGE, pageToken: before.token };
    call<{ files?: ArtifactFile[]; nextPageToken?: string }>("ArtifactService/ListArtifactFiles", request, signal).then(
      (page) => setListed({ files: before.files.concat(page.files ?? []), token: page.nextPageToken ?? "", isLoading: false }),
      (error: unknown) => !signal?.aborted && setListed({ ...before, isLoading: false, error }),
    );
  };
  useEffect(() => {
    const stop = new AbortController();
    load(NONE, stop.signal);
    return () => stop.abort();
  }, [versionId, pathPrefix]);
  return { ...listed, more: () => load({ ...listed, error: undefined }) };
}

interface Choice {
  versionId: string;
  // The path of the file that is shown.
  chosen: string;
  // The address that shows a file.
  show: (path: string) => string;
  // The last path of a list that is not loaded to its end.
  end: string | undefined;
  isSmall: boolean;
}

export function Files({ version, chosen = "", show }: { version: Version; chosen?: string; show: (path: string) => string }) {
  const [prefix, setPrefix] = useState("");
  const listed = useFiles(version.id, prefix);
  const tree = useMemo(() => treeOf(listed.files), [listed.files]);
  const total = Number(version.fileCount ?? 0);
  const end = listed.token ? listed.files.at(-1)?.path : undefined;
  const choice: Choice = { versionId: version.id, chosen, show, end, isSmall: total <= OPEN };
  const seek = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = new FormData(event.currentTarget as HTMLFormElement).get("prefix");
    setPrefix(String(text ?? "").replace(/\/+$/, ""));
  };
  return (
    <div class="tree">
      {total > PAGE && (
        <form class="bar" onSubmit={seek}>
          <input type="search" name="prefix" aria-label="Folder or path" placeholder="folder or path" />
          <button type="submit">Go</button>
          {prefix && <span class="pale">below {prefix}</span>}
        </form>
      )}
      <Entries folder={tree} choice={choice} />
      {listed.error !== undefined && <p class="error" role="alert">{sentence(listed.error)}</p>}
      {listed.isLoading && <p class="nothing">Loading…</p>}
      {!listed.isLoading && listed.files.length === 0 && !listed.error && <p class="nothing">{prefix ? "Nothing has this path." : "It has no files."}</p>}
      {!listed.isLoading && (listed.token || listed.error !== undefined) && (
        <p>
          <span class="pale">The first {count(listed.files.length)}{!prefix && ` of ${count(total)}`}. </span>
          <button type="button" onClick={listed.more}>Load {count(PAGE)} more</button>
        </p>
      )}
    </div>
  );
}

function Entries({ folder, choice }: { folder: Folder; choice: Choice }) {
  const [shown, setShown] = useState(ROWS);
  const rest = folder.files.length - shown;
  return (
    <ul class="files">
      {folder.folders.map((one) => <Below key={one.path} folder={one} choice={choice} isOnly={folder.folders.length === 1 && folder.files.length === 0} />)}
      {folder.files.slice(0, shown).map((file) => <File key={file.path} file={file} choice={choice} />)}
      {rest > 0 && <li><button type="button" onClick={() => setShown(shown + ROWS * 5)}>Show {count(Math.min(rest, ROWS * 5))} more of {count(folder.files.length)} files</button></li>}
    </ul>
  );
}

function Below({ folder, choice, isOnly }: { folder: Folder; choice: Choice; isOnly: boolean }) {
  const [isOpen, setOpen] = useState(isOnly || choice.isSmall || choice.chosen.startsWith(folder.path));
  const isPartial = choice.end?.startsWith(folder.path);
  const what = `${count(folder.fileCount)}${isPartial ? " and more" : ""} ${folder.fileCount === 1 && !isPartial ? "file" : "files"}`;
  return (
    <li>
      <details open={isOpen} onToggle={(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
        <summary>{folder.name}/ <span class="pale">{what}, {bytes(folder.sizeBytes)}</span></summary>
        {isOpen && <Entries folder={folder} choice={choice} />}
      </details>
    </li>
  );
}

function File({ file, choice }: { file: ArtifactFile; choice: Choice }) {
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  return (
    <li>
      <a href={choice.show(file.path)} aria-current={choice.chosen === file.path ? "true" : undefined}>{name}</a>{" "}
      <span class="pale">{bytes(file.sizeBytes)}</span>{" "}
      <a class="save" href={fileAddress(choice.versionId, file.path)} download={name} title={`Download ${name}`}>↓<span class="hidden"> Download {name}</span></a>
    </li>
  );
}
