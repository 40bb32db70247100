"""`xpstore search` and `xpstore models`: models by what they hold, a row each."""

import contextlib
import re
import sys
from typing import Annotated, Any

import typer

from xpstore._cli.arguments import AsCSV, AsJSON, ExperimentName, ProjectId
from xpstore._cli.finding import find_project, models_of
from xpstore._cli.printing import print_rows, tell
from xpstore._cli.service import ask
from xpstore._notebook.glance import Glance
from xpstore._search.frame import last_steps
from xpstore._search.query import Query
from xpstore._search.shown import telling_fields
from xpstore._values.display_names import display_name
from xpstore.errors import DeadlineExceeded, Error, ResourceExhausted
from xpstore.model import FoundModels

# Rows that a terminal gets unless it asks for others: more are not read there.
MOST_ROWS = 50
# Characters of a hash that a terminal gets: as many as an id has.
MOST_HASH = 36
# What is listed of each model, beside what differs.
OWN = ("name", "status", "step", "created_at", "hash")

# What no field of a search says.
MADE = {"id", "display_name", "last_step"}

_KINDS = re.compile(r"(?:config|modules|metrics)\b")

Filter = Annotated[
    str,
    typer.Argument(metavar="FILTER", help="Such as 'config.lr < 0.1'; `xpstore help search` explains it."),
]
Order = Annotated[str, typer.Option(metavar="FIELDS", help="Such as 'metrics.loss.min, step desc'; else oldest first.")]
Columns = Annotated[
    str | None,
    typer.Option(metavar="FIELDS", help="Fields to print, such as 'name,config.lr'; default those that tell most."),
]
Limit = Annotated[
    int | None,
    typer.Option(min=0, help=f"The most models; default all, at a terminal {MOST_ROWS}."),
]


def search(
    project: ProjectId,
    filter: Filter = "",
    experiment: ExperimentName = None,
    order: Order = "",
    columns: Columns = None,
    limit: Limit = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """Find models of a project by what they hold."""
    ask()
    found = models_of(find_project(project), experiment)
    _print_models(found._query(filter, order, limit), found, columns, as_json, as_csv)


def models(
    project: ProjectId,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name.")],
    filter: Filter = "",
    order: Order = "",
    columns: Columns = None,
    limit: Limit = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """List the models of an experiment: as `search --experiment`."""
    search(project, filter, experiment, order, columns, limit, as_json, as_csv)


def _print_models(query: Query, models: FoundModels, columns: str | None, as_json: bool, as_csv: bool) -> None:
    is_terminal = sys.stdout.isatty() and not (as_json or as_csv)
    is_cut = is_terminal and query.limit is None
    limit = MOST_ROWS + 1 if is_cut else query.limit
    fields = query.fields() if columns is None else split_fields(columns)
    if columns is None:
        fields = [*OWN, *dict.fromkeys([*fields, *_telling(query)])]
    named = list(dict.fromkeys(["name", *fields, *query.fields()]))
    known = [field for field in named if field not in MADE]
    rows = models.table(query.filter, columns=known, order_by=query.order_by, limit=limit)
    if columns is None or MADE & {*fields}:
        _complete(query, rows)
    shown = [*(field for field in fields if field != "id"), "id"]
    if columns is None:
        # A hash that is made of a config is long, and tells a person nothing.
        has_hash = not is_terminal or all(len(row["hash"]) <= MOST_HASH for row in rows)
        others = fields[len(OWN) :]
        shown = ["display_name", "status", "last_step", *others, "created_at", "id", "step", *["hash"] * has_hash]
    unknown = (one for one in known if _KINDS.match(one) and all(row[one] is None for row in rows))
    with contextlib.suppress(Error):  # it is a hint
        for told in query.unknown(unknown):
            tell(told)
    if is_cut and len(rows) > MOST_ROWS:
        tell(f"these are the first {MOST_ROWS} of {models.count(query.filter):,} models: --limit says how many")
    if columns is not None:  # what was looked at for remarks is not printed
        rows = [{name: row[name] for name in shown} for row in rows]
    print_rows(shown, rows[:MOST_ROWS] if is_cut else rows, as_json, as_csv)


def _telling(query: Query) -> list[str]:
    # A project that is too large to be looked through in time is listed all the same.
    with contextlib.suppress(DeadlineExceeded, ResourceExhausted):
        return telling_fields(Glance(query.client), query)
    return []


def _complete(query: Query, rows: list[dict[str, Any]]) -> None:
    """Adds what is made of other answers."""
    steps = last_steps(query.client, [str(row["id"]) for row in rows])
    for row in rows:
        row["display_name"] = display_name(row["name"], row["id"])
        row["last_step"] = steps[str(row["id"])]


def split_fields(text: str) -> list[str]:
    """The fields of a list: commas inside of quotes and brackets are theirs."""
    parts = re.findall(r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[^,"'])+""", text)
    fields = [part.strip() for part in parts if part.strip()]
    if not fields:
        raise typer.BadParameter("name a field, such as 'name,config.lr'", param_hint="--columns")
    return fields
