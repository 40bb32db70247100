"""Artifacts: names, their versions, and what is known about them. Bytes are `publish`, `upload` and `files`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from xpstore_server.core import experiment, project, revision
from xpstore_server.core.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store import tables
from xpstore_server.store.ids import new_id
from xpstore_server.store.transaction import Transaction

version = tables.artifact_version
named = tables.artifact


@dataclass(frozen=True, slots=True)
class Link:
    """What a version belongs to."""

    model_id: str
    iteration_id: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A version by what people know; the newest if neither number nor alias is given."""

    project_id: str
    name: str
    version: int | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """What hangs on a version."""

    aliases: list[str]
    links: list[Row[Any]]
    used_version_ids: list[str]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which versions of a project; None means any."""

    name: str | None = None
    type: str | None = None
    model_id: str | None = None
    iteration_id: str | None = None
    step: int | None = None
    version: int | None = None
    alias: str | None = None


def _live() -> Select[Any]:
    """Live versions of live projects, with name and type, without their manifests (up to 1 MiB each)."""
    columns = [column for column in version.c if column.name != "manifest"]
    return (
        select(*columns, named.c.name, named.c.type)
        .join(named, named.c.id == version.c.artifact_id)
        .join(tables.project, tables.project.c.uid == version.c.project_uid)
        .where(version.c.state == "live", tables.project.c.deleted_at_us.is_(None))
    )


def get(tx: Transaction, version_id: str) -> Row[Any]:
    """Returns a live version by id."""
    row = tx.execute(_live().where(version.c.id == version_id)).first()
    if row is None:
        raise NotFound("artifact version", version_id)
    return row


def get_many(tx: Transaction, version_ids: Sequence[str]) -> list[Row[Any]]:
    """Returns those of these versions that are live, in any order."""
    return list(tx.execute(_live().where(version.c.id.in_(version_ids))).all())


def get_by_name(tx: Transaction, name: Name) -> Row[Any]:
    """Returns a live version by project, name and number or alias."""
    query = _live().where(tables.project.c.id == name.project_id, named.c.name == name.name)
    if name.version is not None:
        query = query.where(version.c.version == name.version)
    if name.alias is not None:
        alias = tables.artifact_alias
        query = query.join(alias, alias.c.version_id == version.c.id).where(alias.c.alias == name.alias)
    row = tx.execute(query.order_by(version.c.version.desc()).limit(1)).first()
    if row is None:
        project.get(tx, project_id=name.project_id)
        selector = name.alias if name.version is None else name.version
        raise NotFound("artifact", name.name if selector is None else f"{name.name}@{selector}")
    return row


def manifest(tx: Transaction, version_id: str) -> bytes:
    """The manifest root of a version."""
    return bytes(tx.execute(select(version.c.manifest).where(version.c.id == version_id)).scalar_one())


def details(tx: Transaction, version_ids: Sequence[str]) -> dict[str, Details]:
    """Aliases, links and lineage of versions, three queries for all of them."""
    found = {id_: Details([], [], []) for id_ in version_ids}
    alias, link, lineage = tables.artifact_alias, tables.artifact_link, tables.artifact_lineage
    for row in tx.execute(select(alias).where(alias.c.version_id.in_(found)).order_by(alias.c.alias)):
        found[row.version_id].aliases.append(row.alias)
    by_age = (link.c.created_at_us, link.c.id)
    for row in tx.execute(select(link).where(link.c.version_id.in_(found)).order_by(*by_age)):
        found[row.version_id].links.append(row)
    by_id = lineage.c.used_version_id
    for row in tx.execute(select(lineage).where(lineage.c.version_id.in_(found)).order_by(by_id)):
        found[row.version_id].used_version_ids.append(row.used_version_id)
    return found


def list_versions(tx: Transaction, project_uid: str, filters: Filters, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the live versions of a project."""
    project.get(tx, project_uid=project_uid)
    query = _live().where(version.c.project_uid == project_uid)
    if filters.name is not None:
        query = query.where(named.c.name == filters.name)
    if filters.type is not None:
        query = query.where(named.c.type == filters.type)
    if filters.version is not None:
        query = query.where(version.c.version == filters.version)
    if filters.alias is not None:
        alias = tables.artifact_alias
        points_here = (alias.c.version_id == version.c.id, alias.c.alias == filters.alias)
        query = query.where(exists().where(*points_here))
    link = tables.artifact_link
    linked = [
        getattr(link.c, column) == getattr(filters, column)
        for column in ("model_id", "iteration_id", "step")
        if getattr(filters, column) is not None
    ]
    if linked:
        query = query.where(exists().where(link.c.version_id == version.c.id, *linked))
    return fetch(tx, query, [version.c.created_at_us, version.c.id], page)


def change_version(tx: Transaction, principal: str, *, version_id: str, changes: dict[str, Any], etag: str) -> Row[Any]:
    """Sets columns of a version if `etag` is empty or the present one."""
    revision.change(tx, version, get(tx, version_id), changes, principal, etag)
    return get(tx, version_id)


def delete_version(tx: Transaction, principal: str, version_id: str) -> bool:
    """Hides a version. Returns whether this call did it."""
    return _delete(tx, principal, version.c.id == version_id) == 1


def undelete_version(tx: Transaction, principal: str, version_id: str) -> Row[Any]:
    """Brings a deleted version back, as long as it has not been purged."""
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
    row = tx.execute(query).first()
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
    """Returns a page of the artifacts of a project that have a live version."""
    project.get(tx, project_uid=project_uid)
    query = _artifacts().where(named.c.project_uid == project_uid)
    if type_ is not None:
        query = query.where(named.c.type == type_)
    return fetch(tx, query, [named.c.created_at_us, named.c.id], page)


def _artifacts() -> Select[Any]:
    live = (version.c.artifact_id == named.c.id, version.c.state == "live")
    latest = select(version.c.id).where(*live).order_by(version.c.version.desc()).limit(1).correlate(named)
    return (
        select(named, latest.scalar_subquery().label("latest_version_id"))
        .join(tables.project, tables.project.c.uid == named.c.project_uid)
        .where(tables.project.c.deleted_at_us.is_(None), exists().where(*live))
    )


def rename(tx: Transaction, principal: str, *, artifact_id: str, name: str, etag: str) -> Row[Any]:
    """Gives an artifact, that is all its versions, another name."""
    row = get_artifact(tx, artifact_id=artifact_id)
    if row.name == name:
        return row
    try:
        with tx.savepoint():
            revision.change(tx, named, row, {"name": name}, principal, etag)
    except IntegrityError:
        hint = "Choose another name. It may be that of a deleted artifact: that keeps it, so no number is used again."
        raise AlreadyExists("artifact", "name", name, hint) from None
    return get_artifact(tx, artifact_id=artifact_id)


def delete_artifact(tx: Transaction, principal: str, artifact_id: str) -> int:
    """Hides all versions of an artifact. Returns how many this call hid."""
    return _delete(tx, principal, version.c.artifact_id == artifact_id)


def delete_unaliased(tx: Transaction, principal: str, which: ColumnElement[bool]) -> int:
    """Hides versions but for those that an alias points to. Returns how many this call hid."""
    _lock(tx, which)
    is_aliased = exists().where(tables.artifact_alias.c.version_id == version.c.id)
    return _hide(tx, principal, which & ~is_aliased)


def set_alias(tx: Transaction, version_id: str, alias: str) -> Row[Any]:
    """Points an alias to a version."""
    _lock(tx, version.c.id == version_id)
    row = get(tx, version_id)
    point_alias(tx, row.artifact_id, alias, version_id)
    return row


def delete_alias(tx: Transaction, project_uid: str, name: str, alias: str) -> bool:
    """Removes an alias. Returns whether this call did it."""
    table = tables.artifact_alias
    owner = select(named.c.id).where(named.c.project_uid == project_uid, named.c.name == name).scalar_subquery()
    return tx.execute(delete(table).where(table.c.artifact_id == owner, table.c.alias == alias)).rowcount == 1


def link(tx: Transaction, version_id: str, new: Link) -> Row[Any]:
    """Links a version to a model or iteration."""
    row = get(tx, version_id)
    check_link(tx, row.project_uid, new)
    add_link(tx, row.project_uid, version_id, new)
    return row


def unlink(tx: Transaction, version_id: str, model_id: str, iteration_id: str | None) -> int:
    """Removes links of a version. Returns how many."""
    table = tables.artifact_link
    gone = delete(table).where(table.c.version_id == version_id, table.c.model_id == model_id)
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


def point_alias(tx: Transaction, artifact_id: str, alias: str, version_id: str) -> None:
    table = tables.artifact_alias
    is_it = (table.c.artifact_id == artifact_id, table.c.alias == alias)
    if tx.execute(update(table).where(*is_it).values(version_id=version_id)).rowcount == 0:
        tx.insert_ignore(table, {"artifact_id": artifact_id, "alias": alias, "version_id": version_id})
        tx.execute(update(table).where(*is_it).values(version_id=version_id))


def check_link(tx: Transaction, project_uid: str, new: Link) -> None:
    """Refuses a link to a model of another project or an iteration of another model."""
    model, iteration = tables.model, tables.iteration
    owners = select(model.c.project_uid).where(experiment.is_live(model.c.experiment_id))
    owner = tx.execute(owners.where(model.c.id == new.model_id)).scalar()
    if owner is None:
        raise NotFound("model", new.model_id)
    if owner != project_uid:
        raise InvalidArgument("link.model_id", new.model_id, "is a model of another project")
    if new.iteration_id is None:
        return
    parent = tx.execute(select(iteration.c.model_id).where(iteration.c.id == new.iteration_id)).scalar()
    if parent is None:
        raise NotFound("iteration", new.iteration_id)
    if parent != new.model_id:
        raise InvalidArgument("link.iteration_id", new.iteration_id, "is an iteration of another model")


def add_link(tx: Transaction, project_uid: str, version_id: str, new: Link) -> None:
    check_link(tx, project_uid, new)
    table = tables.artifact_link
    tx.execute(select(version.c.id).where(version.c.id == version_id).with_for_update())
    same = (
        table.c.version_id == version_id,
        table.c.model_id == new.model_id,
        table.c.iteration_id.is_(None) if new.iteration_id is None else table.c.iteration_id == new.iteration_id,
        table.c.step.is_(None) if new.step is None else table.c.step == new.step,
    )
    if tx.execute(select(table.c.id).where(*same)).first() is None:
        row = {
            "id": new_id(),
            "version_id": version_id,
            "model_id": new.model_id,
            "iteration_id": new.iteration_id,
            "step": new.step,
            "created_at_us": tx.now_us(),
        }
        tx.execute(insert(table), [row])


def check_used(tx: Transaction, project_uid: str, used: Sequence[str]) -> None:
    """Refuses lineage to versions that are not live ones of the same project."""
    if not used:
        return
    known = set(tx.execute(select(version.c.id).where(version.c.id.in_(used), version.c.state == "live")).scalars())
    for id_ in used:
        if id_ not in known:
            raise NotFound("artifact version", id_)
    same = (version.c.id.in_(used), version.c.project_uid != project_uid)
    if foreign := tx.execute(select(version.c.id).where(*same)).scalar():
        raise InvalidArgument("draft.used_version_ids", foreign, "is a version of another project")


def add_lineage(tx: Transaction, project_uid: str, version_id: str, used: Sequence[str]) -> None:
    check_used(tx, project_uid, used)
    rows = ({"version_id": version_id, "used_version_id": id_} for id_ in sorted(set(used)) if id_ != version_id)
    tx.insert_ignore(tables.artifact_lineage, *rows)


def _lock(tx: Transaction, which: ColumnElement[bool]) -> None:
    """Locks the artifacts of these versions: no alias moves, and no version is published, until the end."""
    owners = select(version.c.artifact_id).where(which).scalar_subquery()
    tx.execute(select(named.c.id).where(named.c.id.in_(owners)).with_for_update())


def _delete(tx: Transaction, principal: str, which: ColumnElement[bool]) -> int:
    _lock(tx, which)
    _refuse_aliased(tx, which)
    return _hide(tx, principal, which)


def _hide(tx: Transaction, principal: str, which: ColumnElement[bool]) -> int:
    now = tx.now_us()
    gone = update(version).where(which, version.c.state == "live")
    values = {"state": "deleted", "deleted_at_us": now, "updated_at_us": now, "updated_by": principal}
    return tx.execute(gone.values(**values)).rowcount


def _refuse_aliased(tx: Transaction, which: ColumnElement[bool]) -> None:
    table = tables.artifact_alias
    pointing = select(table.c.alias).join(version, version.c.id == table.c.version_id).where(which)
    if aliases := tx.execute(pointing).scalars().all():
        raise Conflict(f"Aliases point here: {', '.join(sorted(aliases)[:10])}. Remove them first.", alias=aliases[0])
