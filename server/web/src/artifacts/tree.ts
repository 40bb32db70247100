// The files of a version as folders, made of the flat list that the server gives in the order of paths.

import type { ArtifactFile } from "../common/messages";

export interface Folder {
  name: string;
  // With a slash behind it; empty for the root.
  path: string;
  folders: Folder[];
  files: ArtifactFile[];
  // Of all below it that is loaded.
  fileCount: number;
  sizeBytes: number;
}

const folder = (name: string, path: string): Folder => ({ name, path, folders: [], files: [], fileCount: 0, sizeBytes: 0 });

export function treeOf(files: ArtifactFile[]): Folder {
  const root = folder("", "");
  const known = new Map([["", root]]);
  for (const file of files) {
    const parts = file.path.split("/");
    const depth = parts.length - (file.type === "FILE_TYPE_DIRECTORY" ? 0 : 1);
    let above = root;
    const chain = [root];
    for (let at = 0; at < depth; at += 1) {
      const path = `${above.path}${parts[at]}/`;
      let next = known.get(path);
      if (!next) {
        next = folder(parts[at] ?? "", path);
        known.set(path, next);
        above.folders.push(next);
      }
      above = next;
      chain.push(above);
    }
    if (file.type === "FILE_TYPE_DIRECTORY") continue;
    above.files.push(file);
    for (const one of chain) {
      one.fileCount += 1;
      one.sizeBytes += Number(file.sizeBytes ?? 0);
    }
  }
  return root;
}
