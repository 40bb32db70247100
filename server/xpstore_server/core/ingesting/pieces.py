"""Large batches in pieces: each is a transaction of its own, so that nobody waits for long.

A piece is whole records, and moves its writer on by as many as it stores. Its work is counted in series that it touches
and in events: points of one series cost next to nothing.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.ingesting.records import Event, ModelRecords, Piece
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.store.columns import Integers

# Work of one transaction: some ten milliseconds of SQLite's only writer.
WORK = 200
# What is logged in turns, as a thousand metrics at each step, is touched in each piece again. Where that is more than
# some times in all, pieces are larger.
LARGER = (WORK, 2 * WORK, 5 * WORK, 10 * WORK)
TOUCHES = 4


@dataclass(frozen=True, slots=True)
class _Work:
    """What is touched: series and events by number, and the place of the record that does it, in order."""

    records: Integers
    units: Integers
    total: int


def pieces(record_count: int, models: Sequence[ModelRecords]) -> list[Piece]:
    """Cuts a batch.

    Raises:
        InvalidArgument: one record has too many series.
    """
    most = sum(len(records.parts) + len(records.events) for records in models)
    if most <= WORK:
        return [Piece(0, record_count, models)]
    work = _work(models)
    if work.total <= WORK:
        return [Piece(0, record_count, models)]
    return list(_cut(record_count, models, _starts(work)))


def _work(models: Sequence[ModelRecords]) -> _Work:
    series = dict[tuple[str, str, str], int]()
    places, numbers = list[Integers](), list[Integers]()
    for records in models:
        for part in records.parts:
            number = series.setdefault((records.model_id, part.name, part.phase), len(series))
            places.append(part.records)
            numbers.append(np.full(len(part.records), number, np.int64))
    events = np.array([event.record for records in models for event in records.events], np.int64)
    total = len(series) + len(events)
    points = np.concatenate(places) if places else np.zeros(0, np.int64)
    # Each series once for each record.
    pairs = np.unique(points * total + np.concatenate(numbers)) if len(points) else points
    _check(pairs // total)
    every = np.concatenate([pairs, events * total + np.arange(len(series), total)])
    every.sort()
    return _Work(every // total, every % total, total)


def _check(places: Integers) -> None:
    """Refuses a record with too many series."""
    if len(places) > limits.SERIES:
        found, counts = np.unique(places, return_counts=True)
        if counts.max() > limits.SERIES:
            fix = f"record {int(found[counts.argmax()])} must have at most {limits.SERIES} series: make several records"
            raise InvalidArgument("models", int(counts.max()), fix, limit="max_series", expected=limits.SERIES)


def _starts(work: _Work) -> list[int]:
    """The first record of each piece but the first."""
    for size in LARGER:
        starts, touches = _greedy(work, size)
        if touches <= TOUCHES * work.total:
            return starts
    return _greedy(work, WORK)[0]


def _greedy(work: _Work, size: int) -> tuple[list[int], int]:
    """Pieces as long as may be, and how much is touched in all of them."""
    starts, touches, seen = list[int](), 0, set[int]()
    edges = np.flatnonzero(np.diff(work.records)) + 1
    units = work.units.tolist()
    for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(units)], strict=True):
        here = units[start:end]
        new = [unit for unit in here if unit not in seen]
        if seen and new and len(seen) + len(new) > size:
            starts.append(int(work.records[start]))
            touches += len(seen)
            seen = set(here)
        else:
            seen.update(new)
    return starts, touches + len(seen)


def _cut(record_count: int, models: Sequence[ModelRecords], starts: list[int]) -> Iterator[Piece]:
    edges = np.array(starts, np.int64)
    found = [defaultdict[str, tuple[list[SeriesPart], list[Event]]](lambda: ([], [])) for _ in range(len(starts) + 1)]
    for records in models:
        for part in records.parts:
            for number, some in _divided(part, starts, edges):
                found[number][records.model_id][0].append(some)
        for event in records.events:
            found[bisect_right(starts, event.record)][records.model_id][1].append(event)
    for its, start, end in zip(found, [0, *starts], [*starts, record_count], strict=True):
        yield Piece(start, end, [ModelRecords(id_, parts, events) for id_, (parts, events) in its.items()])


def _divided(part: SeriesPart, starts: list[int], edges: Integers) -> Iterator[tuple[int, SeriesPart]]:
    """A part by the pieces that it is in."""
    if len(part.records) == 1:  # without arrays, as there may be tens of thousands
        yield bisect_right(starts, int(part.records[0])), part
        return
    its = np.searchsorted(edges, part.records, "right")
    numbers = np.unique(its).tolist()
    if len(numbers) == 1:
        yield numbers[0], part
        return
    for number in numbers:
        here = its == number
        yield number, SeriesPart(part.name, part.phase, part.points.where(here), part.records[here])
