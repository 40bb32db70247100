"""How far each writer got: one process with its key, in one project and by one method."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import and_, bindparam, select

from xpstore_server.core import experiment
from xpstore_server.core.errors import NotFound
from xpstore_server.store import tables
from xpstore_server.store.transaction import Transaction

writer = tables.writer


class Method(IntEnum):
    """What a writer calls: each has numbers of its own."""

    INGEST = 0
    LOG_METRICS = 1


@dataclass(frozen=True, slots=True)
class Writer:
    """A writer; the same id with another key, method or project is another one."""

    project_uid: str
    id: str
    method: Method
    principal: str

    def key(self) -> dict[str, Any]:
        """The parameters that say who it is."""
        return {"project": self.project_uid, "writer": self.id, "by": self.method, "who": self.principal}


_BY = and_(writer.c.method == bindparam("by"), writer.c.principal == bindparam("who"))
_MINE = and_(writer.c.project_uid == bindparam("project"), writer.c.writer_id == bindparam("writer"), _BY)
_live = tables.project
# How far a writer got in a live project.
_PROGRESS = (
    select(_live.c.uid.label("project_uid"), writer.c.next_point)
    .outerjoin(writer, and_(writer.c.project_uid == _live.c.uid, writer.c.writer_id == bindparam("writer"), _BY))
    .where(_live.c.uid == bindparam("project"), _live.c.deleted_at_us.is_(None))
)
_MOVE = writer.update().where(_MINE, writer.c.next_point == bindparam("known"))
# Of a release that did not keep whose it was.
_TAKE = (
    writer.update()
    .where(
        writer.c.project_uid == bindparam("project"),
        writer.c.writer_id == bindparam("writer"),
        writer.c.method == bindparam("by"),
        writer.c.principal == "",
    )
    .values(principal=bindparam("who"))
    .returning(writer.c.next_point)
)
_of = tables.model
# Project of a live model, and how far a writer got in it.
_PROGRESS_OF = (
    select(_of.c.project_uid, writer.c.next_point)
    .outerjoin(writer, and_(writer.c.project_uid == _of.c.project_uid, writer.c.writer_id == bindparam("writer"), _BY))
    .where(_of.c.id == bindparam("key"), experiment.is_live(_of.c.experiment_id))
)


def progress(tx: Transaction, one: Writer) -> int | None:
    """The number that a writer goes on from; None if it has not begun.

    Raises:
        NotFound: the project is gone.
    """
    found = tx.first(_PROGRESS, one.key())
    if found is None:
        raise NotFound("project", one.project_uid)
    known: int | None = found.next_point
    return tx.execute(_TAKE, one.key()).scalar() if known is None else known


def progress_of(tx: Transaction, model_id: str, id_: str, method: Method, who: str) -> tuple[Writer, int | None] | None:
    """A writer in the project of a model, and the number that it goes on from; None if the model is gone."""
    found = tx.first(_PROGRESS_OF, {"key": model_id, "writer": id_, "by": method, "who": who})
    if found is None:
        return None
    one = Writer(found.project_uid, id_, method, who)
    known = tx.execute(_TAKE, one.key()).scalar() if found.next_point is None else found.next_point
    return one, known


def move(tx: Transaction, one: Writer, known: int | None, end: int) -> bool:
    """Moves a writer on; False if it is not where it was known to be."""
    if known is None:
        key = {"project_uid": one.project_uid, "writer_id": one.id, "method": one.method, "principal": one.principal}
        return tx.insert_ignore(writer, {**key, "next_point": end}) == 1
    return tx.execute(_MOVE, {**one.key(), "known": known, "next_point": end}).rowcount == 1
