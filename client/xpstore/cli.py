"""The command `xpstore`: look into a service, and move artifacts in and out.

Tables for a person at a terminal, tab-separated lines for a program, JSON when asked. Exit codes: 0 when it worked, 1
with one line on standard error when it did not, 2 when the command makes no sense.
"""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

try:
    import typer
except ModuleNotFoundError:
    raise SystemExit("xpstore: the command line is not installed: pip install 'xpstore[cli]'") from None

import xpstore
from xpstore._cli import cache
from xpstore._cli.arguments import AsJSON, Discard, Name, ProjectId
from xpstore._cli.contents import artifact_row, has_several_versions, model_rows, project_rows, versions_told
from xpstore._cli.printing import fail, make_printable, print_json, print_path, print_rows, print_table, print_text
from xpstore._cli.service import ask, home, use
from xpstore.artifact import Artifact, DatasetArtifact, DirectoryArtifact, ExplanationArtifact, TrainedModelArtifact
from xpstore.errors import Error, NotFound
from xpstore.format.text import printable
from xpstore.project import Project, get_all_projects

__all__ = ["main"]

app = typer.Typer(
    help="Look into an xpstore service: that of XPSTORE_API_KEY and XPSTORE_API_URL, else the embedded one.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cache.app, name="cache")
UsageError: Any = typer.BadParameter.__base__  # of click, which newer versions of typer have in themselves
TYPES: dict[str, type[Artifact]] = {
    kind.type_: kind for kind in (DirectoryArtifact, TrainedModelArtifact, ExplanationArtifact, DatasetArtifact)
}

Reference = Annotated[
    str,
    typer.Argument(
        metavar="NAME[@VERSION|@ALIAS]",
        help="An artifact, the newest version by default. A name with @ in it ends with @.",
    ),
]


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print_text(f"xpstore {xpstore.__version__}")
        raise typer.Exit


@app.callback()
def _of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None: ...


@app.command()
def status(as_json: AsJSON = False) -> None:
    """Say which service this is and whether it answers."""
    client = ask()
    facts = {
        "address": client.api_url,
        "home": home(),
        "server_version": client.limits.server_version,
        "client_version": xpstore.__version__,
        "projects": len(get_all_projects()),
    }
    if as_json:
        return print_json(facts)
    print_table(("what", "value"), [(name.replace("_", " "), value) for name, value in facts.items()])


@app.command()
def ls(
    project: Annotated[str | None, typer.Argument(metavar="PROJECT", help="Its id.")] = None, as_json: AsJSON = False
) -> None:
    """List all projects, or what is in one."""
    ask()
    if project is None:
        rows = [{"id": found.id, "name": found.name, "created_at": found.created_at} for found in get_all_projects()]
        return print_rows(("id", "name", "created_at"), rows, as_json)
    columns = ("kind", "name", "version", "type", "size_bytes", "aliases", "created_at")
    print_rows(columns, project_rows(Project.get_by_id(project)), as_json)


@app.command()
def models(
    project: ProjectId,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name.")],
    as_json: AsJSON = False,
) -> None:
    """List the models of an experiment."""
    ask()
    found = Project.get_by_id(project).experiments.read(experiment)
    if found is None:
        raise NotFound(f"There is no experiment {experiment!r} in project {project!r}.")
    columns = ("hash", "name", "step", "status", "created_at", "id", "last_step")
    print_rows(columns, model_rows(found), as_json)


@app.command()
def put(
    project: ProjectId,
    name: Name,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder.")],
    type_: Annotated[str, typer.Option("--type", help=f"One of {', '.join(TYPES)}.")] = DirectoryArtifact.type_,
    alias: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Save a file or folder as a version of an artifact, making the project if there is none."""
    if type_ not in TYPES:
        raise typer.BadParameter(f"must be one of {', '.join(TYPES)}", param_hint="--type")
    client = xpstore.init()
    artifact = TYPES[type_].save(
        path, name, description=description, aliases=alias or (), project=client.project(project)
    )
    _print_artifact(artifact, as_json)


@app.command()
def get(
    project: ProjectId,
    name: Reference,
    dest: Annotated[
        Path | None, typer.Argument(metavar="DEST", help="Folder to put the files in; default NAME.")
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Download an artifact, verified, and print where it is."""
    use()
    artifact = _find(Project.get_by_id(project), name)
    # A name may be ".." or hold "/": only a DEST leads out of the present folder.
    default = artifact.name.replace("/", "_").strip(".") or "artifact"
    path = artifact.download(dest if dest is not None else default)
    if as_json:
        return print_json({**artifact_row(artifact), "path": str(path)})
    print_path(path)


@app.command()
def rm(
    project: ProjectId,
    name: Annotated[str | None, typer.Argument(metavar="NAME[@VERSION]", help="An artifact.")] = None,
    all_versions: Annotated[bool, typer.Option("--all-versions", help="Delete all versions of it.")] = False,
    whole_project: Annotated[bool, typer.Option("--project", help="Delete the project.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Delete a version of an artifact, all its versions, or with --project a project."""
    if whole_project == (name is not None):
        raise typer.BadParameter("name an artifact, or give --project to delete the project")
    use()
    found = Project.get_by_id(project)
    if name is None:
        found.delete()
        return _print_deleted({"project": found.id, "uid": found.uid}, as_json)
    artifact = _find(found, name)
    if not all_versions and not _reference(name)[1] and has_several_versions(artifact):
        raise typer.BadParameter(
            f"it has several versions: name one, such as {name}@{artifact.version}, or --all-versions"
        )
    artifact.delete(all_versions=all_versions)
    version = None if all_versions else artifact.version
    _print_deleted({"project": found.id, "name": artifact.name, "version": version}, as_json)


@app.command("open")
def open_page(
    what: Annotated[
        str | None, typer.Argument(metavar="PROJECT|MODEL", help="A project's id, or a model's; default the start.")
    ] = None,
    page_url: Annotated[
        str | None,
        typer.Option(envvar="XPSTORE_PAGE_URL", help="Where a service that is not the embedded one has its page."),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open it in a browser.")] = True,
) -> None:
    """Open the page in a browser, and print its address; the embedded service is started."""
    from xpstore._cli.page import address_of, show  # here, as few commands need it

    address = address_of(what, page_url)
    print_text(address)
    if browser:
        show(address)


@app.command()
def sync(as_json: AsJSON = False, discard: Discard = False) -> None:
    """Send what was logged or saved offline, or left in the spool by programs that are gone."""
    from xpstore._offline.sync import sync as send  # here, as few commands need it

    done = asdict(send(xpstore.init(), is_discarding=discard))
    if as_json:
        print_json(done)
    else:
        print_table(("what", "count"), [(what, count) for what, count in done.items() if what != "refused"])
    for name, reason in done["refused"].items():
        typer.echo(f"{printable(name)}: {'is let go' if discard else 'stays here'}: {printable(reason)}", err=True)
    if done["refused"]:
        raise typer.Exit(1)


def _reference(text: str) -> tuple[str, str]:
    """Splits "name@selector"; the selector is empty for the newest version."""
    name, separator, selector = text.rpartition("@")
    return (name, selector) if separator else (text, "")


def _find(project: Project, reference: str) -> Artifact:
    name, selector = _reference(reference)
    number = selector.removeprefix("v")
    # No alias reads like a version: not "7", not "v7", not "latest".
    version = int(number) if number.isdecimal() else None
    alias = None if version is not None or selector in ("", "latest") else selector
    try:
        return Artifact.get_by_name(name, version=version, alias=alias, project=project)
    except NotFound as error:
        if not selector:
            raise
        raise NotFound(f"{error} {_what_there_is(project, name)}") from None


def _what_there_is(project: Project, name: str) -> str:
    try:
        return versions_told(Artifact.get_by_name(name, project=project))
    except NotFound:
        return ""


def _print_artifact(artifact: Artifact, as_json: bool) -> None:
    columns = ("name", "version", "type", "size_bytes", "aliases", "digest")
    print_rows(columns, [artifact_row(artifact)], as_json, is_one=True)


def _print_deleted(what: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json({"deleted": what})
    print_text("Deleted " + " ".join(f"{key}={value}" for key, value in what.items() if value is not None))


def main() -> None:
    """Runs the command line."""
    make_printable()
    try:
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # older versions of typer have printed it by now
            error.show()
            sys.exit(2)
        usage = f"{error.ctx.get_usage()} (--help says more)" if error.ctx is not None else ""
        fail(f"{error.format_message().rstrip('.')}. {usage}", status=2)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Error as error:
        fail(f"{type(error).__name__}: {error}")
    except UnicodeError as error:  # of an argument that the locale does not read
        fail(f"{error}: run this with a locale of UTF-8, such as LC_ALL=C.UTF-8")
    except OSError as error:  # this machine's: a full disk, a file in the way, standard output that takes no more
        fail(str(error))


if __name__ == "__main__":
    main()
