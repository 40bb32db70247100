"""How answers are shown: a table for a person, tab-separated lines for a program, JSON when asked."""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import typer


def print_rows(columns: Sequence[str], rows: list[dict[str, Any]], as_json: bool, *, is_one: bool = False) -> None:
    """Prints what has these columns, as JSON if asked: a list, or the one thing there is."""
    if as_json:
        return print_json(rows[0] if is_one else rows)
    print_table(columns, [[row.get(column) for column in columns] for row in rows])


def print_json(value: Any) -> None:
    """Prints JSON."""
    typer.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple | set | frozenset) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table, without its head where no person reads it."""
    if sys.stdout.isatty():
        _print_rich(columns, rows)
        return
    for row in rows:
        typer.echo("\t".join(_shown(value, _plain) for value in row))


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.box import SIMPLE_HEAD  # here: it may be missing
    from rich.console import Console  # here: it may be missing
    from rich.table import Table  # here: it may be missing
    from rich.text import Text  # here: it may be missing

    table = Table(*(column.replace("_", " ") for column in columns), box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(_shown(value, _brief)) for value in row))
    Console().print(table)


def _shown(value: Any, shape: Callable[[Any], Any]) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value if isinstance(value, str | int) else shape(value))


def _brief(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value
