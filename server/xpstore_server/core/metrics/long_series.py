"""Long series for buckets: outlines of their blocks, and points where a bucket begins or ends within a portion."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Row, and_, bindparam, select

from xpstore_server.core.metrics.outlines import (
    PORTION,
    Portions,
    each_alone,
    is_unknown,
    joined,
    portions_of,
    sizes_of,
    some_of,
    unknown,
)
from xpstore_server.store.batches import batches
from xpstore_server.store.columns import Integers, Mask
from xpstore_server.store.database import Database
from xpstore_server.store.points import Points, from_row
from xpstore_server.store.tables import block, outline
from xpstore_server.store.transaction import Transaction

# Shorter ones are read whole as fast.
LONG = 1 << 18
# Outlines of one query: 2 MiB; and whole blocks, of up to 0.5 MiB each.
OUTLINES = 512
BLOCKS = 16
_OUTLINES = (
    select(block.c.model_id, block.c.first_ordinal, block.c.last_ordinal, block.c.points, outline.c.body)
    .outerjoin(outline, and_(outline.c.model_id == block.c.model_id, outline.c.first_ordinal == block.c.first_ordinal))
    .where(block.c.series_id == bindparam("key"), block.c.first_ordinal > bindparam("after"))
    .order_by(block.c.first_ordinal)
    .limit(OUTLINES)
)
_BLOCKS = select(block).where(
    block.c.model_id == bindparam("model"), block.c.first_ordinal.in_(bindparam("firsts", expanding=True))
)


class Split(NamedTuple):
    """What becomes of portions: those of `is_out` are in no bucket, and those of `is_cut` are not in one alone."""

    is_cut: Mask
    is_out: Mask


# Takes portions, and how many points are before each.
Splits = Callable[[Portions, Integers], Split]


class _Found(NamedTuple):
    """Some of a series, and where it goes on.

    Attributes:
        before: how many points are before each portion.
        after: the last ordinal.
        seen: how many points there were.
    """

    every: Portions
    before: Integers
    after: int
    seen: int


def read(database: Database, series_id: str, splits: Splits) -> Iterator[tuple[Portions, Integers]]:
    """Yields a series in order, with how many points are before each portion.

    Portions are those in one bucket each; points of others are portions of one.
    """
    after, seen = -1, 0
    while True:
        try:
            found = database.read(partial(_next, series_id=series_id, after=after, seen=seen, splits=splits))
        except _Moved:
            continue
        if found is None:
            return
        if len(found.before):
            yield found.every, found.before
        after, seen = found.after, found.seen


class _Moved(Exception):
    """Blocks were put together between two statements."""


def _next(tx: Transaction, series_id: str, after: int, seen: int, splits: Splits) -> _Found | None:
    """What comes behind an ordinal; None at the end."""
    heads = tx.execute(_OUTLINES, {"key": series_id, "after": after}).all()
    if not heads:
        return None
    sizes = sizes_of([row.body for row in heads])
    every = joined([_portions(list(alike)) for _, alike in groupby(heads, lambda row: row.body and len(row.body))])
    firsts, owners = np.cumsum(sizes) - sizes, np.repeat(np.arange(len(heads)), sizes)
    ends = seen + np.cumsum(every.counts)
    before = ends - every.counts
    split = splits(every, before)
    is_read = (split.is_cut | is_unknown(every)) & ~split.is_out
    whole = np.flatnonzero(~is_read & ~split.is_out)
    parts, places, starts = [some_of(every, whole)], [whole], [before[whole]]
    for some in batches(np.unique(owners[is_read]).tolist(), BLOCKS):
        for place, points in zip(some, _points(tx, [heads[place] for place in some]), strict=True):
            size = len(points) if sizes[place] == 1 else PORTION
            its = np.flatnonzero(is_read[firsts[place] : firsts[place] + sizes[place]])
            chosen = (its[:, None] * size + np.arange(size)).ravel()
            chosen = chosen[chosen < len(points)]
            parts.append(each_alone(points.where(chosen)))
            places.append(firsts[place] + chosen // size)
            starts.append(before[firsts[place]] + chosen)
    order = np.argsort(np.concatenate(places), kind="stable")
    return _Found(some_of(joined(parts), order), np.concatenate(starts)[order], heads[-1].last_ordinal, int(ends[-1]))


def _portions(alike: Sequence[Row[Any]]) -> Portions:
    """Those of blocks whose outlines are as long, or that have none."""
    if alike[0].body is None:
        return joined([unknown(row.points, row.last_ordinal) for row in alike])
    return portions_of([row.body for row in alike])


def _points(tx: Transaction, heads: Sequence[Row[Any]]) -> Iterator[Points]:
    """The points of some blocks, in their order."""
    firsts = [row.first_ordinal for row in heads]
    rows = {row.first_ordinal: row for row in tx.execute(_BLOCKS, {"model": heads[0].model_id, "firsts": firsts})}
    for head in heads:
        row = rows.get(head.first_ordinal)
        if row is None or row.points != head.points:
            raise _Moved
        yield from_row(row)
