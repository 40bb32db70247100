"""Experiments: namespaces for models inside a project."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, bindparam, cast, exists, func, select
from sqlalchemy.exc import IntegrityError

from xpstore_server.core import project, revision
from xpstore_server.core.errors import AlreadyExists, NotFound, Taken
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store import limbo, tables
from xpstore_server.store.tables import deleted_experiment, experiment, experiment_total
from xpstore_server.store.transaction import Transaction

_sum = select(func.sum(experiment_total.c.models)).where(experiment_total.c.experiment_id == experiment.c.id)
_models = cast(func.coalesce(_sum.correlate(experiment).scalar_subquery(), 0), BigInteger)
# With how many models it has.
_WHOLE = select(experiment, _models.label("models"))
_BY_ANY_ID = _WHOLE.where(experiment.c.id == bindparam("key"))
_BY_ANY_NAME = _WHOLE.where(experiment.c.project_uid == bindparam("parent"), experiment.c.name == bindparam("key"))
_BY_ID = _BY_ANY_ID.where(project.is_live(experiment.c.project_uid))
_LIVE = select(experiment).where(project.is_live(experiment.c.project_uid))
# FOR KEY SHARE, as foreign keys take it: others may change the experiment meanwhile.
_HOLD = _LIVE.where(experiment.c.id == bindparam("key")).with_for_update(of=experiment, read=True, key_share=True)
# FOR NO KEY UPDATE, which waits for itself alone.
_QUEUE = _LIVE.where(experiment.c.id == bindparam("key")).with_for_update(of=experiment, key_share=True)
_BY_NAME = _BY_ANY_NAME.where(project.is_live(experiment.c.project_uid))
_LOCK = _LIVE.where(experiment.c.id == bindparam("key")).with_for_update(of=experiment)
_MOVE = experiment.update().where(experiment.c.id == bindparam("key"))
# As they were, with when they were deleted.
_were = [deleted_experiment.c[c.name] if c.name in ("project_uid", "name") else c for c in experiment.c]
_DELETED = select(
    *_were, _models.label("models"), deleted_experiment.c.deleted_at_us, deleted_experiment.c.experiment_id
)
_DELETED = _DELETED.join(deleted_experiment, deleted_experiment.c.experiment_id == experiment.c.id)
_this = deleted_experiment.c.experiment_id == bindparam("key")
_NOTE = select(deleted_experiment).where(_this, project.is_live(deleted_experiment.c.project_uid))
_TAKE = deleted_experiment.delete().where(_this).returning(deleted_experiment)


def is_live(id_: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the experiment a row points to is in a live project: it is in none once it was deleted."""
    owner = (tables.project.c.uid == experiment.c.project_uid, tables.project.c.deleted_at_us.is_(None))
    return exists().where(experiment.c.id == id_, *owner)


def create(
    tx: Transaction,
    principal: str,
    *,
    project_uid: str,
    experiment_id: str,
    name: str,
    description: str = "",
    tags: str = "",
    allow_existing: bool,
) -> tuple[Row[Any], bool]:
    """Makes the experiment or opens the one of this name. Returns it and whether this creation made it."""
    project.get(tx, project_uid=project_uid)
    now, said = tx.now_us(), {"name": name, "description": description, "tags": tags}
    row = {
        "id": experiment_id,
        "project_uid": project_uid,
        **said,
        "created_at_us": now,
        "created_by": principal,
        "updated_at_us": now,
        "updated_by": principal,
        "revision": 1,
    }
    while True:
        tx.insert_ignore(experiment, row)
        if made := tx.execute(_BY_ANY_ID, {"key": experiment_id}).first():
            if made.project_uid != project_uid or not revision.says(made, said):
                raise AlreadyExists("experiment", "experiment_id", experiment_id, "Make a new random id.")
            return made, True
        if not allow_existing:
            raise AlreadyExists("experiment", "name", name, "Set allow_existing to open it.")
        if found := tx.execute(_BY_ANY_NAME, {"parent": project_uid, "key": name}).first():
            return found, False  # else it was deleted in between, and its place is free


def get(tx: Transaction, experiment_id: str) -> Row[Any]:
    """Returns an experiment of a live project."""
    row = tx.first(_BY_ID, {"key": experiment_id})
    if row is None:
        raise NotFound("experiment", experiment_id)
    return row


def hold(tx: Transaction, experiment_id: str) -> Row[Any]:
    """Returns an experiment of a live project, and keeps it from being deleted until the end of the transaction."""
    row = tx.first(_HOLD, {"key": experiment_id})
    if row is None:
        raise NotFound("experiment", experiment_id)
    return row


def hold_in_turn(tx: Transaction, experiment_id: str) -> Row[Any]:
    """Does the same, one after the other of those who do: two who make models of the same hashes do not deadlock."""
    row = tx.first(_QUEUE, {"key": experiment_id})
    if row is None:
        raise NotFound("experiment", experiment_id)
    return row


def get_by_name(tx: Transaction, *, project_uid: str, name: str) -> Row[Any]:
    """Returns an experiment of a live project by its name."""
    row = tx.first(_BY_NAME, {"parent": project_uid, "key": name})
    if row is None:
        raise NotFound("experiment", name)
    return row


def list_page(
    tx: Transaction, project_uid: str, page: Page, *, is_deleted: bool = False
) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the experiments of a project, oldest first.

    Args:
        is_deleted: those that were deleted and can be brought back, instead of live ones, as they were deleted.
    """
    project.get(tx, project_uid=project_uid)
    if is_deleted:
        note = deleted_experiment.c
        return fetch(
            tx, _DELETED.where(note.project_uid == project_uid), [note.deleted_at_us, note.experiment_id], page
        )
    below = _WHOLE.where(experiment.c.project_uid == project_uid)
    return fetch(tx, below, [experiment.c.created_at_us, experiment.c.id], page)


def change(tx: Transaction, principal: str, *, experiment_id: str, changes: dict[str, Any], etag: str) -> Row[Any]:
    """Sets the columns in `changes` if `etag` is empty or the present one."""
    row = get(tx, experiment_id)
    try:
        with tx.savepoint():
            revision.change(tx, experiment, row, changes, principal, etag)
    except IntegrityError:
        raise AlreadyExists("experiment", "name", changes["name"]) from None
    return get(tx, experiment_id)


def delete(tx: Transaction, principal: str, experiment_id: str) -> bool:
    """Hides an experiment with all below it, until its undo window is over. Returns whether this call did it."""
    row = tx.first(_LOCK, {"key": experiment_id})
    if row is None:
        return False
    now = tx.now_us()
    was = {"experiment_id": row.id, "project_uid": row.project_uid, "name": row.name}
    tx.insert(deleted_experiment, {**was, "deleted_at_us": now})
    place = {"project_uid": limbo.KEPT, "name": row.id}
    tx.execute(_MOVE, {"key": row.id, **place, "updated_at_us": now, "updated_by": principal})
    return True


def undelete(tx: Transaction, principal: str, experiment_id: str) -> Row[Any]:
    """Brings a deleted experiment back, unless it has been purged or its name has been taken since."""
    note = note_of_deleted(tx, experiment_id)
    note = note and tx.execute(_TAKE, {"key": experiment_id}).first()
    if note is None:  # it is there, or gone; or another call, or a purge, was first
        return get(tx, experiment_id)
    row = tx.execute(_BY_ANY_ID, {"key": experiment_id}).one()
    was = {"project_uid": note.project_uid, "name": note.name}
    while True:
        try:
            with tx.savepoint():
                revision.change(tx, experiment, row, was, principal)
            return get(tx, experiment_id)
        except IntegrityError:
            if other := tx.execute(_BY_ANY_NAME, {"parent": note.project_uid, "key": note.name}).first():
                raise Taken("experiment", "name", note.name, other.id) from None
            project.get(tx, project_uid=note.project_uid)  # if that is there, the other was deleted in between


def note_of_deleted(tx: Transaction, experiment_id: str) -> Row[Any] | None:
    """What is noted of an experiment that can be brought back, in a live project."""
    return tx.first(_NOTE, {"key": experiment_id})
