"""Series as a whole: their points at full resolution, and buckets of them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Row, bindparam, func, select

from xpstore_server.core import model
from xpstore_server.store.columns import Floats, Integers
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
_COUNT_WHOLE = select(func.sum(block.c.points)).where(
    block.c.series_id == bindparam("key"), block.c.first_ordinal > bindparam("after")
)
_CUT_IN_TWO = select(block).where(
    block.c.series_id == bindparam("key"),
    block.c.first_ordinal <= bindparam("after"),
    block.c.last_ordinal > bindparam("after"),
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


@dataclass(slots=True, eq=False)
class Buckets:
    """Neighbouring points taken together; NaN where there is no finite number, -1 where no step was given."""

    counts: Integers
    mins: Floats
    maxs: Floats
    firsts: Floats
    lasts: Floats
    means: Floats
    first_steps: Integers
    last_steps: Integers
    first_times: Integers
    last_times: Integers
    last_ordinal: int


def buckets(database: Database, series_id: str, since: int, count: int) -> Buckets | None:
    """Divides the points of a series after an ordinal into at most `count` buckets as equal as can be.

    Returns None if there are no points. Memory does not grow with the series.
    """
    total = database.read(lambda tx: _count_after(tx, series_id, since))
    if not total:
        return None
    gathered = _Gathered(total, min(count, total))
    for points in read(database, series_id, since):
        if gathered.is_full:
            break  # logged since they were counted
        gathered.add(points)
    return gathered.result()


def _count_after(tx: Transaction, series_id: str, since: int) -> int:
    values = {"key": series_id, "after": since}
    total = int(tx.execute(_COUNT_WHOLE, values).scalar() or 0)
    for row in tx.execute(_CUT_IN_TWO, values):
        total += int((from_row(row).ordinals > since).sum())
    return total


# Numbers so large are summed apart and smaller: their sum may be no number, where their mean is one.
LARGE, SCALE = 1e290, 2.0**64


class _Gathered:
    """Buckets being filled, point by point of a series whose length is known."""

    def __init__(self, total: int, count: int) -> None:
        self._edges = np.arange(count + 1, dtype=np.int64) * total // count
        self._seen = 0
        self._mins, self._maxs = np.full(count, math.inf), np.full(count, -math.inf)
        self._sums, self._finite = np.zeros(count), np.zeros(count, np.int64)
        self._large = np.zeros(count)
        self._firsts, self._lasts = np.full(count, math.nan), np.full(count, math.nan)
        self._steps, self._times = np.zeros((2, count), np.int64), np.zeros((2, count), np.int64)
        self._last_ordinal = 0

    @property
    def is_full(self) -> bool:
        return self._seen >= int(self._edges[-1])

    def add(self, points: Points) -> None:
        room = int(self._edges[-1]) - self._seen
        if len(points) > room:
            points = points.where(slice(0, room))
        numbers = points.numbers()
        here = slice(
            int(np.searchsorted(self._edges, self._seen, "right")) - 1,
            int(np.searchsorted(self._edges, self._seen + len(points), "left")),
        )
        starts = np.maximum(self._edges[:-1][here] - self._seen, 0)
        ends = np.minimum(self._edges[1:][here] - self._seen, len(points)) - 1
        self._add_numbers(here, numbers, starts)
        begins = self._edges[:-1][here] >= self._seen
        steps = points.filled_steps()
        for at, first, last in (
            (numbers, self._firsts, self._lasts),
            (steps, self._steps[0], self._steps[1]),
            (points.times, self._times[0], self._times[1]),
        ):
            first[here] = np.where(begins, at[starts], first[here])
            last[here] = at[ends]
        self._seen += len(points)
        self._last_ordinal = int(points.ordinals[-1])

    def _add_numbers(self, here: slice, numbers: Floats, starts: Integers) -> None:
        is_finite = np.isfinite(numbers)
        if is_finite.all():
            low = high = summed = numbers
            ones = np.diff(starts, append=len(numbers))
        else:
            low, high = np.where(is_finite, numbers, math.inf), np.where(is_finite, numbers, -math.inf)
            summed, ones = np.where(is_finite, numbers, 0.0), np.add.reduceat(is_finite.astype(np.int64), starts)
        self._mins[here] = np.minimum(self._mins[here], np.minimum.reduceat(low, starts))
        self._maxs[here] = np.maximum(self._maxs[here], np.maximum.reduceat(high, starts))
        if (is_large := np.abs(summed) > LARGE).any():
            self._large[here] += np.add.reduceat(np.where(is_large, summed / SCALE, 0.0), starts)
            summed = np.where(is_large, 0.0, summed)
        self._sums[here] += np.add.reduceat(summed, starts)
        self._finite[here] += ones

    def result(self) -> Buckets:
        some = self._finite > 0
        counts = np.maximum(self._finite, 1)
        means = np.where(some, self._sums / counts + self._large / counts * SCALE, math.nan)
        return Buckets(
            counts=np.diff(self._edges),
            mins=np.where(some, self._mins, math.nan),
            maxs=np.where(some, self._maxs, math.nan),
            firsts=self._firsts,
            lasts=self._lasts,
            means=means,
            first_steps=self._steps[0],
            last_steps=self._steps[1],
            first_times=self._times[0],
            last_times=self._times[1],
            last_ordinal=self._last_ordinal,
        )
