"""`xpstore console`: what a run printed."""

import os
import re
import sys
import time
from collections.abc import Callable
from typing import Annotated

import typer

from xpstore._cli.arguments import AsJSON, ExperimentName, ModelInProject
from xpstore._cli.finding import find_model
from xpstore._cli.printing import print_json
from xpstore._cli.service import ask
from xpstore._console import reading
from xpstore._console.printout import collapsed
from xpstore.errors import NotFound
from xpstore.format.text import printable
from xpstore.run import Run

FOLLOW_SECONDS = 1.0
# Colours and styles, which a terminal may have; all else that moves a cursor or sets a title is shown as an escape.
_COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")


def console(
    what: Annotated[str, typer.Argument(metavar="PROJECT|MODEL", help="A project's id; or a model's.")],
    model: ModelInProject = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, metavar="N", help="How many lines of its end; 0: all that is kept.")
    ] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends, or Ctrl-C.")] = False,
    run: Annotated[str | None, typer.Option(metavar="ID", help="Which run of the model; default the newest.")] = None,
    experiment: ExperimentName = None,
    as_json: AsJSON = False,
) -> None:
    """Print what the newest run of a model printed last."""
    if follow and as_json:
        raise typer.BadParameter("give --follow or --json, not both")
    ask()
    found = find_model(what, model, experiment)
    one = _run_of(found.runs, run, found.display_name)
    status = one.status  # before its text: what it printed before its end is there then
    text, offset = _newest(one, lines)
    if as_json:
        return print_json({"run": str(one.id), "status": status, "text": text, "end_offset": offset})
    write = _writer()
    write(collapsed(text).removeprefix("\r").replace("\n\r", "\n"))
    if not follow:
        return
    while status == "running":
        time.sleep(FOLLOW_SECONDS)
        status = one.status
        pieces = list(reading.read_on(one._client, str(one.id), offset))
        write("".join(reading.joined(pieces, offset)))
        offset = pieces[-1].offset + len(pieces[-1].text.encode()) if pieces else offset


def _run_of(runs: list[Run], id_: str | None, name: str) -> Run:
    if not runs:
        raise NotFound(f"{name} has no runs: it prints nothing before `with model.run()` or `xpstore run`.")
    if id_ is None:
        return runs[-1]
    for run in runs:
        if str(run.id) == id_.lower():
            return run
    raise NotFound(f"--run = {id_!r}: {name} has no such run, its newest is {runs[-1].id}.")


def _newest(run: Run, lines: int) -> tuple[str, int]:
    """The last lines of it, and where the log ends."""
    if lines:
        answer = reading.read(run._client, str(run.id))
        pieces, start = list(answer.pieces), answer.pieces[0].offset if answer.pieces else 0
    else:
        pieces, start = list(reading.read_on(run._client, str(run.id), 0)), 0
    text = "".join(reading.joined(pieces, start))
    end = pieces[-1].offset + len(pieces[-1].text.encode()) if pieces else 0
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else text, end


def _writer() -> Callable[[str], None]:
    """Writes text of others: at a terminal with its colours."""
    is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def write(text: str) -> None:
        parts = _COLOURS.split(text)
        for place, part in enumerate(parts):
            if place % 2 == 0:
                sys.stdout.write(_shown(part))
            elif is_coloured:
                sys.stdout.write(part)
        sys.stdout.flush()

    return write


def _shown(text: str) -> str:
    return "".join(part if part in "\n\t\r" else printable(part) for part in re.split(r"([\n\t\r])", text))
