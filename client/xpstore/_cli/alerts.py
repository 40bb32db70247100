"""`xpstore alerts`: what somebody should look at."""

import sys
from itertools import islice
from typing import Annotated

import typer

from xpstore._cli.arguments import AsCSV, AsJSON, ExperimentName, ModelInProject
from xpstore._cli.finding import find_model_or_project
from xpstore._cli.printing import print_rows, tell
from xpstore._cli.service import ask
from xpstore._cli.told import alert_row

# Rows that a terminal gets unless it asks for others: more are not read there.
MOST_ROWS = 50
COLUMNS = ("level", "title", "at", "step", "cause", "model_id")


def alerts(
    what: Annotated[str, typer.Argument(metavar="PROJECT|MODEL", help="A project's id, or a model's.")],
    model: ModelInProject = None,
    experiment: ExperimentName = None,
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"The most alerts; default all, at a terminal {MOST_ROWS}.")
    ] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """List what somebody should look at in a project or a model, newest first."""
    ask()
    found = find_model_or_project(what, model, experiment)
    is_cut = limit is None and sys.stdout.isatty() and not (as_json or as_csv)
    rows = [alert_row(one) for one in islice(found.alerts, MOST_ROWS + 1 if is_cut else limit)]
    if is_cut and len(rows) > MOST_ROWS:
        tell(f"these are the newest {MOST_ROWS} alerts: --limit says how many")
        rows = rows[:MOST_ROWS]
    print_rows(COLUMNS, rows, as_json, as_csv)
