"""How answers are shown: a table for a person, tab-separated lines for a program, JSON when asked."""

import codecs
import contextlib
import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NoReturn

import typer

from xpstore._cli.table import facts_lines, table_lines
from xpstore._notebook.html import SHOWN_WHOLE
from xpstore.format.text import printable, printable_json, printable_lines

_KIND = re.compile(r"^(?:config|metrics)\.")


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
    tell(message)
    sys.exit(status)


def print_rows(
    columns: Sequence[str],
    rows: list[dict[str, Any]],
    as_json: bool = False,
    as_csv: bool = False,
    *,
    is_one: bool = False,
) -> None:
    """Prints what has these columns, the most important first.

    As JSON a list of all that the rows have, or the one thing there is; as CSV, and for a program as lines of fields
    between tabs, a line of names first.
    """
    if as_json:
        return print_json(rows[0] if is_one else rows)
    values = [[row.get(column) for column in columns] for row in rows]
    if as_csv:
        return _print_csv(columns, values)
    print_table(columns, values)


def print_json(value: Any) -> None:
    """Prints JSON. Numbers that it has no words for are texts: "NaN", "Infinity" and "-Infinity"."""
    value = sayable(value)
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


def tell(message: str) -> None:
    """Says something beside the answer, on standard error."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # nobody is left to tell
            print(f"xpstore: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Prints a table; for a program lines of fields between tabs, the first of them the names of the columns."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            typer.echo("\t".join(_shown(value, _plain) for value in row))
        return
    texts = [[_shown(value, _brief) for value in row] for row in rows]
    right = [any(_is_number(row[at]) for row in rows) for at in range(len(columns))]
    for line in table_lines(_labels(columns), texts, right):
        typer.echo(line)


def print_facts(facts: dict[str, Any]) -> None:
    """Prints names and values; for a program with a tab between them."""
    if not sys.stdout.isatty():
        for name, value in facts.items():
            typer.echo(f"{name}\t{_shown(value, _plain)}")
        return
    for line in facts_lines([(name.replace("_", " "), _shown(value, _brief)) for name, value in facts.items()]):
        typer.echo(line)


def brief(value: Any) -> str:
    """A value for a person: numbers with four digits, times to the minute."""
    return _shown(value, _brief)


def _print_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(map(printable, columns))
    table.writerows([_shown(value, _plain) for value in row] for row in rows)
    typer.echo(text.getvalue(), nl=False)


def sayable(value: Any) -> Any:
    """A value as JSON has words for it."""
    match value:
        case float() if not math.isfinite(value):
            return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
        case dict():
            return {key: sayable(one) for key, one in value.items()}
        case list() | tuple():
            return [sayable(one) for one in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, set | frozenset) else str(value)


def _shown(value: Any, shape: Callable[[Any], Any]) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return printable(json.dumps(value, default=_plain, ensure_ascii=False))
    if isinstance(value, list | tuple):
        return printable(",".join(_shown(one, shape) for one in value))
    return printable(str(value if isinstance(value, str | int) else shape(value)))


def _brief(value: Any) -> Any:
    if isinstance(value, float):
        is_whole = math.isfinite(value) and value.is_integer() and abs(value) < SHOWN_WHOLE
        return int(value) if is_whole else f"{value:.4g}"
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value


def _labels(columns: Sequence[str]) -> list[str]:
    """What columns are called at a terminal: fields by their last names, if those tell them apart."""
    short = [_KIND.sub("", column.removesuffix(".last")) for column in columns]
    labels = [one if short.count(one) == 1 else column for one, column in zip(short, columns, strict=True)]
    return [printable(label.replace("_", " ") if label.isidentifier() else label) for label in labels]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
