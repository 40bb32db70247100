"""Attributes at rest, as search knows them: a row for each number, text and boolean in a JSON object.

A row's path is `config.lr` or `modules.optimizer.lr`, each part escaped, so that no two values share a path.
"""

import re
from collections import deque
from typing import Any, NamedTuple

from xpstore_server import json_text

# Those of a path and a text, with ids, make an index row that PostgreSQL takes: at most 2,704 bytes.
PATH_BYTES = 1_000
TEXT_BYTES = 1_000
ROWS = 1_000  # of one JSON object: those nearest its top, those in lists last


class Row(NamedTuple):
    """An attribute: its path, and its value in the column of its type."""

    path: str
    number: float | None
    text: str | None
    truth: bool | None


def path_of(*parts: str) -> str:
    """The path that leads by these names."""
    return ".".join(map(_escaped, parts))


def parts_of(path: str) -> list[str]:
    """The names that a path leads by."""
    parts = [""]
    for escaped, dot, text in re.findall(r"\\(.)|(\.)|([^\\.]+)", path, re.DOTALL):
        if dot:
            parts.append("")
        else:
            parts[-1] += escaped or text
    return parts


def searched(text: str) -> str:
    """What of a text is kept for search: the first 1,000 bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore")


def flatten(json_object: str, *prefix: str) -> list[Row]:
    """The rows of a JSON object below a path."""
    waiting: deque[tuple[str, Any]] = deque([(path_of(*prefix), json_text.loads(json_object))])
    in_lists: deque[tuple[str, Any]] = deque()
    rows: list[Row] = []
    while (waiting or in_lists) and len(rows) < ROWS:
        path, value = (waiting or in_lists).popleft()
        if len(path.encode()) > PATH_BYTES:
            continue
        if isinstance(value, dict):
            waiting.extend((f"{path}.{_escaped(key)}", inner) for key, inner in value.items())
        elif isinstance(value, list):
            in_lists.extend((f"{path}.{number}", inner) for number, inner in enumerate(value))
        elif (row := _row(path, value)) is not None:
            rows.append(row)
    return rows


def _row(path: str, value: str | float | bool | None) -> Row | None:
    """A value in the column of its type; nothing for null and for numbers that are not finite."""
    if isinstance(value, str):
        return Row(path, None, searched(value), None)
    if isinstance(value, bool):
        return Row(path, None, None, value)
    if value is None or value - value != 0:
        return None
    return Row(path, value + 0.0, None, None)


def _escaped(name: str) -> str:
    if name.isascii() and "." not in name and "\\" not in name:
        return name
    # JSON can hold half a surrogate pair, which no database takes.
    return name.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace(".", "\\.")
