"""`xpstore cache`: what is cached in a project, why a call would hit or miss, and how it is removed."""

import asyncio
import inspect
import re
from dataclasses import asdict
from typing import Annotated, Any

import typer

from xpstore._cli.arguments import AsCSV, AsJSON, ProjectId, to_call
from xpstore._cli.functions import find_function
from xpstore._cli.printing import print_facts, print_json, print_rows, print_table, print_text
from xpstore._cli.service import ask, use
from xpstore._identity.signatures import NotBound
from xpstore._identity.values import Part
from xpstore.cache import CacheEntry, Difference, Explanation
from xpstore.errors import InvalidArgument, NotFound
from xpstore.project import Project

app = typer.Typer(help="See what is cached in a project, and remove it.", no_args_is_help=True)

_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@app.command("list")
def list_entries(
    project: ProjectId,
    process: Annotated[str | None, typer.Option(help="Only results of the process of this name.")] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """List cached results, oldest first."""
    ask()
    columns = ("process", "fingerprint", "completed_at", "completed_by", "duration_seconds", "hits", "expires_at")
    rows = [_entry_row(entry, columns) for entry in Project.get_by_id(project).cache.list(process)]
    print_rows((*columns, "artifact"), rows, as_json, as_csv)


def _entry_row(entry: CacheEntry, columns: tuple[str, ...]) -> dict[str, Any]:
    row = {column: getattr(entry, column) for column in columns}
    return {**row, "artifact": entry.artifact.id if entry.artifact is not None else None}


@app.command()
def invalidate(
    project: ProjectId,
    process: Annotated[str | None, typer.Option(help="All results of the process of this name.")] = None,
    fingerprint: Annotated[str | None, typer.Option(help="The result of this fingerprint.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All results of the project.")] = False,
    outdated: Annotated[
        bool,
        typer.Option("--outdated", help="All that no client of today finds, with their artifacts, so that bytes go."),
    ] = False,
    delete_artifacts: Annotated[
        bool, typer.Option("--delete-artifacts", help="Delete their artifacts too, but for those with an alias.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Remove cached results, so that the next call computes."""
    if sum((process is not None, fingerprint is not None, everything, outdated)) != 1:
        raise typer.BadParameter("say which: --process, --fingerprint, --all or --outdated")
    use()
    with_artifacts = delete_artifacts or outdated
    removed = Project.get_by_id(project).cache.invalidate(
        process, fingerprint=fingerprint, outdated=outdated, delete_artifacts=with_artifacts
    )
    if as_json:
        return print_json({"removed": removed})
    typer.echo(f"Removed {removed}" + (", and their artifacts but for those with an alias" if with_artifacts else ""))


@app.command()
def statistics(project: ProjectId, as_json: AsJSON = False) -> None:
    """Say what the cache of a project holds, how much computing time it saved, and what verifying it found."""
    ask()
    found = asdict(Project.get_by_id(project).cache.statistics())
    del found["here"]
    if as_json:
        return print_json(found)
    found["verifications"] = ", ".join(f"{count} {outcome}" for outcome, count in found["verifications"].items())
    print_facts(found)


@app.command(context_settings={"ignore_unknown_options": True})  # -1 is an argument of a function
def explain(
    project: ProjectId,
    what: Annotated[
        str,
        typer.Argument(
            metavar="FINGERPRINT|MODULE:FUNCTION",
            help="A fingerprint, or a cached function of a module or of a script (SCRIPT.py:FUNCTION).",
        ),
    ],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ARGUMENT|NAME=ARGUMENT", help="Of a call of the function: literals of Python, else text."
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Say why a call hits or misses: its state, its parts, and how the most similar other call differs."""
    if not (_FINGERPRINT.fullmatch(what) or ":" in what):
        raise typer.BadParameter("say a fingerprint of 64 hexadecimal digits, MODULE:FUNCTION or SCRIPT.py:FUNCTION")
    if words and ":" not in what:
        raise typer.BadParameter("a fingerprint takes no arguments: it stands for a call with them")
    args, kwargs = to_call(words or ())
    ask()
    found = Project.get_by_id(project)
    explained = _of_call(found, what, args, kwargs) if ":" in what else _of_entry(found, what)
    _print_explanation(explained, as_json)


def _of_entry(project: Project, fingerprint: str) -> Explanation:
    found = project.cache.explain_entry(fingerprint)
    if found.state == "absent":
        cure = "`xpstore cache list` shows those there are, and MODULE:FUNCTION ARGUMENT... explains a call"
        raise NotFound(f"There is no entry {fingerprint} in project {project.id!r}: {cure}.")
    return found


def _of_call(project: Project, what: str, args: list[Any], kwargs: dict[str, Any]) -> Explanation:
    function = find_function(what)
    own = function.project
    if own is not None and own.id != project.id:
        raise InvalidArgument(f"{what} is cached in project {own.id!r}: ask there")
    with project:
        try:
            answer = function.explain(*args, **kwargs)
            found: Explanation = asyncio.run(answer) if inspect.iscoroutine(answer) else answer
            return found
        except NotBound as error:
            raise InvalidArgument(
                f"{what} does not take these arguments: {error}. It takes {inspect.signature(function)}"
            ) from None


def _print_explanation(found: Explanation, as_json: bool) -> None:
    if as_json:
        columns = ("fingerprint", "completed_at", "completed_by", "duration_seconds", "hits", "expires_at")
        return print_json(
            {
                **{name: getattr(found, name) for name in ("state", "process", "fingerprint", "holder")},
                "parts": [_part_row(part) for part in found.parts],
                "entry": found.entry and _entry_row(found.entry, columns),
                "nearest": found.nearest and _entry_row(found.nearest, columns),
                "differences": [_difference_row(one) for one in found.differences],
            }
        )
    print_text(f"{found}\nFingerprint {found.fingerprint}")
    print_table(("kind", "name", "text"), [(*_name(part), " ".join(part.text.split())) for part in found.parts])


def _name(part: Part) -> tuple[str, str]:
    return part.kind.name.lower(), part.name


def _part_row(part: Part) -> dict[str, Any]:
    kind, name = _name(part)
    return {"kind": kind, "name": name, "text": part.text, "fingerprint": part.fingerprint}


def _difference_row(one: Difference) -> dict[str, Any]:
    return {side: part and _part_row(part) for side, part in (("asked", one.asked), ("known", one.known))}
