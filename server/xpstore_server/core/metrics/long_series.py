"""Long series for buckets: what blocks come to, outlines of those where a bucket ends, and points where need be."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from sqlalchemy import Row, and_, bindparam, select

from xpstore_server.core.metrics.outlines import (
    PORTION,
    Columns,
    Portions,
    columns_of,
    is_large,
    is_unknown,
    joined,
    read_outlines,
    read_wholes,
    some_of,
    taken_together,
)
from xpstore_server.store.columns import Integers, Mask
from xpstore_server.store.database import Database
from xpstore_server.store.points import from_row
from xpstore_server.store.tables import block, outline
from xpstore_server.store.transaction import Transaction

# Shorter ones are read whole as fast.
LONG = 1 << 18
# Blocks of which one query reads what they come to: 0.5 MiB; and those that it reads with their points, 0.5 MiB each.
BLOCKS = 4_096
CUT_BLOCKS = 16
_ITS_OUTLINE = and_(outline.c.model_id == block.c.model_id, outline.c.first_ordinal == block.c.first_ordinal)
_WHOLE = (
    select(block.c.first_ordinal, block.c.last_ordinal, block.c.points, outline.c.whole)
    .outerjoin(outline, _ITS_OUTLINE)
    .where(block.c.series_id == bindparam("key"), block.c.first_ordinal > bindparam("after"))
    .order_by(block.c.first_ordinal)
    .limit(BLOCKS)
)
_CUT = (
    select(block.c.first_ordinal, block.c.points, block.c.kind, block.c.ordinals, block.c.steps, block.c.times)
    .add_columns(block.c.data, outline.c.body)
    .outerjoin(outline, _ITS_OUTLINE)
    .where(block.c.model_id == bindparam("model"), block.c.first_ordinal.in_(bindparam("firsts", expanding=True)))
)


class Split(NamedTuple):
    """What becomes of portions: those of `is_out` are in no bucket, and those of `is_cut` are not in one alone."""

    is_cut: Mask
    is_out: Mask


class Divided(Protocol):
    """How a series is divided into buckets. `before` is how many points of it are before each portion or point."""

    def split(self, every: Portions, before: Integers) -> Split:
        """What becomes of portions."""

    def places(self, points: Columns, before: Integers) -> Integers:
        """Which bucket each point is in, -1 for none."""


class _Part(NamedTuple):
    """Portions that are each in one bucket, and how many points are before each."""

    every: Portions
    before: Integers


def read(database: Database, row: Row[Any], buckets: Divided) -> Iterator[tuple[Portions, Integers]]:
    """Yields a series in order as portions that are each in one bucket, with how many points are before each."""
    after, seen = -1, 0
    while heads := database.read(partial(_heads, series_id=row.id, after=after)):
        firsts, lasts, points, bodies = zip(*heads, strict=True)
        every = read_wholes(bodies, points, lasts)
        ends = seen + np.cumsum(every.counts)
        before = ends - every.counts
        is_cut, is_out = buckets.split(every, before)
        is_cut = (is_cut | is_unknown(every)) & ~is_out
        is_whole = ~is_cut & ~is_out
        for here in _batches(is_cut):
            chosen, cut = (here.start + np.flatnonzero(mask[here]) for mask in (is_whole, is_cut))
            parts = [_Part(some_of(every, chosen), before[chosen])]
            some = [_Cut(firsts[at], points[at], int(before[at])) for at in cut.tolist()]
            try:
                if some:
                    parts += database.read(partial(_finer, model_id=row.model_id, some=some, buckets=buckets))
            except _Moved:
                break
            yield _in_order(parts)
            after, seen = lasts[here.stop - 1], int(ends[here.stop - 1])


def _heads(tx: Transaction, series_id: str, after: int) -> Sequence[Row[Any]]:
    return tx.execute(_WHOLE, {"key": series_id, "after": after}).all()


def _batches(is_cut: Mask) -> Iterator[slice]:
    """Neighbouring blocks of which no more than CUT_BLOCKS are cut."""
    ends = [*np.flatnonzero(is_cut)[CUT_BLOCKS::CUT_BLOCKS].tolist(), len(is_cut)]
    for start, end in zip([0, *ends], ends, strict=False):
        yield slice(start, end)


def _in_order(parts: Sequence[_Part]) -> _Part:
    if len(parts) == 1:
        return parts[0]
    before = np.concatenate([part.before for part in parts])
    order = np.argsort(before)
    return _Part(some_of(joined([part.every for part in parts]), order), before[order])


class _Cut(NamedTuple):
    """A block in more than one bucket, or of which nothing is known."""

    first_ordinal: int
    points: int
    before: int


class _Piece(NamedTuple):
    """Neighbouring points of a block."""

    row: Row[Any]
    here: slice
    before: int


class _Moved(Exception):
    """Blocks were put together between two statements."""


def _finer(tx: Transaction, model_id: str, some: Sequence[_Cut], buckets: Divided) -> list[_Part]:
    """Portions of cut blocks, by their outlines as far as that goes."""
    values = {"model": model_id, "firsts": [one.first_ordinal for one in some]}
    rows = {row.first_ordinal: row for row in tx.execute(_CUT, values)}
    if any(one.first_ordinal not in rows or rows[one.first_ordinal].points != one.points for one in some):
        raise _Moved
    outlined, pieces, parts = list[_Cut](), list[_Piece](), list[_Part]()
    for one in some:
        row = rows[one.first_ordinal]
        if row.body is None:
            pieces.append(_Piece(row, slice(0, row.points), one.before))
        else:
            outlined.append(one)
    if outlined:
        whole, cut = _portions([rows[one.first_ordinal] for one in outlined], [one.before for one in outlined], buckets)
        parts, pieces = [whole], pieces + cut
    return [*parts, _by_bucket(pieces, buckets)] if pieces else parts


def _portions(rows: Sequence[Row[Any]], starts: Sequence[int], buckets: Divided) -> tuple[_Part, list[_Piece]]:
    """Portions of blocks by their outlines, and the points of those that are not in one bucket alone."""
    every = read_outlines([row.body for row in rows])
    sizes = [-(-row.points // PORTION) for row in rows]
    owners = np.repeat(np.arange(len(rows)), sizes)
    within = np.concatenate([np.arange(0, row.points, PORTION) for row in rows])
    before = within + np.repeat(starts, sizes)
    is_cut, is_out = buckets.split(every, before)
    is_whole = ~is_cut & ~is_out
    pieces = []
    for start, end in _runs(is_cut & ~is_out, within):
        row = rows[owners[start]]
        here = slice(int(within[start]), min(int(within[end - 1]) + PORTION, row.points))
        pieces.append(_Piece(row, here, int(before[start])))
    return _Part(some_of(every, is_whole), before[is_whole]), pieces


def _runs(chosen: Mask, within: Integers) -> Iterator[tuple[int, int]]:
    """Where neighbours of one block that are chosen begin and end."""
    places = np.flatnonzero(chosen)
    begins = np.ones(len(places), np.bool_)
    begins[1:] = (np.diff(places) > 1) | (within[places[1:]] == 0)
    for some in np.split(places, np.flatnonzero(begins)[1:]) if len(places) else ():
        yield int(some[0]), int(some[-1]) + 1


def _by_bucket(pieces: Sequence[_Piece], buckets: Divided) -> _Part:
    """Points as portions: neighbours of a piece that are in one bucket."""
    found = [from_row(piece.row, piece.here) for piece in pieces]
    points = Columns(*map(np.concatenate, zip(*map(columns_of, found), strict=True)))
    ordinals, sizes = np.concatenate([one.ordinals for one in found]), [len(one) for one in found]
    starts = np.cumsum(sizes) - sizes
    before = np.arange(len(ordinals)) + np.repeat([piece.before for piece in pieces] - starts, sizes)
    places = buckets.places(points, before)
    begins = np.append(True, places[1:] != places[:-1])
    begins[starts] = True
    if (large := is_large(points.numbers)).any():
        begins |= large | np.append(False, large[:-1])
    firsts = np.flatnonzero(begins)
    every, is_in = taken_together(points, ordinals, firsts), places[firsts] >= 0
    return _Part(some_of(every, is_in), before[firsts[is_in]])
