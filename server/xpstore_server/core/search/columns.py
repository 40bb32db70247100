"""Columns: values of fields of models that were found, read for many models at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, func, select, tuple_

from xpstore_server.core import limits
from xpstore_server.core.search.criteria import COLUMNS
from xpstore_server.core.search.operand import Attribute, Column, Field, Measure
from xpstore_server.store.batches import batches
from xpstore_server.store.points import from_row
from xpstore_server.store.tables import attribute, block, model, model_tag, series
from xpstore_server.store.transaction import Transaction

# By its type: a number, a text, a boolean, a step or a time, tags, or None where a model has none.
Cell = float | str | bool | int | tuple[str, ...] | None
Cells = list[Cell]
_Values = dict[Field, dict[str, Cell]]

CELLS = 16_000  # read at once: texts among them have up to 1,000 bytes
IDS = 200  # series whose blocks are looked for at once
BLOCKS = 16  # each may have 16,384 points
_TAGS = Column("tags")


def read(tx: Transaction, fields: Sequence[Field], ids: Sequence[str]) -> dict[str, Cells]:
    """Returns a value for each field of each of these models that is there, by its id."""
    found = dict[str, Cells]()
    for some in batches(ids, max(CELLS // max(len(fields), 1), 1)):
        by_field: _Values = {}
        for values in _kinds(tx, fields, some):
            by_field.update(values)
        there = set(tx.execute(select(model.c.id).where(model.c.id.in_(some))).scalars())
        found |= {id_: [by_field[field].get(id_) for field in fields] for id_ in some if id_ in there}
    return found


def weigh(cells: Iterable[Cell]) -> int:
    """About how many bytes they take in a message."""
    return sum(12 + sum(map(_bytes, cell if isinstance(cell, tuple) else (cell,))) for cell in cells)


def _bytes(cell: Cell) -> int:
    return 4 + len(cell.encode()) if isinstance(cell, str) else 0


def _kinds(tx: Transaction, fields: Sequence[Field], ids: Sequence[str]) -> Iterable[_Values]:
    asked = dict.fromkeys(fields)
    yield _columns(tx, [field for field in asked if isinstance(field, Column) and field != _TAGS], ids)
    yield _attributes(tx, [field for field in asked if isinstance(field, Attribute)], ids)
    yield _measures(tx, [field for field in asked if isinstance(field, Measure)], ids)
    if _TAGS in asked:
        yield {_TAGS: _tags(tx, ids)}


def _columns(tx: Transaction, fields: Sequence[Column], ids: Sequence[str]) -> _Values:
    if not fields:
        return {}
    rows = tx.execute(select(model.c.id, *(COLUMNS[field.name] for field in fields)).where(model.c.id.in_(ids)))
    by_id = {row[0]: row[1:] for row in rows}
    return {field: {id_: row[place] for id_, row in by_id.items()} for place, field in enumerate(fields)}


def _tags(tx: Transaction, ids: Sequence[str]) -> dict[str, Cell]:
    found = defaultdict[str, list[str]](list)
    place = func.row_number().over(partition_by=model_tag.c.model_id, order_by=model_tag.c.position).label("place")
    mine = select(model_tag.c.model_id, model_tag.c.tag, place).where(model_tag.c.model_id.in_(ids)).subquery()
    for row in tx.execute(select(mine).where(mine.c.place <= limits.FIRST).order_by(mine.c.model_id, mine.c.place)):
        found[row.model_id].append(row.tag)
    return {id_: tuple(tags) for id_, tags in found.items()}


def _attributes(tx: Transaction, fields: Sequence[Attribute], ids: Sequence[str]) -> _Values:
    found: _Values = {field: {} for field in fields}
    columns = (attribute.c.model_id, attribute.c.path, attribute.c.number, attribute.c.text, attribute.c.truth)
    for some in batches(fields, limits.FIRST):
        which = (attribute.c.model_id.in_(ids), attribute.c.path.in_([field.path for field in some]))
        for row in tx.execute(select(*columns).where(*which)):
            value: Cell = row.number if row.number is not None else row.text if row.text is not None else row.truth
            found[Attribute(row.path)][row.model_id] = value
    return found


def _measures(tx: Transaction, fields: Sequence[Measure], ids: Sequence[str]) -> _Values:
    if not fields:
        return {}
    phases = defaultdict[tuple[str, str], list[Row[Any]]](list)
    names = sorted({field.name for field in fields})
    wanted = [series.c[name] for name in ("model_id", "name", "phase", *sorted(_kept(fields)))]
    for row in tx.execute(select(*wanted).where(series.c.model_id.in_(ids), series.c.name.in_(names))):
        phases[row.model_id, row.name].append(row)
    spoken = {field: _speaking(phases, field, ids) for field in fields}
    found: _Values = {}
    for field, rows in spoken.items():
        if field.of in ("min_step", "max_step"):
            found[field] = _steps_of_extremes(tx, field.of.removesuffix("_step"), rows)
        else:
            name = field.of if field.of == "last_step" else f"{field.of}_number"
            found[field] = {id_: row._mapping[name] for id_, row in rows.items()}
    return found


def _kept(fields: Sequence[Measure]) -> set[str]:
    """What is read of series: an id costs as much as all numbers, as it is made a UUID."""
    found = set[str]()
    for field in fields:
        if field.of.startswith("last"):
            found |= {"last_ordinal", "last_step" if field.is_step else "last_number"}
        else:
            found |= {f"{field.of[:3]}_number", *(["id"] if field.is_step else [])}
    return found


def _speaking(phases: dict[tuple[str, str], list[Row[Any]]], field: Measure, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Which series a field is of, by model: as `criteria` has it, of several phases one speaks for all."""
    found = dict[str, Row[Any]]()
    for id_ in ids:
        rows = [row for row in phases.get((id_, field.name), ()) if field.phase in (None, row.phase)]
        if field.of.startswith("last"):
            if rows:
                found[id_] = max(rows, key=lambda row: row.last_ordinal)
            continue
        name, sign = (("min_number", 1), ("max_number", -1))[field.of.startswith("max")]
        rows = [row for row in rows if row._mapping[name] is not None]
        if rows:
            found[id_] = min(rows, key=lambda row: (sign * row._mapping[name], row.phase))
    return found


def _steps_of_extremes(tx: Transaction, of: str, rows: dict[str, Row[Any]]) -> dict[str, Cell]:
    """The step at which the smallest or largest number of each of these series was logged first."""
    number: ColumnElement[Any] = block.c[f"{of}_number"]
    wanted = {row.id: row._mapping[f"{of}_number"] for row in rows.values()}
    # Blocks are looked for by what is in their rows' heads; only the first that has the number is read.
    is_it = (block.c.series_id == series.c.id, number == series.c[f"{of}_number"])
    heads = select(block.c.model_id, func.min(block.c.first_ordinal).label("first_ordinal"))
    heads = heads.join(series, is_it[0] & is_it[1]).group_by(block.c.series_id, block.c.model_id)
    places = [
        (row.model_id, row.first_ordinal)
        for some in batches(list(wanted), IDS)
        for row in tx.execute(heads.where(block.c.series_id.in_(some)))
    ]
    found = dict[str, Cell]()
    for some in batches(places, BLOCKS):
        for row in tx.execute(select(block).where(tuple_(block.c.model_id, block.c.first_ordinal).in_(some))):
            points = from_row(row)
            place = int(np.flatnonzero(points.numbers() == wanted[row.series_id])[0])
            found[row.model_id] = points.step(place)
    return found
