"""Buckets of series: neighbouring points taken together, as many in each, or along an axis that series share."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from sqlalchemy import bindparam, func, select

from xpstore_server.core.metrics.series import read
from xpstore_server.store.columns import Floats, Integers, Mask
from xpstore_server.store.database import Database
from xpstore_server.store.points import NO_STEP, NO_TIME, Points, from_row
from xpstore_server.store.tables import block, series
from xpstore_server.store.transaction import Transaction

AxisOf = Literal["step", "time"]

_COUNT_WHOLE = select(func.sum(block.c.points)).where(
    block.c.series_id == bindparam("key"), block.c.first_ordinal > bindparam("after")
)
_CUT_IN_TWO = select(block).where(
    block.c.series_id == bindparam("key"),
    block.c.first_ordinal <= bindparam("after"),
    block.c.last_ordinal > bindparam("after"),
)


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
    gathered = _Neighbours(total, min(count, total))
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


@dataclass(frozen=True, slots=True)
class Axis:
    """Buckets of equal width, in steps or in time, which many series share.

    Attributes:
        of: "step", or "time" in microseconds.
        start: where the first begins.
        width: of each, at least 1.
        count: how many there are.
        is_open_before: whether what is before the start counts in the first, as nobody set the start.
        end: where nobody set it None: what is behind counts in the last.
    """

    of: AxisOf
    start: int
    width: int
    count: int
    is_open_before: bool
    end: int | None

    def _values(self, points: Points) -> Integers:
        return points.times if self.of == "time" else points.steps

    def places(self, points: Points) -> Integers:
        """Which bucket each point is in, of those that are in one."""
        return np.clip((self._values(points) - self.start) // self.width, 0, self.count - 1)

    def admits(self, points: Points) -> Mask:
        """Which points are in a bucket."""
        values, is_in = self._values(points), np.ones(len(points), np.bool_)
        if self.of == "step" and points.has_step is not None:
            is_in &= points.has_step
        if not self.is_open_before:
            is_in &= values >= self.start
        if self.end is not None:
            is_in &= values < self.end
        return is_in


def axis(
    database: Database, series_ids: Sequence[str], of: AxisOf, count: int, start: int | None, end: int | None
) -> Axis | None:
    """An axis for some series; None if they have nothing to put on it.

    Args:
        count: the most buckets.
        start, end: what is read, from the first to before the second; None: as far as the series reach.
    """
    first, behind = start, end
    if first is None or behind is None:
        asked = (database.read(partial(_reach, series_id=id_, of=of)) for id_ in series_ids)
        reaches = [one for one in asked if one is not None]
        if not reaches:
            return None
        first = min(one[0] for one in reaches) if first is None else first
        behind = max(max(one[1] for one in reaches) + 1, first + 1) if behind is None else behind
        if behind <= first:
            return None  # all of them end before
    width = -(-(behind - first) // count)
    return Axis(of, first, width, -(-(behind - first) // width), start is None, end)


def _reach(tx: Transaction, series_id: str, of: AxisOf) -> tuple[int, int] | None:
    """Where a series begins on an axis, and its furthest point."""
    mine = block.c.series_id == series_id
    blocks = select(block).where(mine).order_by(block.c.first_ordinal).limit(1)
    if of == "time":
        head = tx.execute(blocks).first()
        last = tx.execute(select(series.c.last_time_us).where(series.c.id == series_id)).scalar()
        if head is None or last is None:
            return None
        first = int(from_row(head).times[0])
        return min(first, last), max(first, last)
    head = tx.execute(blocks.where(block.c.max_step.is_not(None))).first()
    if head is None:
        return None
    points = from_row(head)
    steps = points.steps if points.has_step is None else points.steps[points.has_step]
    return int(steps[0]), int(tx.execute(select(func.max(block.c.max_step)).where(mine)).scalar_one())


def along(database: Database, series_id: str, since: int, axis: Axis) -> Buckets | None:
    """Divides the points of a series after an ordinal along an axis; None if there are none on it."""
    gathered = _Along(axis)
    for points in read(database, series_id, since):
        gathered.add(points)
    found = gathered.result()
    return found if found.counts.any() else None


# Numbers so large are summed apart and smaller: their sum may be no number, where their mean is one.
LARGE, SCALE = 1e290, 2.0**64


class _Gathered:
    """Buckets being filled, part by part of a series."""

    def __init__(self, count: int) -> None:
        self._counts = np.zeros(count, np.int64)
        self._mins, self._maxs = np.full(count, math.inf), np.full(count, -math.inf)
        self._sums, self._finite = np.zeros(count), np.zeros(count, np.int64)
        self._large = np.zeros(count)
        self._firsts, self._lasts = np.full(count, math.nan), np.full(count, math.nan)
        self._steps, self._times = np.full((2, count), NO_STEP), np.full((2, count), NO_TIME)
        self._last_ordinal = 0

    def _add(self, here: slice | Integers, points: Points, starts: Integers) -> None:
        """Adds points of some buckets, each once in `here`; `starts` has where those of each begin."""
        numbers = points.numbers()
        self._add_numbers(here, numbers, starts)
        ends = np.append(starts[1:], len(points)) - 1
        begins = self._counts[here] == 0
        for at, first, last in (
            (numbers, self._firsts, self._lasts),
            (points.filled_steps(), self._steps[0], self._steps[1]),
            (points.times, self._times[0], self._times[1]),
        ):
            first[here] = np.where(begins, at[starts], first[here])
            last[here] = at[ends]
        self._counts[here] += ends - starts + 1
        self._last_ordinal = max(self._last_ordinal, int(points.ordinals.max()))

    def _add_numbers(self, here: slice | Integers, numbers: Floats, starts: Integers) -> None:
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
            counts=self._counts,
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


class _Neighbours(_Gathered):
    """Buckets as equal in size as can be, of a series whose length is known."""

    def __init__(self, total: int, count: int) -> None:
        super().__init__(count)
        self._edges = np.arange(count + 1, dtype=np.int64) * total // count
        self._seen = 0

    @property
    def is_full(self) -> bool:
        return self._seen >= int(self._edges[-1])

    def add(self, points: Points) -> None:
        room = int(self._edges[-1]) - self._seen
        if len(points) > room:
            points = points.where(slice(0, room))
        here = slice(
            int(np.searchsorted(self._edges, self._seen, "right")) - 1,
            int(np.searchsorted(self._edges, self._seen + len(points), "left")),
        )
        self._add(here, points, np.maximum(self._edges[:-1][here] - self._seen, 0))
        self._seen += len(points)


class _Along(_Gathered):
    """Buckets along an axis."""

    def __init__(self, axis: "Axis") -> None:
        super().__init__(axis.count)
        self._axis = axis

    def add(self, points: Points) -> None:
        axis = self._axis
        at, is_in = axis.places(points), axis.admits(points)
        if not is_in.all():
            points, at = points.where(is_in), at[is_in]
        if not len(points):
            return
        if (at[1:] < at[:-1]).any():  # steps, and clocks, may go back
            order = np.argsort(at, kind="stable")
            points, at = points.where(order), at[order]
        starts = np.append(0, np.flatnonzero(at[1:] != at[:-1]) + 1)
        self._add(at[starts], points, starts)
