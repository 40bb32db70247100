"""Metric points: append-only, in the order of their commits, kept as blocks of columns under one row for each series.

Whoever changes points of a model holds its row: ordinals are given in the order of commits, and running aggregates are
read and written without a race.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, Row, Select, func, select

from xpstore_server.core import limits, model
from xpstore_server.core.errors import NotFound
from xpstore_server.core.metrics.outlines import outline_of
from xpstore_server.core.paging import Key, Page
from xpstore_server.store.batches import batches
from xpstore_server.store.columns import Integers
from xpstore_server.store.points import BLOCK_SPAN, Points, block_values, from_row, last_values
from xpstore_server.store.tables import block, outline, series
from xpstore_server.store.transaction import Transaction

_ORDINAL_MASK = (1 << 62) - 1
_VARIANT = 2 << 62
# Blocks read at once, and names in one query: SQLite takes 32,766 parameters.
BATCH = 64
QUERY_NAMES = 10_000
# What goes in one transaction: SQLite's writer is held for some tens of milliseconds.
CLEARED_BLOCKS = 500
CLEARED_POINTS = 1 << 19
_BLOCKS = select(block).order_by(block.c.first_ordinal)
_NEWEST_BLOCKS = select(block).order_by(block.c.first_ordinal.desc())


class Point(NamedTuple):
    """A stored point. `value` is text, `kind` says how to read it."""

    model_id: str
    ordinal: int
    name: str
    kind: str
    value: str
    step: int | None
    phase: str | None
    time_us: int


@dataclass(frozen=True, slots=True)
class SeriesPart:
    """Points of one name and phase ("" for none) that are appended; `records` says of each which record it is of."""

    name: str
    phase: str
    points: Points
    records: Integers


def id_of(model_id: str, ordinal: int) -> str:
    """The id of a point: a UUIDv8 of 60 bits for its model and 62 for its ordinal, so that none is stored."""
    low = f"{_VARIANT | ordinal:016x}"
    return f"{_id_prefix(model_id)}{low[:4]}-{low[4:]}"


@lru_cache(maxsize=1_024)
def _id_prefix(model_id: str) -> str:
    digest = hashlib.blake2b(uuid.UUID(model_id).bytes, digest_size=8).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-"


def ordinal_of(model_id: str, metric_id: str) -> int | None:
    """The ordinal in the id of a point, None if it is not one of this model."""
    ordinal = uuid.UUID(metric_id).int & _ORDINAL_MASK
    return ordinal if id_of(model_id, ordinal) == metric_id else None


def block_row(tx: Transaction, model_id: str, series_id: str, points: Points) -> tuple[Any, ...]:
    """The row of a block, as `insert_many` takes it."""
    keys = {"model_id": tx.as_key(model_id), "series_id": tx.as_key(series_id)}
    row = {**keys, **block_values(points)}
    return tuple(row[name] for name in block.c.keys())  # noqa: SIM118  # columns, not a dictionary


def insert_blocks(tx: Transaction, blocks: Sequence[tuple[tuple[Any, ...], Points]]) -> None:
    """Inserts blocks, by their rows and points, with their outlines."""
    tx.insert_many(block, [row for row, _ in blocks])
    outlines = [(*row[:2], *found) for row, points in blocks if (found := outline_of(points)) is not None]
    tx.insert_many(outline, outlines)


def list_page(tx: Transaction, model_id: str, name: str | None, page: Page) -> tuple[list[Point], Key | None]:
    """Returns a page of the points of a model, or of those of one name, in the order of logging."""
    model.ensure_live(tx, model_id)
    (after,) = page.after or (-1,)
    named = None if name is None else select(series.c.id).where(series.c.model_id == model_id, series.c.name == name)
    wanted = None if named is None else tx.execute(named).scalars().all()
    found = _blocks_after(tx, model_id, wanted, int(after), page.size)
    names = dict[str, tuple[str, str | None]]()
    for some in batches(sorted({id_ for id_, _ in found}), QUERY_NAMES):  # of a model that may have thousands
        mine = select(series.c.id, series.c.name, series.c.phase).where(series.c.id.in_(some))
        names |= {row.id: (row.name, row.phase or None) for row in tx.execute(mine)}
    found = [(id_, points) for id_, points in found if id_ in names]  # else it was cleared meanwhile
    listed, weight = list[Point](), 0
    for point in _in_turn(model_id, names, int(after), found, page.size + 1):
        weight += len(point.name) + len(point.value)
        if listed and (len(listed) == page.size or weight > limits.PAGE_BYTES):
            return listed, (listed[-1].ordinal,)
        listed.append(point)
    return listed, None


def _blocks_after(
    tx: Transaction, model_id: str, wanted: Sequence[str] | None, after: int, size: int
) -> list[tuple[str, Points]]:
    """Series and points of the blocks that have what comes next after an ordinal: more than `size` if there are."""
    query = _BLOCKS.where(block.c.model_id == model_id, block.c.last_ordinal > after)
    if wanted is not None:
        query = query.where(block.c.series_id.in_(wanted))
    found, ordinals = list[tuple[str, Points]](), list[Integers]()
    start, is_end = after - BLOCK_SPAN, False
    while not is_end:
        rows = tx.execute(query.where(block.c.first_ordinal > start).limit(BATCH)).all()
        is_end = len(rows) < BATCH
        for row in rows:
            points, start = from_row(row), row.first_ordinal
            found.append((row.series_id, points))
            ordinals.append(points.ordinals[points.ordinals > after])
        # What comes later begins behind this.
        if sum(int(np.searchsorted(some, start)) for some in ordinals) > size:
            break
    return found


def _in_turn(
    model_id: str, names: dict[str, tuple[str, str | None]], after: int, found: list[tuple[str, Points]], count: int
) -> Iterator[Point]:
    """Yields the first points after an ordinal, of all blocks in one order."""
    if not found:
        return
    every = np.concatenate([points.ordinals for _, points in found])
    first = np.sort(every[every > after])[:count]
    rows = list[Point]()
    for owner, points in found:
        some = points.where(np.isin(points.ordinals, first, assume_unique=True))
        name, phase = names[owner]
        has_step = [True] * len(some) if some.has_step is None else some.has_step.tolist()
        steps = [step if has else None for step, has in zip(some.steps.tolist(), has_step, strict=True)]
        columns = zip(some.ordinals.tolist(), some.mixed(), steps, some.times.tolist(), strict=True)
        rows += [Point(model_id, at, name, kind, text, step, phase, us) for at, (kind, text), step, us in columns]
    yield from sorted(rows, key=lambda point: point.ordinal)


def last(tx: Transaction, *, model_id: str, name: str, phase: str | None) -> Point:
    """Returns the newest point of a name, or of a name and phase."""
    rows = _series(tx, model_id, name, phase)
    return last_of(max(rows, key=lambda row: row.last_ordinal))


def last_of(row: Row[Any]) -> Point:
    """The newest point of a series, from its aggregates."""
    value = (row.last_kind, row.last_text, row.last_step)
    return Point(row.model_id, row.last_ordinal, row.name, *value, row.phase or None, row.last_time_us)


def best(tx: Transaction, *, model_id: str, name: str, phase: str | None, is_largest: bool) -> Point:
    """Returns the point with the smallest or largest finite number of a name, the earliest of those."""
    column = "max_number" if is_largest else "min_number"
    rows = [row for row in _series(tx, model_id, name, phase) if getattr(row, column) is not None]
    if not rows:
        raise _no_metric(name, phase)
    pick = max if is_largest else min
    number = pick(getattr(row, column) for row in rows)
    owners = {row.id: row for row in rows if getattr(row, column) == number}
    has_it = (block.c.series_id.in_(list(owners)), block.c[column] == number)
    its_block = tx.execute(_BLOCKS.where(*has_it).limit(len(owners))).all()
    candidates = []
    for row in its_block:
        points = from_row(row)
        place = int(np.flatnonzero(points.numbers() == number)[0])
        candidates.append((int(points.ordinals[place]), place, points, owners[row.series_id]))
    ordinal, place, points, owner = min(candidates, key=lambda candidate: candidate[0])
    found = (*points.value(place), points.step(place), owner.phase or None, int(points.times[place]))
    return Point(model_id, ordinal, name, *found)


def _series(tx: Transaction, model_id: str, name: str, phase: str | None) -> Sequence[Row[Any]]:
    query = select(series).where(series.c.model_id == model_id, series.c.name == name)
    if phase is not None:
        query = query.where(series.c.phase == phase)
    rows = tx.execute(query.where(model.is_live(series.c.model_id))).all()
    if not rows or not tx.admits(rows[0].project_uid):
        model.ensure_live(tx, model_id)
        raise _no_metric(name, phase)
    return rows


def _no_metric(name: str, phase: str | None) -> NotFound:
    return NotFound("metric", name if phase is None else f"{name} of phase {phase}")


def delete(tx: Transaction, *, model_id: str, metric_id: str) -> bool:
    """Deletes a point. Returns whether this call did it."""
    ordinal = ordinal_of(model_id, metric_id)
    if ordinal is None or model.lock_if_there(tx, model_id) is None:
        return False
    near = (
        block.c.first_ordinal <= ordinal,
        block.c.first_ordinal > ordinal - BLOCK_SPAN,
        block.c.last_ordinal >= ordinal,
    )
    for row in tx.execute(_BLOCKS.where(block.c.model_id == model_id, *near)):
        points = from_row(row)
        left = points.ordinals != ordinal
        if not left.all():
            _replace(tx, row, points.where(left))
            _refresh(tx, row.series_id)
            return True
    return False


def remove_some_after(tx: Transaction, *, model_id: str, step: int) -> tuple[int, bool]:
    """Deletes points whose step is greater, of some blocks, the newest first; the caller holds the model.

    Returns how many, and whether there are no more.
    """
    later = _NEWEST_BLOCKS.where(block.c.model_id == model_id, block.c.max_step > step)
    rows = tx.execute(later.limit(BATCH)).all()
    count, touched = 0, set[str]()
    for row in rows:
        points = from_row(row)
        goes = points.steps > step
        left = ~(goes if points.has_step is None else goes & points.has_step)
        count += len(points) - int(left.sum())
        _replace(tx, row, points.where(left))
        touched.add(row.series_id)
    for series_id in sorted(touched):
        _refresh(tx, series_id)
    return count, len(rows) < BATCH


def clear_some(tx: Transaction, model_id: str) -> int:
    """Deletes some blocks of a model, the newest first. Returns how many points these had: 0 if there are none."""
    if model.lock_if_there(tx, model_id) is None:
        return 0
    columns = (block.c.model_id, block.c.first_ordinal, block.c.series_id, block.c.points)
    newest = select(*columns).where(block.c.model_id == model_id).order_by(block.c.first_ordinal.desc())
    rows = _of_few_points(tx.execute(newest.limit(CLEARED_BLOCKS)).all())
    if rows:
        delete_blocks(tx, rows)
    for series_id in sorted({row.series_id for row in rows}):
        _refresh(tx, series_id)
    return sum(row.points for row in rows)


def _of_few_points(rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
    """The first of these blocks, one or as many as have few enough points together."""
    total = 0
    for place, row in enumerate(rows):
        total += row.points
        if total > CLEARED_POINTS and place:
            return rows[:place]
    return rows


def _replace(tx: Transaction, row: Row[Any], points: Points) -> None:
    delete_blocks(tx, [row])
    if len(points):
        insert_blocks(tx, [(block_row(tx, row.model_id, row.series_id, points), points)])


def delete_blocks(tx: Transaction, rows: Sequence[Row[Any]]) -> None:
    """Deletes some blocks of one model, which the caller holds."""
    firsts = [row.first_ordinal for row in rows]
    tx.execute(block.delete().where(block.c.model_id == rows[0].model_id, block.c.first_ordinal.in_(firsts)))


def _refresh(tx: Transaction, series_id: str) -> None:
    """Finds the aggregates of a series anew; one without points goes."""
    mine: ColumnElement[bool] = block.c.series_id == series_id
    newest: Select[Any] = select(block).where(mine).order_by(block.c.first_ordinal.desc()).limit(1)
    row = tx.execute(newest).first()
    if row is None:
        tx.execute(series.delete().where(series.c.id == series_id))
        return
    sums = select(func.sum(block.c.points), func.min(block.c.min_number), func.max(block.c.max_number))
    whole = tuple(tx.execute(sums.where(mine)).one())
    values = dict(zip(("points", "min_number", "max_number"), whole, strict=True)) | last_values(from_row(row))
    tx.execute(series.update().where(series.c.id == series_id).values(**values))
