"""Keyset pages: a page starts after a key, so nothing is skipped or repeated while rows come and go."""

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, literal, tuple_

from xpstore_server.core import limits
from xpstore_server.store.database import Transaction

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Which page: at most `size` rows, and fewer if they are heavy, after the key `after` (None: from the start)."""

    size: int
    after: Key | None = None
    descending: bool = False


def fetch(
    tx: Transaction, select: Select[Any], keys: list[ColumnElement[Any]], page: Page
) -> tuple[list[Row[Any]], Key | None]:
    """Returns the rows of a page and the key to go on after, None at the end. `keys` must be selected too."""
    if page.after is not None:
        after = tuple_(*[literal(value, key.type) for value, key in zip(page.after, keys, strict=True)])
        here = tuple_(*keys)
        select = select.where(here < after if page.descending else here > after)
    order = [key.desc() for key in keys] if page.descending else keys
    rows: list[Row[Any]] = []
    weight = 0
    with closing(tx.stream(select.order_by(*order).limit(page.size + 1))) as found:
        for row in found:
            weight += _weight(row)
            if rows and (len(rows) == page.size or weight > limits.PAGE_BYTES):
                last = rows[-1]._mapping
                return rows, tuple(last[key] for key in keys)
            rows.append(row)
    return rows, None


def _weight(row: Row[Any]) -> int:
    texts = (value for value in row if isinstance(value, str))
    return sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
