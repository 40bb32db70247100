"""Artifacts: names, their versions, and what is known about them. Bytes are `publish`, `upload` and `files`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, bindparam, delete, exists, select, update
from sqlalchemy.exc import IntegrityError

from xpstore_server.core import project, revision
from xpstore_server.core.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from xpstore_server.core.paging import Key, Page, fetch, first
from xpstore_server.core.versions import attach, media
from xpstore_server.core.versions.details import LINK_IS_SEEN
from xpstore_server.store import tables
from xpstore_server.store.batches import batches
from xpstore_server.store.ids import new_id
from xpstore_server.store.transaction import Transaction

HEAVY = 50  # versions read at once where each may have 1 MiB of metadata

# Versions hidden in one transaction: other writers of SQLite wait for so long.
DELETED_VERSIONS = 1_000

NEWEST = "latest"  # reads as an alias of the newest version, and cannot be set

version = tables.artifact_version
named = tables.artifact


@dataclass(frozen=True, slots=True)
class Name:
    """A version by what people know; the newest if neither number nor alias is given."""

    project_id: str
    name: str
    version: int | None = None
    alias: str | None = None


def _whole() -> Select[Any]:
    """Versions with name and type, without their manifests (up to 1 MiB each)."""
    columns = [column for column in version.c if column.name != "manifest"]
    return select(*columns, named.c.name, named.c.type).join(named, named.c.id == version.c.artifact_id)


WHOLE = _whole()
_LIVE = WHOLE.join(tables.project, tables.project.c.uid == version.c.project_uid).where(
    version.c.state == "live", tables.project.c.deleted_at_us.is_(None)
)
# By a name that is looked up before: sorting a join of all its versions takes as long as it has many.
_NAMED = (
    select(named.c.id)
    .join(tables.project, tables.project.c.uid == named.c.project_uid)
    .where(
        tables.project.c.id == bindparam("project"),
        tables.project.c.deleted_at_us.is_(None),
        named.c.name == bindparam("name"),
    )
)
_OF_ARTIFACT = WHOLE.where(version.c.artifact_id == bindparam("owner"), version.c.state == "live")
_NEWEST = _OF_ARTIFACT.order_by(version.c.version.desc()).limit(first(1))
_BY_NUMBER = _OF_ARTIFACT.where(version.c.version == bindparam("number"))
_OWNER = (
    select(version.c.id, version.c.project_uid)
    .join(tables.project, tables.project.c.uid == version.c.project_uid)
    .where(version.c.id == bindparam("key"), tables.project.c.deleted_at_us.is_(None))
)
_LIVE_OWNER = _OWNER.where(version.c.state == "live")
_alias = tables.artifact_alias
_BY_ALIAS = _OF_ARTIFACT.where(
    version.c.id
    == select(_alias.c.version_id)
    .where(_alias.c.artifact_id == bindparam("owner"), _alias.c.alias == bindparam("alias"))
    .scalar_subquery()
)


def get(tx: Transaction, version_id: str) -> Row[Any]:
    """Returns a live version by id."""
    row = tx.first(_LIVE.where(version.c.id == version_id), {})
    if row is None:
        raise NotFound("artifact version", version_id)
    return row


def owner(tx: Transaction, version_id: str) -> str:
    """The uid of the project of a live version; raises NotFound."""
    row = tx.first(_LIVE_OWNER, {"key": version_id})
    if row is None:
        raise NotFound("artifact version", version_id)
    return str(row.project_uid)


def ensure_live(tx: Transaction, version_id: str) -> None:
    """Raises NotFound unless there is such a version and it is live."""
    owner(tx, version_id)


def get_many(tx: Transaction, version_ids: Sequence[str]) -> list[Row[Any]]:
    """Returns those of these versions that are live, in any order."""
    return list(tx.execute(_LIVE.where(version.c.id.in_(version_ids))).all())


def get_by_name(tx: Transaction, name: Name) -> Row[Any]:
    """Returns a live version by project, name and number or alias."""
    owner = tx.execute(_NAMED, {"project": name.project_id, "name": name.name}).scalar()
    row = None if owner is None else _find(tx, owner, name)
    if row is None or not tx.admits(row.project_uid):
        project.get(tx, project_id=name.project_id)
        selector = name.alias if name.version is None else name.version
        raise NotFound("artifact", name.name if selector is None else f"{name.name}@{selector}")
    return row


def _find(tx: Transaction, owner: str, name: Name) -> Row[Any] | None:
    if name.version is not None:
        return tx.execute(_BY_NUMBER, {"owner": owner, "number": name.version}).first()
    if name.alias is not None and name.alias != NEWEST:
        return tx.execute(_BY_ALIAS, {"owner": owner, "alias": name.alias}).first()
    return tx.execute(_NEWEST, {"owner": owner}).first()


def manifest(tx: Transaction, version_id: str) -> bytes:
    """The manifest root of a version."""
    return bytes(tx.execute(select(version.c.manifest).where(version.c.id == version_id)).scalar_one())


def change_version(tx: Transaction, principal: str, *, version_id: str, changes: dict[str, Any], etag: str) -> Row[Any]:
    """Sets columns of a version if `etag` is empty or the present one."""
    row = get(tx, version_id)
    if row.type == tables.MEDIA_TYPE and "metadata_json" in changes:
        media.check_change(row, changes["metadata_json"])
    revision.change(tx, version, row, changes, principal, etag)
    return get(tx, version_id)


def delete_version(tx: Transaction, principal: str, version_id: str) -> bool:
    """Hides a version. Returns whether this call did it."""
    this = version.c.id == version_id
    if not _is_there(tx, version_id):
        return False
    _lock(tx, this)
    alias = tables.artifact_alias
    _refuse_aliased(tx, select(alias.c.alias).where(alias.c.version_id == version_id))
    return _hide(tx, principal, this) == 1


def undelete_version(tx: Transaction, principal: str, version_id: str) -> Row[Any]:
    """Brings a deleted version back, as long as it has not been purged."""
    if not _is_there(tx, version_id):
        raise NotFound("artifact version", version_id)
    mine = (version.c.id == version_id, version.c.state == "deleted", version.c.purged_at_us.is_(None))
    gone = update(version).where(*mine)
    tx.execute(gone.values(state="live", deleted_at_us=None, updated_at_us=tx.now_us(), updated_by=principal))
    return get(tx, version_id)


def get_artifact(
    tx: Transaction, *, artifact_id: str | None = None, project_id: str | None = None, name: str | None = None
) -> Row[Any]:
    """Returns an artifact that has a live version, by id or by project and name."""
    query = _artifacts()
    if artifact_id is not None:
        query = query.where(named.c.id == artifact_id)
    else:
        query = query.where(tables.project.c.id == project_id, named.c.name == name)
    row = tx.first(query, {})
    if row is None:
        raise NotFound("artifact", artifact_id if artifact_id is not None else name)
    return row


def check_type(tx: Transaction, project_uid: str, name: str, type_: str) -> None:
    """Refuses another type than that of the versions a name has."""
    row = tx.execute(_artifacts().where(named.c.project_uid == project_uid, named.c.name == name)).first()
    if row is not None and row.type != type_:
        raise InvalidArgument("draft.type", type_, f"{name!r} has the type {row.type!r}; a name has one type")


def list_artifacts(
    tx: Transaction, project_uid: str, type_: str | None, page: Page
) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the artifacts of a project that have a live version; without a type no media of models."""
    project.get(tx, project_uid=project_uid)
    query = _artifacts().where(named.c.project_uid == project_uid)
    query = query.where(tables.IS_NO_MEDIA if type_ is None else named.c.type == type_)
    return fetch(tx, query, [named.c.created_at_us, named.c.id], page)


def with_latest(tx: Transaction, artifacts: Sequence[Row[Any]]) -> Iterator[list[tuple[Row[Any], Row[Any]]]]:
    """Yields artifacts with their newest versions, some at a time; one that was deleted meanwhile is left out."""
    for some in batches(artifacts, HEAVY):
        versions = {row.id: row for row in get_many(tx, [row.latest_version_id for row in some])}
        yield [(row, versions[row.latest_version_id]) for row in some if row.latest_version_id in versions]


def _artifacts() -> Select[Any]:
    # As a subquery of each row, not a join: a page then costs what is on it.
    live = (version.c.artifact_id == named.c.id, version.c.state == "live")
    latest = select(version.c.id).where(*live).order_by(version.c.version.desc()).limit(first(1))
    newest = latest.correlate(named).scalar_subquery()
    return (
        select(named, newest.label("latest_version_id"))
        .join(tables.project, tables.project.c.uid == named.c.project_uid)
        .where(tables.project.c.deleted_at_us.is_(None), newest.is_not(None))
    )


def rename(tx: Transaction, principal: str, *, artifact_id: str, name: str, etag: str) -> Row[Any]:
    """Gives an artifact, that is all its versions, another name."""
    row = get_artifact(tx, artifact_id=artifact_id)
    if row.name == name:
        return row
    media.refuse(row, "renamed")
    try:
        with tx.savepoint():
            revision.change(tx, named, row, {"name": name}, principal, etag)
    except IntegrityError:
        hint = "Choose another name. It may be that of a deleted artifact: that keeps it, so no number is used again."
        raise AlreadyExists("artifact", "name", name, hint) from None
    return get_artifact(tx, artifact_id=artifact_id)


def delete_some(tx: Transaction, principal: str, artifact_id: str) -> int:
    """Hides the oldest versions of an artifact, a few. Returns how many; 0: all are hidden."""
    owner = select(named.c.id, named.c.project_uid).where(
        named.c.id == artifact_id, project.is_live(named.c.project_uid)
    )
    if tx.first(owner.with_for_update(of=named), {}) is None:
        return 0
    alias = tables.artifact_alias
    _refuse_aliased(tx, select(alias.c.alias).where(alias.c.artifact_id == artifact_id))
    live = select(version.c.id).where(version.c.artifact_id == artifact_id, version.c.state == "live")
    oldest = live.order_by(version.c.version).limit(DELETED_VERSIONS)
    return _hide(tx, principal, version.c.id.in_(oldest))


def delete_unaliased(tx: Transaction, principal: str, which: ColumnElement[bool]) -> int:
    """Hides versions but for those that an alias points to. Returns how many this call hid."""
    _lock(tx, which)
    is_aliased = exists().where(tables.artifact_alias.c.version_id == version.c.id)
    return _hide(tx, principal, which & ~is_aliased)


def set_alias(tx: Transaction, version_id: str, alias: str) -> Row[Any]:
    """Points an alias to a version."""
    _lock(tx, version.c.id == version_id)
    row = get(tx, version_id)
    attach.point_alias(tx, row.artifact_id, alias, version_id)
    return row


def delete_alias(tx: Transaction, project_uid: str, name: str, alias: str) -> bool:
    """Removes an alias. Returns whether this call did it."""
    if not tx.admits(project_uid):
        return False
    table = tables.artifact_alias
    mine = (named.c.project_uid == project_uid, named.c.name == name, project.is_live(named.c.project_uid))
    owner = select(named.c.id).where(*mine).scalar_subquery()
    return tx.execute(delete(table).where(table.c.artifact_id == owner, table.c.alias == alias)).rowcount == 1


def link(tx: Transaction, version_id: str, new: attach.Link) -> Row[Any]:
    """Links a version to a model or iteration."""
    row = get(tx, version_id)
    media.refuse(row, "linked to more")
    attach.link(tx, row.project_uid, version_id, new)
    return row


def unlink(tx: Transaction, version_id: str, model_id: str, iteration_id: str | None) -> int:
    """Removes links of a version. Returns how many."""
    if not _is_there(tx, version_id):
        return 0
    if (row := tx.first(WHOLE.where(version.c.id == version_id), {})) is not None:
        media.refuse(row, "unlinked")
    table = tables.artifact_link
    gone = delete(table).where(table.c.version_id == version_id, table.c.model_id == model_id, LINK_IS_SEEN)
    if iteration_id is not None:
        gone = gone.where(table.c.iteration_id == iteration_id)
    return tx.execute(gone).rowcount


# What `publish` builds on, inside its transaction.


def lock_named(tx: Transaction, principal: str, project_uid: str, name: str, type_: str) -> Row[Any]:
    """Returns the artifact of this name, made if it is missing, its row locked: versions are numbered under it."""
    query = select(named).where(named.c.project_uid == project_uid, named.c.name == name).with_for_update()
    if row := tx.execute(query).first():
        return row
    now = tx.now_us()
    fresh = {
        "id": new_id(),
        "project_uid": project_uid,
        "name": name,
        "type": type_,
        "last_version": 0,
        "created_at_us": now,
        "created_by": principal,
        "updated_at_us": now,
        "updated_by": principal,
        "revision": 1,
    }
    tx.insert_ignore(named, fresh)
    return tx.execute(query).one()


def newest(tx: Transaction, artifact_id: str) -> Row[Any] | None:
    """The newest live version of an artifact."""
    columns = (version.c.id, version.c.digest, version.c.description, version.c.metadata_json)
    live = select(*columns).where(version.c.artifact_id == artifact_id, version.c.state == "live")
    return tx.execute(live.order_by(version.c.version.desc()).limit(1)).first()


def newest_named(tx: Transaction, project_uid: str, name: str) -> Row[Any] | None:
    """The newest live version of a name, as `newest`; None too if nothing has the name."""
    mine = select(named.c.id).where(named.c.project_uid == project_uid, named.c.name == name)
    owner = tx.execute(mine).scalar()
    return None if owner is None else newest(tx, owner)


def hold_committing(tx: Transaction, version_id: str) -> bool:
    """Locks a version that is not published yet; False if it is by now, or is gone."""
    committing = select(version.c.id).where(version.c.id == version_id, version.c.state == "committing")
    return tx.execute(committing.with_for_update()).first() is not None


def _is_there(tx: Transaction, version_id: str) -> bool:
    """Whether there is such a version in a live project, deleted itself or not."""
    return tx.first(_OWNER, {"key": version_id}) is not None


def _lock(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Locks the artifacts of these versions: no alias moves, and no version is published, until the end."""
    owners = select(version.c.artifact_id).where(which).scalar_subquery()
    tx.execute(select(named.c.id).where(named.c.id.in_(owners)).with_for_update())


def _hide(tx: Transaction, principal: str, which: ColumnElement[bool]) -> int:
    now = tx.now_us()
    gone = update(version).where(which, version.c.state == "live")
    values = {"state": "deleted", "deleted_at_us": now, "updated_at_us": now, "updated_by": principal}
    return tx.execute(gone.values(**values)).rowcount


def _refuse_aliased(tx: Transaction, pointing: Select[Any]) -> None:
    if aliases := tx.execute(pointing).scalars().all():
        raise Conflict(f"Aliases point here: {', '.join(sorted(aliases)[:10])}. Remove them first.", alias=aliases[0])
