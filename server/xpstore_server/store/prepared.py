"""Queries made once, at import, that SQLite answers in microseconds: made ready once too, and run past SQLAlchemy.

SQLAlchemy looks up the compiled query, its parameters and the types of its columns for each run anew, which takes
several times as long as the query, and most of all where the processor did something else before.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Dialect, Row, Select, Uuid
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData

from xpstore_server.store.ids import dashed

# Of all databases of a process: a server has one, and some twenty queries.
READY = 512

Convert = Callable[[Any], Any]


class Prepared:
    """A query for SQLite.

    Args:
        query: with named parameters, each a single value.
        dialect: of the database.
    """

    def __init__(self, query: Select[Any], dialect: Dialect) -> None:
        compiled: Any = query.compile(dialect=dialect)
        self.sql = str(compiled)
        self._values = [_value(compiled.binds[name], dialect) for name in compiled.positiontup]
        columns = list(query.selected_columns)
        self._head = SimpleResultMetaData([column.name for column in columns], [(column,) for column in columns])
        converts = ((place, _of_result(column.type, dialect)) for place, column in enumerate(columns))
        self._converts = [(place, convert) for place, convert in converts if convert is not None]

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """What the driver takes for named values."""
        return [value(values) for value in self._values]

    def row(self, found: Sequence[Any]) -> Row[Any]:
        """A row as SQLAlchemy gives it, of what the driver found."""
        cells = list(found)
        for place, convert in self._converts:
            if cells[place] is not None:
                cells[place] = convert(cells[place])
        rows: Iterator[Any] = iter([tuple(cells)])
        return IteratorResult[Any](self._head, rows).one()


@lru_cache(READY)
def prepared(query: Select[Any], dialect: Dialect) -> Prepared:
    """The query for a database; each engine has a dialect of its own."""
    return Prepared(query, dialect)


def _value(bind: BindParameter[Any], dialect: Dialect) -> Callable[[Mapping[str, Any]], Any]:
    """Says what goes in the place of a parameter."""
    convert: Convert | None = bind.type.dialect_impl(dialect).bind_processor(dialect)
    name, callable_, constant = bind.key, bind.callable, bind.value
    if callable_ is not None:
        return lambda values: callable_()
    if not bind.required:
        constant = constant if convert is None else convert(constant)
        return lambda values: constant
    if convert is None:
        return lambda values: values[name]
    return lambda values: convert(values[name])


def _of_result(type_: Any, dialect: Dialect) -> Convert | None:
    if isinstance(type_, Uuid):
        return dashed  # SQLite keeps 32 digits
    found: Convert | None = type_.dialect_impl(dialect).result_processor(dialect, None)
    return found
