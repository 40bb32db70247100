"""Tables: columns with names, and rows of values that JSON can say.

JSON has no NaN and no infinities: they are written as the texts "NaN", "Infinity" and "-Infinity", and a column whose
such texts are all numbers is named in "numbers" beside. What is missing is null. Dates and times are text as ISO 8601
has it, bytes text in base64 behind "base64:", other values what `str` makes of them.
"""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

from xpstore._media.content import Content, libraries_of
from xpstore._values.checks import invalid, to_scalar
from xpstore._values.json_text import plain

MAX_ROWS = 10_000
MAX_COLUMNS = 256
MAX_TABLE_BYTES = 16 << 20
_FORMS = "must be a DataFrame of pandas, a Table of pyarrow, a list of dictionaries or a dictionary of lists"
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_TEXTS = (Decimal, UUID, PurePath, timedelta)

Columns = dict[str, list[Any]]


def to_table(table: Any) -> Content:
    """A table as a file.

    Raises:
        InvalidArgument: it is none, too large, or has a value that no table shows.
    """
    columns = _columns(table)
    count = max(map(len, columns.values()), default=0)
    if len(columns) > MAX_COLUMNS:
        raise _too_large(table, f"{MAX_COLUMNS} columns, has {len(columns)}")
    if any(len(column) != count for column in columns.values()):
        raise invalid("table", table, "must have as many values in each column")
    cells = [[_cell(name, row, value) for row, value in enumerate(column)] for name, column in columns.items()]
    told: dict[str, Any] = {"columns": list(columns), "rows": list(zip(*cells, strict=True))}
    sides = zip(columns.values(), cells, strict=True)
    if numbers := [place for place, (column, said) in enumerate(sides) if _is_of_numbers(column, said)]:
        told["numbers"] = numbers
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    data = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes its JSON escape
    if len(data) > MAX_TABLE_BYTES:
        raise _too_large(table, f"{MAX_TABLE_BYTES >> 20} MiB as JSON, has {len(data) / (1 << 20):.1f}")
    return Content("table", "table.json", data)


def from_table(data: bytes) -> list[dict[str, Any]]:
    """The rows of a file, each a dictionary by the names of the columns."""
    told = json.loads(data)
    columns, numbers = told["columns"], set(told.get("numbers", ()))

    def value(place: int, cell: Any) -> Any:
        return float(cell) if place in numbers and isinstance(cell, str) else cell

    def row(cells: list[Any]) -> dict[str, Any]:
        return {name: value(place, cell) for place, (name, cell) in enumerate(zip(columns, cells, strict=True))}

    return [row(cells) for cells in told["rows"]]


def _too_large(table: Any, bound: str) -> Exception:
    fix = f"must have at most {bound}: log a part, or save all of it with DatasetArtifact.save(name, table)"
    return invalid("table", type(table).__name__, fix)


def _columns(table: Any) -> Columns:
    libraries = libraries_of(table)
    if "pandas" in libraries and hasattr(table, "columns"):
        _check_rows(table, len(table))
        return _of_pandas(table)
    if "pyarrow" in libraries and hasattr(table, "column_names"):
        _check_rows(table, table.num_rows)
        columns = [column.to_pylist() for column in table.columns]
        return _named(table, zip(table.column_names, columns, strict=True))
    if isinstance(table, Mapping):
        return _named(table, ((name, _values(table, name, column)) for name, column in table.items()))
    if isinstance(table, (list, tuple)) and all(isinstance(row, Mapping) for row in table):
        _check_rows(table, len(table))
        names = list(dict.fromkeys(name for row in table for name in row))
        return _named(table, ((name, [row.get(name) for row in table]) for name in names))
    raise invalid("table", table, f"{_FORMS}, not {type(table).__name__}")


def _check_rows(table: Any, count: int) -> None:
    if count > MAX_ROWS:
        raise _too_large(table, f"{MAX_ROWS:,} rows, has {count:,}")


def _of_pandas(table: Any) -> Columns:
    """Its columns, behind an index that says more than where a row is."""
    columns = [(table.columns[place], table.iloc[:, place]) for place in range(len(table.columns))]
    if type(table.index).__name__ != "RangeIndex":
        names = [name if name is not None else f"index {n}" for n, name in enumerate(table.index.names)]
        names = ["index"] if table.index.names == [None] else names
        levels = [table.index.get_level_values(place) for place in range(table.index.nlevels)]
        columns = [*zip(names, levels, strict=True), *columns]
    return _named(table, ((name, [None if _is_missing(one) else one for one in column]) for name, column in columns))


def _named(table: Any, columns: Iterable[tuple[Any, list[Any]]]) -> Columns:
    found: Columns = {}
    for name, column in columns:
        text = name if isinstance(name, str) else str(name)
        if text in found:
            raise invalid("table", text, "names two columns: give one of them another name")
        found[text] = column
    return found


def _values(table: Any, name: Any, column: Any) -> list[Any]:
    if isinstance(column, (str, bytes)) or not isinstance(column, Iterable):
        raise invalid(f"table[{name!r}]", column, "must be a list of the values of that column")
    values = list(islice(column, MAX_ROWS + 1))
    _check_rows(table, len(values))
    return values


def _is_missing(value: Any) -> bool:
    """NaT and NA of pandas: no number of theirs is NaN, which is one."""
    return type(value).__name__ in ("NaTType", "NAType")


def _is_of_numbers(column: list[Any], said: list[Any]) -> bool:
    """Whether numbers in it that JSON has not are said as texts, and nothing else is."""
    texts = [value for value, cell in zip(column, said, strict=True) if isinstance(cell, str)]
    return bool(texts) and all(map(_is_float, texts))


def _is_float(value: Any) -> bool:
    if isinstance(value, float):
        return True
    return getattr(value, "shape", None) == () and getattr(getattr(value, "dtype", None), "kind", "") == "f"


def _cell(name: str, row: int, value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, int)) or type(value) is str:
        return value
    if _is_missing(value):
        return None
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"base64:{b64encode(value).decode()}"
    if isinstance(value, _TEXTS):
        return str(value)
    if type(value).__module__ == "numpy" and value.dtype.kind in "mM":
        return None if str(value) == "NaT" else str(value)
    if isinstance(value, (Mapping, list, tuple)):
        return _nested(name, row, value)
    if callable(getattr(value, "tolist", None)) and getattr(value, "shape", ()) != ():
        return _nested(name, row, value.tolist())
    try:
        return _finite(value if isinstance(value, (float, str)) else to_scalar(value))
    except (TypeError, ValueError, RuntimeError):
        fix = f"a table shows no {type(value).__name__}: say it as text"
        raise invalid(f"table[{name!r}], row {row}", value, fix) from None


def _nested(name: str, row: int, value: Any) -> Any:
    try:
        json.dumps(found := plain(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid(f"table[{name!r}], row {row}", value, f"must be JSON ({error})") from None
    return found


def _finite(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return str.__str__(value) if isinstance(value, str) else value
    return "NaN" if math.isnan(value) else _NOT_FINITE[1 if value > 0 else 2]
