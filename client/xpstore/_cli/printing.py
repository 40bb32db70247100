"""How answers are shown: a table for a person, tab-separated lines for a program, JSON when asked."""

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn

import typer

from xpstore.format.text import printable, printable_json, printable_lines


def make_printable() -> None:
    """Has standard output take any text, whatever the locale: what is not in its encoding is written as an escape."""
    if sys.stdout is None:
        fail("standard output is closed")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files that are no text leave as the bytes they are.
        is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if is_utf8 else "backslashreplace")


def fail(message: str, status: int = 1) -> NoReturn:
    """Ends the command with one line on standard error, and says no more on standard output."""
    with contextlib.suppress(OSError, AttributeError, ValueError):  # it may be closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter would write what is left
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # nobody is left to tell
            print(f"xpstore: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)
    sys.exit(status)


def print_rows(columns: Sequence[str], rows: list[dict[str, Any]], as_json: bool, *, is_one: bool = False) -> None:
    """Prints what has these columns, as JSON if asked: a list, or the one thing there is."""
    if as_json:
        return print_json(rows[0] if is_one else rows)
    print_table(columns, [[row.get(column) for column in columns] for row in rows])


def print_json(value: Any) -> None:
    """Prints JSON."""
    text = json.dumps(value, indent=2, default=_plain, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding, "strict")
    except UnicodeEncodeError:  # JSON has a way of its own to write what is not in this encoding
        text = json.dumps(value, indent=2, default=_plain)
    typer.echo(printable_json(text))


def print_text(text: Any) -> None:
    """Prints lines for a person, whatever a server put into them."""
    typer.echo(printable_lines(str(text)))


def print_path(path: Any) -> None:
    """Prints a path: to a terminal as it may be shown, to a program as it is."""
    typer.echo(printable(str(path)) if sys.stdout.isatty() else path)


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
    texts = [[_shown(value, _brief) for value in row] for row in rows]
    for row in texts:
        table.add_row(*map(Text, row))
    console = Console()
    if console.measure(table, options=console.options.update(max_width=sys.maxsize)).maximum <= console.width:
        console.print(table)
        return
    # Too narrow: one thing after the other, so that nothing is cut or broken and ids can be copied.
    width = max(map(len, columns))
    for row in texts:
        for column, text in zip(columns, row, strict=True):
            typer.echo(f"{column.replace('_', ' '):{width}}  {text}")
        typer.echo()


def _shown(value: Any, shape: Callable[[Any], Any]) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return printable(",".join(map(str, value)))
    return printable(str(value if isinstance(value, str | int) else shape(value)))


def _brief(value: Any) -> Any:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value
