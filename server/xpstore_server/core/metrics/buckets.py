"""Buckets of series: neighbouring points taken together, as many in each, or along an axis that series share."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, TypeVar

import numpy as np
from sqlalchemy import BindParameter, Row, Select, bindparam, func, select

from xpstore_server.core.metrics import long_series
from xpstore_server.core.metrics.gathered import Buckets, Gathered
from xpstore_server.core.metrics.long_series import LONG, Split
from xpstore_server.core.metrics.outlines import PORTION, Columns, Portions, columns_of, some_of
from xpstore_server.core.metrics.series import Parts, read_many
from xpstore_server.store.batches import batches
from xpstore_server.store.columns import Integers, Mask, decode_integers
from xpstore_server.store.database import Database
from xpstore_server.store.points import Points
from xpstore_server.store.tables import block
from xpstore_server.store.transaction import Transaction

AxisOf = Literal["step", "time"]
T = TypeVar("T")

# Buckets that are filled at once, of several series: 6 MiB.
BUCKETS_TOGETHER = 1 << 16
# Points of a bucket up to which series are read whole as fast: of fewer most portions are in more than one.
FEW = 4 * PORTION
# Series of one statement.
SERIES_OF_ONE = 512
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_COUNT_WHOLE = (
    select(block.c.series_id, func.sum(block.c.points).label("points"))
    .where(block.c.series_id.in_(_KEYS), block.c.first_ordinal > bindparam("after"))
    .group_by(block.c.series_id)
)
_CUT_IN_TWO = select(block.c.series_id, block.c.points, block.c.ordinals).where(
    block.c.series_id.in_(_KEYS), block.c.first_ordinal <= bindparam("after"), block.c.last_ordinal > bindparam("after")
)


def _heads(of: AxisOf) -> Select[Any]:
    """The first block of each series that is on an axis, and the furthest step of all."""
    mine = select(block.c.series_id, func.min(block.c.first_ordinal).label("first_ordinal"))
    mine = mine.add_columns(func.max(block.c.max_step).label("furthest"))
    mine = mine.where(block.c.series_id.in_(_KEYS)).group_by(block.c.series_id)
    if of == "step":
        mine = mine.where(block.c.max_step.is_not(None))
    first = mine.subquery()
    at = (block.c.series_id == first.c.series_id) & (block.c.first_ordinal == first.c.first_ordinal)
    column = block.c.steps if of == "step" else block.c.times
    return select(block.c.series_id, block.c.points, column.label("column"), first.c.furthest).join(first, at)


_HEADS: dict[AxisOf, Select[Any]] = {"step": _heads("step"), "time": _heads("time")}


def neighbours(database: Database, found: Sequence[Row[Any]], since: int, count: int) -> Iterator[tuple[int, Buckets]]:
    """Divides the points after an ordinal of each series into at most `count` buckets as equal as can be.

    Yields the place of each series that has points, in their order. Memory does not grow with a series.
    """
    totals = _each(database, _totals, found, since=since) if since >= 0 else {row.id: row.points for row in found}
    for is_long, places in groupby(range(len(found)), lambda place: _is_long(found[place], since, count)):
        some = list(places)
        divide = _long_neighbours if is_long else _neighbours
        yield from divide(database, found, some, totals, since, count)


def _is_long(row: Row[Any], since: int, count: int) -> bool:
    """Whether outlines help to divide a whole series into so many buckets."""
    return since < 0 and row.points > max(LONG, FEW * count)


def _neighbours(
    database: Database, found: Sequence[Row[Any]], some: list[int], totals: dict[str, int], since: int, count: int
) -> Iterator[tuple[int, Buckets]]:
    rows = [found[place] for place in some]
    parts = ((place, points) for together in read_many(database, rows, since) for place, points in together)
    for place, mine in groupby(parts, itemgetter(0)):
        total = totals.get(rows[place].id)
        if not total:
            continue  # its first point was logged since
        gathered = _Neighbours(total, min(count, total))
        for _, points in mine:
            if gathered.is_full:
                break  # logged since they were counted
            gathered.add(points)
        yield some[place], gathered.result()


def _long_neighbours(
    database: Database, found: Sequence[Row[Any]], some: list[int], totals: dict[str, int], since: int, count: int
) -> Iterator[tuple[int, Buckets]]:
    for place in some:
        if total := totals.get(found[place].id):
            gathered = _Neighbours(total, min(count, total))
            for every, before in long_series.read(database, found[place], gathered):
                gathered.add_portions(every, before)
            if not gathered.is_empty:
                yield place, gathered.result()


def _each(
    database: Database, unit: Callable[..., dict[str, T]], found: Sequence[Row[Any]], **more: Any
) -> dict[str, T]:
    """What a unit finds of many series, asked for some at a time."""
    every: dict[str, T] = {}
    for some in batches(list({row.id for row in found}), SERIES_OF_ONE):
        every |= database.read(partial(unit, ids=list(some), **more))
    return every


def _totals(tx: Transaction, ids: list[str], since: int) -> dict[str, int]:
    """How many points each series has after an ordinal."""
    values = {"keys": ids, "after": since}
    totals = {row.series_id: int(row.points) for row in tx.execute(_COUNT_WHOLE, values)}
    for row in tx.execute(_CUT_IN_TWO, values) if since >= 0 else ():
        ordinals, _ = decode_integers(row.ordinals, row.points)
        totals[row.series_id] = totals.get(row.series_id, 0) + int((ordinals > since).sum())
    return totals


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

    @property
    def is_whole(self) -> bool:
        """Whether nobody set its start or end."""
        return self.is_open_before and self.end is None

    def values(self, points: Points | Columns) -> Integers:
        return points.times if self.of == "time" else points.steps

    def place(self, values: Integers) -> Integers:
        """Which bucket each step or time is in, of those that are in one."""
        return np.clip((values - self.start) // self.width, 0, self.count - 1)

    def places(self, points: Points) -> Integers:
        """Which bucket each point is in, of those that are in one."""
        return self.place(self.values(points))

    def reaches(self, every: Portions) -> tuple[Integers, Integers]:
        """The first and last step or time of each portion."""
        if self.of == "time":
            return every.low_times, every.high_times
        return every.low_steps, every.high_steps

    def has(self, lows: Integers, highs: Integers) -> Mask:
        """Which portions are on the axis with all of their points."""
        is_in: Mask = lows >= (0 if self.is_open_before else max(self.start, 0))
        return is_in if self.end is None else is_in & (highs < self.end)

    def admits(self, points: Points) -> Mask:
        """Which points are in a bucket."""
        values, is_in = self.values(points), np.ones(len(points), np.bool_)
        if self.of == "step" and points.has_step is not None:
            is_in &= points.has_step
        if not self.is_open_before:
            is_in &= values >= self.start
        if self.end is not None:
            is_in &= values < self.end
        return is_in


def axis(
    database: Database, found: Sequence[Row[Any]], of: AxisOf, count: int, start: int | None, end: int | None
) -> Axis | None:
    """An axis for some series; None if they have nothing to put on it.

    Args:
        count: the most buckets.
        start, end: what is read, from the first to before the second; None: as far as the series reach.
    """
    first, behind = start, end
    if first is None or behind is None:
        last = {row.id: row.last_time_us for row in found} if of == "time" else {}
        heads = _each(database, _reaches, found, of=of).items()
        reaches = [(min(at, last.get(id_, at)), max(to, last.get(id_, to))) for id_, (at, to) in heads]
        if not reaches:
            return None
        first = min(one[0] for one in reaches) if first is None else first
        behind = max(max(one[1] for one in reaches) + 1, first + 1) if behind is None else behind
        if behind <= first:
            return None  # all of them end before
    width = -(-(behind - first) // count)
    return Axis(of, first, width, -(-(behind - first) // width), start is None, end)


def _reaches(tx: Transaction, ids: list[str], of: AxisOf) -> dict[str, tuple[int, int]]:
    """Where each series that is on an axis begins, and its furthest step; of times the first alone."""
    found = {}
    for row in tx.execute(_HEADS[of], {"keys": ids}):
        values, is_there = decode_integers(row.column, row.points)
        values = values if is_there is None else values[is_there]
        found[row.series_id] = int(values[0]), int(values[0] if of == "time" else row.furthest)
    return found


def along(database: Database, found: Sequence[Row[Any]], since: int, axis: Axis) -> Iterator[tuple[int, Buckets]]:
    """Divides the points after an ordinal of each series along an axis.

    Yields the place of each series that has a point on it, in their order.
    """
    count = axis.count if axis.is_whole else 0  # of what is beside an axis outlines show that it need not be read
    for is_long, places in groupby(range(len(found)), lambda place: _is_long(found[place], since, count)):
        some = list(places)
        divide = _long_along(database, found, some, axis) if is_long else _along(database, found, some, since, axis)
        yield from divide


def _along(
    database: Database, found: Sequence[Row[Any]], some: list[int], since: int, axis: Axis
) -> Iterator[tuple[int, Buckets]]:
    most = max(1, min(len(some), BUCKETS_TOGETHER // axis.count))
    places, gathered = list[int](), _Along(axis, most)
    for together in read_many(database, [found[place] for place in some], since):
        parts: Parts = []
        for number, points in together:
            place = some[number]
            if place not in places[-1:]:
                if len(places) == most:
                    gathered.add(parts)
                    yield from gathered.results(places)
                    places, parts, gathered = [], [], _Along(axis, most)
                places.append(place)
            parts.append((len(places) - 1, points))
        gathered.add(parts)
    yield from gathered.results(places)


def _long_along(
    database: Database, found: Sequence[Row[Any]], some: list[int], axis: Axis
) -> Iterator[tuple[int, Buckets]]:
    for place in some:
        gathered = _Along(axis, 1)
        for every, _ in long_series.read(database, found[place], gathered):
            gathered.add_portions(every)
        yield from gathered.results([place])


class _Neighbours(Gathered):
    """Buckets as equal in size as can be, of a series whose length is known."""

    def __init__(self, total: int, count: int) -> None:
        super().__init__(count)
        self._edges = np.arange(count + 1, dtype=np.int64) * total // count
        self._seen = self._last_ordinal = 0

    @property
    def is_empty(self) -> bool:
        return not self._counts.any()

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
        columns = columns_of(points)
        self._add(here, columns, np.maximum(self._edges[:-1][here] - self._seen, 0))
        self._seen += len(points)
        self._last_ordinal = int(points.ordinals[-1])

    def split(self, every: Portions, before: Integers) -> Split:
        """Which portions are in more than one bucket, or in none as they were logged since they were counted."""
        first, last = (np.searchsorted(self._edges, at, "right") for at in (before, before + every.counts - 1))
        return Split(first != last, before >= self._edges[-1])

    def places(self, points: Columns, before: Integers) -> Integers:
        """Which bucket each point is in, -1 for those that were logged since they were counted."""
        return np.where(before < self._edges[-1], np.searchsorted(self._edges, before, "right") - 1, -1)

    def add_portions(self, every: Portions, before: Integers) -> None:
        """Adds portions that are each in one bucket."""
        if len(before):
            self._add_portions(np.searchsorted(self._edges, before, "right") - 1, every)
            self._last_ordinal = int(every.last_ordinals[-1])

    def result(self) -> Buckets:
        (found,) = self._results([self._last_ordinal])
        return found


class _Along(Gathered):
    """Buckets of several series along an axis."""

    def __init__(self, axis: Axis, most: int) -> None:
        super().__init__(axis.count * most)
        self._axis = axis
        self._ordinals = [0] * most

    def add(self, parts: Parts) -> None:
        """Adds points of series, each with the number of its series here."""
        axis, columns, places = self._axis, list[Columns](), list[Integers]()
        for number, whole in parts:
            is_in = axis.admits(whole)
            points = whole if is_in.all() else whole.where(is_in)
            if len(points):
                self._ordinals[number] = int(points.ordinals[-1])
                columns.append(columns_of(points))
                places.append(axis.places(points) + number * axis.count)
        if not columns:
            return
        at = np.concatenate(places)
        numbers, steps, times = (np.concatenate(column) for column in zip(*columns, strict=True))
        if (at[1:] < at[:-1]).any():  # steps, and clocks, may go back
            order = np.argsort(at, kind="stable")
            at, numbers, steps, times = at[order], numbers[order], steps[order], times[order]
        starts = np.append(0, np.flatnonzero(at[1:] != at[:-1]) + 1)
        self._add(at[starts], Columns(numbers, steps, times), starts)

    def split(self, every: Portions, before: Integers) -> Split:
        """Which portions are in more than one bucket, and which have nothing on the axis."""
        axis, (lows, highs) = self._axis, self._axis.reaches(every)
        is_out = highs < (0 if axis.is_open_before else axis.start)
        if axis.end is not None:
            is_out |= lows >= axis.end
        return Split(~axis.has(lows, highs) | (axis.place(lows) != axis.place(highs)), is_out)

    def places(self, points: Columns, before: Integers) -> Integers:
        """Which bucket each point is in, -1 for those that are not on the axis."""
        values = self._axis.values(points)
        return np.where(self._axis.has(values, values), self._axis.place(values), -1)

    def add_portions(self, every: Portions) -> None:
        """Adds portions of one series, each in one bucket."""
        if not len(every.counts):
            return
        self._ordinals[0] = int(every.last_ordinals[-1])
        at = self._axis.place(self._axis.reaches(every)[0])
        if (at[1:] < at[:-1]).any():
            order = np.argsort(at, kind="stable")
            at, every = at[order], some_of(every, order)
        self._add_portions(at, every)

    def results(self, places: Sequence[int]) -> Iterator[tuple[int, Buckets]]:
        """The buckets of the first series, with the place of each; not of those without any point."""
        for place, found in zip(places, self._results(self._ordinals), strict=False):
            if found.counts.any():
                yield place, found
