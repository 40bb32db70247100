"""Series as a whole, their points at full resolution."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, select

from xpstore_server.core import model
from xpstore_server.store.database import Database
from xpstore_server.store.points import Points, from_row, join
from xpstore_server.store.tables import block, series
from xpstore_server.store.transaction import Transaction

# Blocks read by one query: 65,000 points at most, 2 MiB of numbers.
BATCH = 4
# Text in one part, unless one value has more.
PART_BYTES = 1 << 20
_LIVE = model.is_live(series.c.model_id)
_NEXT = (
    select(block)
    .where(block.c.series_id == bindparam("key"), block.c.last_ordinal > bindparam("after"))
    .order_by(block.c.first_ordinal)
    .limit(BATCH)
)


class SeriesKey(NamedTuple):
    """One series (`phase` "" for points without one), or all phases of a name (None)."""

    model_id: str
    name: str
    phase: str | None


def find(tx: Transaction, key: SeriesKey) -> Sequence[Row[Any]]:
    """The series of a key, by phase; none if the model is gone."""
    query = select(series).where(series.c.model_id == key.model_id, series.c.name == key.name, _LIVE)
    if key.phase is not None:
        query = query.where(series.c.phase == key.phase)
    return [row for row in tx.execute(query.order_by(series.c.phase)) if tx.admits(row.project_uid)]


def read(database: Database, series_id: str, since: int) -> Iterator[Points]:
    """Yields the points of a series after an ordinal, in order, in parts that fit a message."""
    after = since
    while rows := database.read(partial(_next, series_id=series_id, after=after)):
        points = join([from_row(row) for row in rows])
        if points.ordinals[0] <= after:
            points = points.where(points.ordinals > after)
        yield from _light(points)
        after = int(points.ordinals[-1])


def _light(points: Points) -> Iterator[Points]:
    """Numbers as they are; text in parts."""
    if not isinstance(points.values, list):
        yield points
        return
    start = weight = 0
    for place, (_, text) in enumerate(points.values):
        if place > start and weight + len(text) > PART_BYTES:
            yield points.where(slice(start, place))
            start, weight = place, 0
        weight += len(text)
    yield points.where(slice(start, None))


def _next(tx: Transaction, series_id: str, after: int) -> Sequence[Row[Any]]:
    return tx.execute(_NEXT, {"key": series_id, "after": after}).all()
