"""Keyset pages: a page starts after a key, so nothing is skipped or repeated while rows come and go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Integer, Row, Select, literal, literal_column, tuple_

from xpstore_server.core import limits
from xpstore_server.store.transaction import Transaction

Key = tuple[Any, ...]

BATCH = 200  # rows read at once, each of up to 2 MiB: a page ends long before that much is in memory, if they are heavy


@dataclass(frozen=True, slots=True)
class Page:
    """Which page: at most `size` rows, and fewer if they are heavy, after the key `after` (None: from the start)."""

    size: int
    after: Key | None = None
    descending: bool = False


def first(count: int) -> ColumnElement[int]:
    """A limit, as a number of the statement's own: for a parameter PostgreSQL plans for a tenth of all rows."""
    return literal_column(str(count), Integer)


def fetch(
    tx: Transaction, select: Select[Any], keys: Sequence[ColumnElement[Any]], page: Page
) -> tuple[list[Row[Any]], Key | None]:
    """Returns the rows of a page and the key to go on after, None at the end. `keys` must be selected too."""
    order = [key.desc() for key in keys] if page.descending else keys
    select = select.order_by(*order)
    rows: list[Row[Any]] = []
    weight, after = 0, page.after
    while True:
        limit = min(page.size + 1 - len(rows), BATCH)
        batch = tx.execute(_after(select, keys, after, page.descending).limit(first(limit))).all()
        for row in batch:
            weight += weigh(row)
            if rows and (len(rows) == page.size or weight > limits.PAGE_BYTES):
                return rows, _key(rows[-1], keys)
            rows.append(row)
        if len(batch) < limit:
            return rows, None
        after = _key(rows[-1], keys)


def _after(select: Select[Any], keys: Sequence[ColumnElement[Any]], after: Key | None, descending: bool) -> Select[Any]:
    if after is None:
        return select
    there = tuple_(*[literal(value, key.type) for value, key in zip(after, keys, strict=True)])
    here = tuple_(*keys)
    return select.where(here < there if descending else here > there)


def _key(row: Row[Any], keys: Sequence[ColumnElement[Any]]) -> Key:
    return tuple(row._mapping[key] for key in keys)


def weigh(row: Row[Any]) -> int:
    """The bytes of its texts."""
    texts = (value for value in row if isinstance(value, str))
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
