// The files of a version, each a link to its bytes.

import { bytes, count } from "../common/figures";
import { useLoaded } from "../common/hooks";
import type { ArtifactFile, Version } from "../common/messages";
import { all, sentence } from "../common/wire";

const MOST = 1000;

// How many it has.
export const files = (version: Version): string => `${count(version.fileCount)} ${version.fileCount === "1" ? "file" : "files"}`;

const address = (version: Version, path: string): string =>
  `/versions/${version.id}/files/${path.split("/").map(encodeURIComponent).join("/")}`;

export function Files({ version }: { version: Version }) {
  const loaded = useLoaded(
    () => all<ArtifactFile, "files">("ArtifactService/ListArtifactFiles", { versionId: version.id, pageSize: MOST }, "files", MOST),
    [version.id],
  );
  if (loaded.error) return <p class="error" role="alert">{sentence(loaded.error)}</p>;
  if (!loaded.value) return <p class="nothing">Loading…</p>;
  return (
    <ul class="files">
      {loaded.value.found.map((file) => (
        <li key={file.path}>
          {file.type === "FILE_TYPE_DIRECTORY" ? <span>{file.path}/</span> : <a href={address(version, file.path)} download>{file.path}</a>}{" "}
          <span class="pale">{file.type !== "FILE_TYPE_DIRECTORY" && bytes(file.sizeBytes)}</span>
        </li>
      ))}
      {loaded.value.hasMore && <li class="pale">The first {MOST} of them.</li>}
    </ul>
  );
}
