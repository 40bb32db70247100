"""Points appended to models: as many statements for a hundred models as for one."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row, bindparam, select, tuple_

from xpstore_server.core import limits
from xpstore_server.core.metrics import nans
from xpstore_server.core.metrics.metric import SeriesPart, block_row, insert_blocks
from xpstore_server.store.batches import batches
from xpstore_server.store.columns import Integers
from xpstore_server.store.ids import ordered_id
from xpstore_server.store.points import BLOCK_POINTS, NO_TIME, Points, join, last_values
from xpstore_server.store.tables import block, series
from xpstore_server.store.transaction import Transaction

# Names of models in one query: SQLite takes 32,766 parameters.
QUERY_NAMES = 10_000
_NAMED = select(series).where(tuple_(series.c.model_id, series.c.name).in_(bindparam("names", expanding=True)))
_MIN, _MAX, _LAST = (list(block.c.keys()).index(name) for name in ("min_number", "max_number", "last_ordinal"))


def append(
    tx: Transaction, project_uid: str, parts_of: Mapping[str, Sequence[SeriesPart]], firsts: Mapping[str, int]
) -> set[str]:
    """Appends points in the order of their records. Returns ids of series whose blocks should be put together.

    Args:
        project_uid: the project of all these models.
        parts_of: the points of each model.
        firsts: the ordinals that `model.allot` gave the first point of each.
    """
    has_series = [(model_id, parts) for model_id, parts in parts_of.items() if firsts[model_id]]  # no other has any yet
    names = {(model_id, part.name) for model_id, parts in has_series for part in parts if len(part.points)}
    known = {(row.model_id, row.name, row.phase): row for row in _named(tx, names)}
    appended = _Appended(tx, project_uid)
    # Only where it is needed: to ask for the clock is a round trip.
    every = (part.points.times for parts in parts_of.values() for part in parts)
    now_us = tx.now_us() if any((times == NO_TIME).any() for times in every) else NO_TIME
    for model_id, parts in parts_of.items():
        appended.add(known, model_id, parts, _by_series(parts, firsts[model_id], now_us))
    return appended.store()


def create(tx: Transaction, project_uid: str, parts_of: Mapping[str, Sequence[SeriesPart]], now_us: int) -> None:
    """Stores the first points of models that were made in this transaction, with ordinals from 0.

    Args:
        now_us: the time of points that have none.
    """
    appended = _Appended(tx, project_uid)
    for model_id, parts in parts_of.items():
        appended.add({}, model_id, parts, _by_series(parts, 0, now_us))
    appended.store()


def _named(tx: Transaction, names: set[tuple[str, str]]) -> Iterator[Row[Any]]:
    for some in batches(sorted(names), QUERY_NAMES):
        yield from tx.execute(_NAMED, {"names": some})


class _Appended:
    """Rows of series and blocks, until all are stored at once."""

    def __init__(self, tx: Transaction, project_uid: str) -> None:
        self._tx = tx
        self._project_uid = project_uid
        self._series, self._blocks = list[dict[str, Any]](), list[tuple[tuple[Any, ...], Points]]()
        self._with_nans = dict[str, dict[tuple[str, str], Points]]()

    def add(
        self,
        known: Mapping[tuple[str, str, str], Row[Any]],
        model_id: str,
        parts: Sequence[SeriesPart],
        new: dict[tuple[str, str], Points],
    ) -> None:
        """Adds points of a model, by name and phase: `new` is what `parts` make. A series that is not known is new."""
        for key, whole in new.items():
            row = _row(known.get((model_id, *key)), model_id, self._project_uid, *key)
            for points in whole.blocks():
                its_block = block_row(self._tx, model_id, row["id"], points)
                self._blocks.append((its_block, points))
                _count_in(row, points, its_block)
            self._series.append(row)
        if nans.has_nan([part.points for part in parts]):
            self._with_nans[model_id] = new

    def store(self) -> set[str]:
        """Stores all; returns the ids of series whose blocks should be put together."""
        self._tx.upsert_many(series, [_as_tuple(self._tx, row) for row in self._series])
        insert_blocks(self._tx, self._blocks)
        for model_id, new in self._with_nans.items():
            nans.tell(self._tx, model_id, self._project_uid, new)
        return {row["id"] for row in self._series if row["small_blocks"] >= limits.SMALL_BLOCKS}


def _by_series(parts: Sequence[SeriesPart], first: int, now_us: int) -> dict[tuple[str, str], Points]:
    """The points of each series in order, with their ordinals."""
    parts = [part for part in parts if len(part.points)]
    if not parts:
        return {}
    found = defaultdict[tuple[str, str], list[Points]](list)
    for part, ordinals in zip(parts, _ordinals(parts, first), strict=True):
        found[part.name, part.phase].append(part.points.placed(ordinals, now_us))
    return {key: _in_order(some) for key, some in found.items()}


def _in_order(parts: list[Points]) -> Points:
    whole = join(parts)
    return whole if len(parts) == 1 else whole.where(np.argsort(whole.ordinals))


def _ordinals(parts: Sequence[SeriesPart], first: int) -> Iterator[Integers]:
    """Ordinals of the points of each part: by record, and within one in the order of parts."""
    sizes = [len(part.points) for part in parts]
    ordinals = np.arange(first, first + sum(sizes), dtype=np.int64)
    if len(parts) > 1:
        order = np.argsort(np.concatenate([part.records for part in parts]), kind="stable")
        ranked = np.empty_like(ordinals)
        ranked[order] = ordinals
        ordinals = ranked
    start = 0
    for size in sizes:
        yield ordinals[start : start + size]
        start += size


def _row(known: Row[Any] | None, model_id: str, project_uid: str, name: str, phase: str) -> dict[str, Any]:
    if known is not None:
        return dict(known._mapping)
    nothing = {"points": 0, "last_ordinal": -1, "min_number": None, "max_number": None, "small_blocks": 0}
    key = {"model_id": model_id, "project_uid": project_uid, "name": name, "phase": phase}
    return {"id": ordered_id(), **key, **nothing}


def _count_in(row: dict[str, Any], points: Points, its_block: tuple[Any, ...]) -> None:
    """Takes a new block into the aggregates of its series."""
    row["points"] += len(points)
    row["small_blocks"] += len(points) < BLOCK_POINTS // 2
    smallest, largest = its_block[_MIN], its_block[_MAX]
    if smallest is not None:
        row["min_number"] = smallest if row["min_number"] is None else min(row["min_number"], smallest)
        row["max_number"] = largest if row["max_number"] is None else max(row["max_number"], largest)
    if its_block[_LAST] > row["last_ordinal"]:
        row.update(last_values(points))


def _as_tuple(tx: Transaction, row: dict[str, Any]) -> tuple[Any, ...]:
    keys = ("id", "model_id", "project_uid")
    return tuple(tx.as_key(row[name]) if name in keys else row[name] for name in series.c.keys())  # noqa: SIM118
