// Where versions and their files are: in the page, over HTTP, in Python and for the command line.

import type { Version } from "../common/messages";
import { projectPath } from "../common/place";

export type Named = Pick<Version, "name" | "version"> & { id?: string };

// The page of a version. A browser drops "." and ".." from any path: such a name is told by the id of the version.
export function versionPath(projectId: string, version: Named, query: Record<string, string> = {}): string {
  const isDropped = version.name === "." || version.name === "..";
  const rest = isDropped ? "/artifacts" : `/artifacts/${encodeURIComponent(version.name)}/${version.version}`;
  const said = new URLSearchParams(isDropped ? { id: version.id ?? "", ...query } : query).toString();
  return projectPath(projectId, rest + (said && `?${said}`));
}

export const fileAddress = (versionId: string, path: string): string =>
  `/versions/${versionId}/files/${path.split("/").map(encodeURIComponent).join("/")}`;

// A word of a shell.
const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

export function command(projectId: string, version: Named): string {
  const words = [projectId, `${version.name}@${version.version}`];
  const dashes = words.some((one) => one.startsWith("-")) ? "-- " : "";
  return `xpstore get ${dashes}${words.map(word).join(" ")}`;
}

// Texts of JSON are texts of Python too.
export function python(projectId: string, version: Named): string {
  const [project, name] = [projectId, version.name].map((one) => JSON.stringify(one));
  return [
    "import xpstore",
    "from xpstore.artifact import Artifact",
    "xpstore.init()",
    `folder = Artifact.get_by_name(${name}, version=${version.version}, project=xpstore.Project.get_by_id(${project})).download("restored")`,
  ].join("\n");
}
