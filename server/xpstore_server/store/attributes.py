"""Attributes at rest, as search knows them: a row for each number, text and boolean in a JSON object.

A row's path is `config.lr` or `modules.optimizer.lr`, each part escaped, so that no two values share a path.
"""

import re
from collections import deque
from typing import Any

from xpstore_server import json_text

# Those of a path and a text, with ids, make an index row that PostgreSQL takes: at most 2,704 bytes.
PATH_BYTES = 1_000
TEXT_BYTES = 1_000
ROWS = 1_000  # of one JSON object: those nearest its top, those in lists last

Row = dict[str, Any]


def path_of(*parts: str) -> str:
    """The path that leads by these names."""
    return ".".join(_as_utf8(part).replace("\\", "\\\\").replace(".", "\\.") for part in parts)


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
    """The rows of a JSON object below a path: `path`, and one of `number`, `text` and `truth`."""
    waiting: deque[tuple[str, Any]] = deque([(path_of(*prefix), json_text.loads(json_object))])
    in_lists: deque[tuple[str, Any]] = deque()
    rows: list[Row] = []
    while (waiting or in_lists) and len(rows) < ROWS:
        path, value = (waiting or in_lists).popleft()
        if len(path.encode()) > PATH_BYTES:
            continue
        if isinstance(value, dict):
            waiting.extend((f"{path}.{path_of(key)}", inner) for key, inner in value.items())
        elif isinstance(value, list):
            in_lists.extend((f"{path}.{number}", inner) for number, inner in enumerate(value))
        elif typed := _typed(value):
            rows.append({"path": path, "number": None, "text": None, "truth": None, **typed})
    return rows


def _typed(value: str | float | bool | None) -> Row:
    """A value in the column of its type; nothing for null and for numbers that are not finite."""
    if isinstance(value, bool):
        return {"truth": value}
    if isinstance(value, str):
        return {"text": searched(value)}
    if value is None or value - value != 0:
        return {}
    return {"number": value + 0.0}


def _as_utf8(text: str) -> str:
    # JSON can hold half a surrogate pair, which no database takes.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
