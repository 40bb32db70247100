"""Projects: opened by the caller's id, kept by a uid that is never used again."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, bindparam, cast, exists, func, select, update
from sqlalchemy.exc import IntegrityError

from xpstore_server.core import revision
from xpstore_server.core.errors import AlreadyExists, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store.ids import new_id
from xpstore_server.store.tables import project, project_total
from xpstore_server.store.transaction import Transaction


def is_live(uid: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the project a row points to is live: a deleted one hides all that is below it."""
    return exists().where(project.c.uid == uid, project.c.deleted_at_us.is_(None))


_LIVE = select(project).where(project.c.deleted_at_us.is_(None))
_of_it = project_total.c.project_uid == project.c.uid
_experiments, _models = (
    cast(func.coalesce(select(func.sum(column)).where(_of_it).correlate(project).scalar_subquery(), 0), BigInteger)
    for column in (project_total.c.experiments, project_total.c.models)
)
# With how many experiments and models it has.
_ANY = select(project, _experiments.label("experiments"), _models.label("models"))
_WHOLE = _ANY.where(project.c.deleted_at_us.is_(None))
_DELETED = _ANY.where(project.c.deleted_at_us.is_not(None), project.c.purged_at_us.is_(None))
_WHOLE_BY_UID = _WHOLE.where(project.c.uid == bindparam("key"))
_BY_UID = _LIVE.where(project.c.uid == bindparam("key"))
_BY_ID = _LIVE.where(project.c.id == bindparam("key"))
_BY_CREATION_ID = select(project).where(project.c.creation_id == bindparam("key"))


def create(
    tx: Transaction,
    principal: str,
    *,
    project_id: str,
    name: str,
    description: str,
    tags: str = "",
    creation_id: str,
    allow_existing: bool,
) -> tuple[Row[Any], bool]:
    """Makes the project or opens the live one of this id. Returns it and whether this creation made it."""
    said = {"name": name, "description": description, "tags": tags}
    if found := tx.execute(_BY_CREATION_ID, {"key": creation_id}).first():
        is_same = (found.id, found.created_by) == (project_id, principal) and revision.says(found, said)
        if not is_same or not tx.admits(found.uid):
            raise AlreadyExists("project", "creation_id", creation_id, "Make a new random id.")
        if found.deleted_at_us is not None:
            raise NotFound("project", found.id)
        return found, True
    now = tx.now_us()
    row = {
        "uid": new_id(),
        "id": project_id,
        **said,
        "creation_id": creation_id,
        "created_at_us": now,
        "created_by": principal,
        "updated_at_us": now,
        "updated_by": principal,
        "revision": 1,
    }
    created = tx.insert_ignore(project, row) == 1
    if not created and not allow_existing:
        raise AlreadyExists("project", "project_id", project_id, "Set allow_existing to open it.")
    return get(tx, project_id=project_id), created


def get(tx: Transaction, *, project_uid: str | None = None, project_id: str | None = None) -> Row[Any]:
    """Returns a live project by one of its keys."""
    by_key, key = (_BY_UID, project_uid) if project_uid is not None else (_BY_ID, project_id)
    row = tx.execute(by_key, {"key": key}).first()
    if row is None or not tx.admits(row.uid):
        raise NotFound("project", key)
    return row


def whole(tx: Transaction, uid: str) -> Row[Any]:
    """Returns a live project with how many experiments and models it has."""
    row = tx.execute(_WHOLE_BY_UID, {"key": uid}).first()
    if row is None or not tx.admits(row.uid):
        raise NotFound("project", uid)
    return row


def list_page(tx: Transaction, page: Page, *, is_deleted: bool = False) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the projects that the caller may see, oldest first, as `whole` does.

    Args:
        is_deleted: those that were deleted and can be brought back, instead of live ones.
    """
    rows, key = fetch(tx, _DELETED if is_deleted else _WHOLE, [project.c.created_at_us, project.c.uid], page)
    return [row for row in rows if tx.admits(row.uid)], key


def change(tx: Transaction, principal: str, *, project_uid: str, changes: dict[str, Any], etag: str) -> Row[Any]:
    """Sets the columns in `changes` if `etag` is empty or the present one."""
    return revision.change(tx, project, get(tx, project_uid=project_uid), changes, principal, etag)


def delete(tx: Transaction, principal: str, *, project_uid: str) -> bool:
    """Hides a project and frees its id. Returns whether this call did it."""
    if not tx.admits(project_uid):
        return False
    now = tx.now_us()
    deleted = (
        update(project)
        .where(project.c.uid == project_uid, project.c.deleted_at_us.is_(None))
        .values(deleted_at_us=now, updated_at_us=now, updated_by=principal)
    )
    return tx.execute(deleted).rowcount == 1


def undelete(tx: Transaction, principal: str, *, project_uid: str) -> Row[Any]:
    """Brings a deleted project back, unless it has been purged or its id has been taken since."""
    if not tx.admits(project_uid):
        raise NotFound("project", project_uid)
    mine = (project.c.uid == project_uid, project.c.deleted_at_us.is_not(None), project.c.purged_at_us.is_(None))
    restored = update(project).where(*mine).values(deleted_at_us=None, updated_at_us=tx.now_us(), updated_by=principal)
    try:
        with tx.savepoint():
            tx.execute(restored)
    except IntegrityError:
        taken = tx.execute(select(project.c.id).where(project.c.uid == project_uid)).scalar_one()
        raise AlreadyExists("project", "project_id", taken, "Delete that one first.") from None
    return get(tx, project_uid=project_uid)
