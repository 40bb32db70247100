"""Static HTML for notebooks: no script, no style sheet, nothing from elsewhere, and whatever is shown is escaped.

Viewers that take out styles or drawings leave the tables with their numbers.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from xpstore.errors import Error
from xpstore.format.text import printable

LONGEST_TEXT = 200
# Integers that a double shows exactly, so that a number of steps or samples is not rounded to four digits.
SHOWN_WHOLE = 1e15
_LEFT = 'style="text-align: left"'


class Markup(str):
    """HTML that is made already, and is put into a table as it is."""


def text(value: Any) -> str:
    """A text as HTML: printable, escaped and not too long."""
    shown = printable(str(value))
    return escape(shown if len(shown) <= LONGEST_TEXT else f"{shown[: LONGEST_TEXT - 3]}...")


def cell(value: Any) -> str:
    """A value as HTML: numbers with four digits, times to the minute."""
    if isinstance(value, Markup):
        return value
    return text(_plain(value))


def _plain(value: Any) -> Any:
    match value:
        case None:
            return ""
        case float() if math.isfinite(value) and value.is_integer() and abs(value) < SHOWN_WHOLE:
            return int(value)
        case float():
            return f"{value:.4g}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M}"
        case timedelta():
            return timedelta(seconds=round(value.total_seconds()))
        case list() | tuple():
            return ", ".join(str(_plain(one)) for one in value)
    return value


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table with a head."""
    head = "".join(f"<th {_LEFT}>{text(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td {_LEFT}>{cell(value)}</td>' for value in row)}</tr>\n" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def facts(pairs: Iterable[tuple[str, Any]]) -> str:
    """A table of names and values, without those that are None or empty."""
    rows = "".join(
        f"<tr><th {_LEFT}>{text(name)}</th><td {_LEFT}>{cell(value)}</td></tr>\n"
        for name, value in pairs
        if value is not None and value != "" and value != []
    )
    return f"<table>\n<tbody>\n{rows}</tbody>\n</table>\n"


def line(words: Any) -> str:
    """A line of text."""
    return f"<div>{text(words)}</div>\n"


def shown(head: Callable[[], str], parts: Iterable[str]) -> str:
    """What a notebook shows of an object: its head, and the parts that can be had.

    Never raises: what went wrong is said in a line, below what was there before.

    Args:
        head: says what it is, in a few words that are known already.
        parts: HTML, made one by one as it is asked for.
    """
    made = list[str]()
    try:
        made.append(f"<div><strong>{text(head())}</strong></div>\n")
        made.extend(parts)
    except Exception as error:  # a cell that shows something must not fail
        words = f"{type(error).__name__}: {error}" if isinstance(error, Error) else f"not shown: {error!r}"
        made.append(line(" ".join(words.split())))
    return f"<div>\n{''.join(made)}</div>"
