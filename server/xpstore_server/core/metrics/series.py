"""Series as a whole, their points at full resolution."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, case, select

from xpstore_server.core import model
from xpstore_server.store.database import Database
from xpstore_server.store.points import Points, from_rows
from xpstore_server.store.tables import block, series
from xpstore_server.store.transaction import Transaction

# Blocks of one series read by one query, and points of several by the count of each: 2 MiB of numbers either way.
BATCH = 4
POINTS_TOGETHER = 1 << 16
SERIES_TOGETHER = 128
# Series that were logged one by one have a block for each point until these are put together.
BLOCKS_TOGETHER = 1 << 13
# Text in one part, unless one value has more.
PART_BYTES = 1 << 20
# Models and names of one statement.
MOST_PAIRS = 1_024
_NEXT = (
    select(block)
    .where(block.c.series_id == bindparam("key"), block.c.last_ordinal > bindparam("after"))
    .order_by(block.c.first_ordinal)
    .limit(BATCH)
)
_FIND = (
    select(series.c.id, series.c.model_id, series.c.project_uid, series.c.name, series.c.phase)
    .add_columns(series.c.points, series.c.last_time_us)
    .where(series.c.model_id.in_(bindparam("models", expanding=True)))
    .where(series.c.name.in_(bindparam("names", expanding=True)), model.is_live(series.c.model_id))
    .order_by(series.c.phase)
)
_TOGETHER = (
    select(block.c.series_id, block.c.points, block.c.kind, block.c.ordinals, block.c.steps, block.c.times)
    # Text may be long: it is read by itself.
    .add_columns(case((block.c.kind != "json", block.c.data)).label("data"))
    .where(block.c.series_id.in_(bindparam("keys", expanding=True)), block.c.last_ordinal > bindparam("after"))
    .order_by(block.c.series_id, block.c.first_ordinal)
    .limit(BLOCKS_TOGETHER)
)
# Parts of several series, each with the place of its series.
Parts = list[tuple[int, Points]]


class SeriesKey(NamedTuple):
    """One series (`phase` "" for points without one), or all phases of a name (None)."""

    model_id: str
    name: str
    phase: str | None


def find(tx: Transaction, keys: Sequence[SeriesKey]) -> list[Row[Any]]:
    """The series of keys in their order, those of one by phase; none of a model that is gone."""
    names = defaultdict[str, dict[str, None]](dict)
    for key in keys:
        names[key.model_id][key.name] = None
    alike = defaultdict[tuple[str, ...], list[str]](list)
    for model_id, some in names.items():
        alike[tuple(some)].append(model_id)
    found = defaultdict[tuple[str, str], list[Row[Any]]](list)
    for some_names, models in alike.items():
        at_once = max(1, MOST_PAIRS // len(some_names))
        for start in range(0, len(models), at_once):
            for row in tx.execute(_FIND, {"models": models[start : start + at_once], "names": some_names}):
                if tx.admits(row.project_uid):
                    found[row.model_id, row.name].append(row)
    return [row for key in keys for row in found[key[:2]] if key.phase is None or key.phase == row.phase]


def read_many(database: Database, found: Sequence[Row[Any]], since: int) -> Iterator[Parts]:
    """Yields the points after an ordinal of series that were found, in their order.

    Those of several short series come together, each whole; long ones, and those of text, part by part. No more is held
    than POINTS_TOGETHER, or what `read` holds.
    """
    for start, end in _groups(found):
        some = found[start:end]
        is_short = some[0].points <= POINTS_TOGETHER
        whole = database.read(partial(_whole, some=some, after=since)) if is_short else {}
        together: Parts = []
        for place, row in enumerate(some, start):
            if row.id in whole:
                together += [(place, one) for one in whole[row.id]]
                continue
            if together:
                yield together
                together = []
            yield from ([(place, points)] for points in read(database, row.id, since))
        if together:
            yield together


def _groups(found: Sequence[Row[Any]]) -> Iterator[tuple[int, int]]:
    start = weight = 0
    for place, row in enumerate(found):
        if place > start and (weight + row.points > POINTS_TOGETHER or place - start == SERIES_TOGETHER):
            yield start, place
            start, weight = place, 0
        weight += row.points
    if start < len(found):
        yield start, len(found)


def _whole(tx: Transaction, some: Sequence[Row[Any]], after: int) -> dict[str, list[Points]]:
    """All points of some series after an ordinal, without series that have text; nothing if they are too many."""
    rows = tx.execute(_TOGETHER, {"keys": list({row.id for row in some}), "after": after}).all()
    if len(rows) == BLOCKS_TOGETHER:
        return {}
    mine = defaultdict[str, list[Row[Any]]](list)
    for row in rows:
        mine[row.series_id].append(row)
    whole: dict[str, list[Points]] = {}
    for one in some:
        blocks = mine[one.id]
        if not any(row.kind == "json" for row in blocks):
            points = _behind(from_rows(blocks), after) if blocks else None
            whole[one.id] = [] if points is None else list(_light(points))
    return whole


def read(database: Database, series_id: str, since: int) -> Iterator[Points]:
    """Yields the points of a series after an ordinal, in order, in parts that fit a message."""
    after = since
    while rows := database.read(partial(_next, series_id=series_id, after=after)):
        points = _behind(from_rows(rows), after)
        yield from _light(points)
        after = int(points.ordinals[-1])


def _behind(points: Points, after: int) -> Points:
    """Those behind an ordinal, of which there are some."""
    return points if points.ordinals[0] > after else points.where(points.ordinals > after)


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
