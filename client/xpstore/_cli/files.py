"""Artifacts and their files: `ls`, `put`, `get`, `cat` and `alias`."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import xpstore
from xpstore._cli.arguments import AsCSV, AsJSON, Name, ProjectId, Reference
from xpstore._cli.contents import alias_rows, artifact_row, project_rows
from xpstore._cli.finding import find_artifact, find_project
from xpstore._cli.printing import print_json, print_path, print_rows
from xpstore._cli.service import ask, use
from xpstore.artifact import Artifact, DatasetArtifact, DirectoryArtifact, ExplanationArtifact, TrainedModelArtifact
from xpstore.errors import InvalidArgument
from xpstore.project import get_all_projects

TYPES: dict[str, type[Artifact]] = {
    kind.type_: kind for kind in (DirectoryArtifact, TrainedModelArtifact, ExplanationArtifact, DatasetArtifact)
}
COPIED_BYTES = 1 << 20


def ls(
    project: Annotated[str | None, typer.Argument(metavar="PROJECT", help="Its id.")] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME[@VERSION|@ALIAS]", help="An artifact in it: its files."),
    ] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """List all projects, what is in one, or the files of an artifact."""
    ask()
    if project is None:
        rows = [{"id": one.id, "name": one.name, "created_at": one.created_at} for one in get_all_projects()]
        return print_rows(("id", "name", "created_at"), rows, as_json, as_csv)
    found = find_project(project)
    if name is not None:
        files = find_artifact(found, name).files()
        return print_rows(
            ("path", "size_bytes", "digest"),
            [
                {"path": f"{file.path}/" * file.is_directory or file.path, "size_bytes": file.size_bytes}
                | {"digest": file.digest, "executable": file.executable}
                for file in files
            ],
            as_json,
            as_csv,
        )
    columns = ("kind", "name", "version", "type", "size_bytes", "aliases", "created_at")
    print_rows(columns, project_rows(found), as_json, as_csv)


def put(
    project: ProjectId,
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder.")],
    type_: Annotated[str, typer.Option("--type", help=f"One of {', '.join(TYPES)}.")] = DirectoryArtifact.type_,
    alias: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """Save a file or folder as a version of an artifact, making the project if there is none."""
    if type_ not in TYPES:
        raise typer.BadParameter(f"must be one of {', '.join(TYPES)}", param_hint="--type")
    client = xpstore.init()
    artifact = TYPES[type_].save(
        path, name, description=description, aliases=alias or (), project=client.project(project)
    )
    columns = ("name", "version", "type", "size_bytes", "aliases", "digest")
    print_rows(columns, [artifact_row(artifact)], as_json, as_csv, is_one=True)


def get(
    project: ProjectId,
    name: Reference,
    dest: Annotated[
        Path | None,
        typer.Argument(metavar="DEST", help="Folder to put the files in; default NAME."),
    ] = None,
    path: Annotated[str, typer.Option(metavar="PATH", help="Only this file, or what is below this folder.")] = "",
    as_json: AsJSON = False,
) -> None:
    """Download an artifact, verified, and print where it is."""
    use()
    artifact = find_artifact(find_project(project), name)
    # A name may be ".." or hold "/": only a DEST leads out of the present folder.
    default = artifact.name.replace("/", "_").strip(".") or "artifact"
    target = artifact.download(dest if dest is not None else default, path)
    if as_json:
        return print_json({**artifact_row(artifact), "path": str(target)})
    print_path(target)


def cat(
    project: ProjectId,
    file: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@VERSION|@ALIAS]:PATH", help="A file of an artifact; `:` may stay away if it has one file."
        ),
    ],
) -> None:
    """Write the bytes of a file of an artifact to standard output."""
    name, _, path = file.partition(":")
    ask()
    artifact = find_artifact(find_project(project), name)
    with artifact.open(path) as source:
        sys.stdout.flush()
        shutil.copyfileobj(source, sys.stdout.buffer, COPIED_BYTES)
        sys.stdout.buffer.flush()


def alias(
    project: ProjectId,
    name: Reference,
    aliases: Annotated[
        list[str] | None,
        typer.Argument(metavar="ALIAS", help="To point to that version; none: list them."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ALIAS", help="Take this alias away; may be given more than once.")
    ] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """Point aliases to a version of an artifact, take them away, and list those there are."""
    if both := {*(aliases or ())} & {*(remove or ())}:
        raise typer.BadParameter(f"{sorted(both)[0]!r} is to be set and to be removed")
    use() if aliases or remove else ask()
    found = find_project(project)
    version = find_artifact(found, name)
    known = {row["alias"] for row in alias_rows(version)} if remove else set[str]()
    for one in remove or ():
        if one not in known:
            there = ", ".join(sorted(known)) or "none"
            raise InvalidArgument(f"ALIAS = {one!r}: {version.name!r} has the aliases {there}")
    for one in aliases or ():
        version.alias(one)
    for one in remove or ():
        version.unalias(version.name, one, project=found)
    rows: list[dict[str, Any]] = alias_rows(version)
    print_rows(("alias", "version"), rows, as_json, as_csv)
