"""Metric points: append-only, in the order of their commits, each stored exactly once."""

import hashlib
import uuid
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, bindparam, select

from xpstore_server.core import model, project
from xpstore_server.core.errors import NotFound, Stale
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store import tables
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import metric, writer

_ORDINAL_MASK = (1 << 62) - 1
_VARIANT = 2 << 62
_PROGRESS = (
    select(tables.model.c.project_uid, writer.c.next_point)
    .outerjoin(
        writer, and_(writer.c.project_uid == tables.model.c.project_uid, writer.c.writer_id == bindparam("writer"))
    )
    .where(tables.model.c.id == bindparam("key"), project.is_live(tables.model.c.project_uid))
)
_MOVE = writer.update().where(
    writer.c.project_uid == bindparam("project"),
    writer.c.writer_id == bindparam("writer"),
    writer.c.next_point == bindparam("known"),
)
_ALLOT = (
    tables.model.update()
    .where(tables.model.c.id == bindparam("key"))
    .values(next_ordinal=tables.model.c.next_ordinal + bindparam("count"))
    .returning(tables.model.c.next_ordinal)
)


class Point(NamedTuple):
    """What a client says about one point. `value` is text, `kind` says how to read it."""

    name: str
    kind: str
    value: str
    step: int | None
    phase: str | None
    time_us: int | None


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


def log(tx: Transaction, *, model_id: str, writer_id: str, first_point: int, points: list[Point]) -> int:
    """Appends the points that the writer has not sent before. Returns the number of the next one expected."""
    end = first_point + len(points)
    while True:
        project_uid, known = _progress(tx, model_id, writer_id)
        if known is not None and known >= end:
            return known
        if first_point > (known or 0):
            raise Stale(f"Point {first_point} is not the next of this writer.", expected=known or 0)
        if _move(tx, project_uid, writer_id, known, end):
            break  # else the same batch is being stored by another call: look again what is known now
    _append(tx, model_id, points[(known or 0) - first_point :])
    return end


def _progress(tx: Transaction, model_id: str, writer_id: str) -> tuple[str, int | None]:
    """The project of a live model and how far a writer got in it."""
    row = tx.execute(_PROGRESS, {"key": model_id, "writer": writer_id}).first()
    if row is None:
        raise NotFound("model", model_id)
    return row.project_uid, row.next_point


def _move(tx: Transaction, project_uid: str, writer_id: str, known: int | None, end: int) -> bool:
    if known is None:
        row = {"project_uid": project_uid, "writer_id": writer_id, "next_point": end}
        return tx.insert_ignore(writer, row) == 1
    still = {"project": project_uid, "writer": writer_id, "known": known}
    return tx.execute(_MOVE, {**still, "next_point": end}).rowcount == 1


def _append(tx: Transaction, model_id: str, points: list[Point]) -> None:
    if not points:
        return
    # The lock on the model's row is held until the commit: ordinals are given in the order of commits.
    end = tx.execute(_ALLOT, {"key": model_id, "count": len(points)}).scalar()
    if end is None:
        raise NotFound("model", model_id)
    first = end - len(points)
    now = tx.now_us() if any(point.time_us is None for point in points) else 0
    rows = [
        {"model_id": model_id, "ordinal": ordinal, **point._asdict()} for ordinal, point in enumerate(points, first)
    ]
    for row in rows:
        row["time_us"] = now if row["time_us"] is None else row["time_us"]
    tx.insert(metric, *rows)


def list_page(tx: Transaction, model_id: str, name: str | None, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the points of a model, or of those of one name, in the order of logging."""
    model.ensure_live(tx, model_id)
    query = select(metric).where(metric.c.model_id == model_id)
    if name is not None:
        query = query.where(metric.c.name == name)
    return fetch(tx, query, [metric.c.ordinal], page)


def last(tx: Transaction, *, model_id: str, name: str, phase: str | None) -> Row[Any]:
    """Returns the newest point of a name, or of a name and phase."""
    query = select(metric).where(metric.c.model_id == model_id, metric.c.name == name)
    if phase is not None:
        query = query.where(metric.c.phase == phase)
    row = tx.execute(query.where(model.is_live(metric.c.model_id)).order_by(metric.c.ordinal.desc()).limit(1)).first()
    if row is None:
        model.ensure_live(tx, model_id)
        raise NotFound("metric", name if phase is None else f"{name} of phase {phase}")
    return row


def delete(tx: Transaction, *, model_id: str, metric_id: str) -> bool:
    """Deletes a point. Returns whether this call did it."""
    point = (metric.c.model_id == model_id, metric.c.ordinal == ordinal_of(model_id, metric_id))
    return tx.execute(metric.delete().where(*point, model.is_live(metric.c.model_id))).rowcount == 1


def clear(tx: Transaction, model_id: str) -> int:
    """Deletes all points of a model. Returns how many."""
    points = metric.delete().where(metric.c.model_id == model_id, model.is_live(metric.c.model_id))
    return tx.execute(points).rowcount
