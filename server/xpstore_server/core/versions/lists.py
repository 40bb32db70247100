"""The versions of a project, listed by what is asked of them.

Where one filter leaves few, these are found by its own index and sorted. Else a page is walked to, in the order of the
artifact or of the project: many versions pass, so those between them are few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select

from xpstore_server.core import project
from xpstore_server.core.artifact import NEWEST, WHOLE, named, version
from xpstore_server.core.paging import Key, Page, fetch, first
from xpstore_server.core.versions.details import LINK_IS_SEEN
from xpstore_server.store import tables
from xpstore_server.store.transaction import Transaction

FEW = 1_000
_alias, _link = tables.artifact_alias, tables.artifact_link
# The first is said for the sake of its index.
_DELETED = version.c.deleted_at_us.is_not(None) & (version.c.state == "deleted") & version.c.purged_at_us.is_(None)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which versions of a project; None means any. Deleted ones are those that can still be brought back."""

    name: str | None = None
    type: str | None = None
    model_id: str | None = None
    iteration_id: str | None = None
    step: int | None = None
    version: int | None = None
    alias: str | None = None
    is_deleted: bool = False


def list_versions(tx: Transaction, project_uid: str, filters: Filters, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the live versions of a project, or of those that were deleted."""
    project.get(tx, project_uid=project_uid)
    owner = None
    if filters.name is not None:
        mine = select(named.c.id).where(named.c.project_uid == project_uid, named.c.name == filters.name)
        owner = tx.execute(mine).scalar()
        if owner is None:
            return [], None
    place, key = (version.c.project_uid, project_uid) if owner is None else (version.c.artifact_id, owner)
    query = WHOLE.where(_DELETED if filters.is_deleted else version.c.state == "live", *_conditions(filters))
    few = None if filters.is_deleted else _few(tx, project_uid, owner, filters)  # those that are deleted are few
    if few is None:
        query = query.where(place == key)
    else:
        # Not by the index of what they are in, which would give them in order, and all others with them.
        query = query.where(version.c.id.in_(few), func.coalesce(place, place) == key)
    return fetch(tx, query, [version.c.created_at_us, version.c.id], page)


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    if filters.type is not None:
        yield named.c.type == filters.type
    if filters.version is not None:
        yield version.c.version == filters.version
    if filters.alias == NEWEST:
        yield version.c.id == _newest(version.c.artifact_id).correlate(version).scalar_subquery()
    elif filters.alias is not None:
        yield _has(select(_alias.c.alias).where(_alias.c.version_id == version.c.id, _alias.c.alias == filters.alias))
    linked = [
        getattr(_link.c, column) == getattr(filters, column)
        for column in ("model_id", "iteration_id", "step")
        if getattr(filters, column) is not None
    ]
    if linked:
        yield _has(select(_link.c.id).where(_link.c.version_id == version.c.id, *linked, LINK_IS_SEEN))


def _newest(artifact_id: ColumnElement[Any]) -> Select[Any]:
    """The id of the newest live version of an artifact."""
    other = version.alias()
    mine = select(other.c.id).where(other.c.artifact_id == artifact_id, other.c.state == "live")
    return mine.order_by(other.c.version.desc()).limit(first(1))


def _has(rows: Select[Any]) -> ColumnElement[bool]:
    """Whether there are any: as a value, as PostgreSQL may make a join of `exists`, and read all links there are."""
    return rows.limit(first(1)).correlate(version).scalar_subquery().is_not(None)


def _selections(project_uid: str, owner: str | None, filters: Filters) -> Iterator[Select[Any]]:
    """For each filter that an index serves, the ids of the versions that it leaves, perhaps with others."""
    if filters.version is not None:
        within = version.c.project_uid == project_uid if owner is None else version.c.artifact_id == owner
        yield select(version.c.id).where(within, version.c.version == filters.version)
    if filters.alias == NEWEST:
        mine = named.c.project_uid == project_uid if owner is None else named.c.id == owner
        yield select(_newest(named.c.id).correlate(named).scalar_subquery()).where(mine)
    elif filters.alias is not None:
        aliased = select(_alias.c.version_id).where(_alias.c.alias == filters.alias)
        yield aliased if owner is None else aliased.where(_alias.c.artifact_id == owner)
    linked = select(_link.c.version_id)
    if filters.iteration_id is not None:
        yield linked.where(_link.c.iteration_id == filters.iteration_id)
    if filters.step is not None:
        linked = linked.where(_link.c.step == filters.step)
    if filters.model_id is not None:
        linked = linked.where(_link.c.model_id == filters.model_id)
    if filters.step is not None or filters.model_id is not None:
        yield linked


def _few(tx: Transaction, project_uid: str, owner: str | None, filters: Filters) -> Sequence[str] | None:
    """The ids of the first selection that is small; None if there is none."""
    for query in _selections(project_uid, owner, filters):
        if (ids := _all_of(tx, query)) is not None:
            return ids
    if filters.type is None or owner is not None:
        return None
    # Not as a join, for which PostgreSQL may read all versions.
    typed = select(named.c.id).where(named.c.project_uid == project_uid, named.c.type == filters.type)
    if (owners := _all_of(tx, typed)) is None:
        return None
    return _all_of(tx, select(version.c.id).where(version.c.artifact_id.in_(owners), version.c.state == "live"))


def _all_of(tx: Transaction, query: Select[Any]) -> Sequence[str] | None:
    ids = [id_ for id_ in tx.execute(query.limit(first(FEW + 1))).scalars() if id_ is not None]
    return ids if len(ids) <= FEW else None
