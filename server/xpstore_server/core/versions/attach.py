"""What is hung on a version: links, aliases and versions it was made from, each no more than `core/limits.py` says.

Whoever adds holds the version's row until the end of the transaction, so that two do not pass a bound together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, select

from xpstore_server.core import experiment
from xpstore_server.core.errors import NotFound, ResourceExhausted
from xpstore_server.core.versions.details import ALIASES, LINKS, USED, Kind
from xpstore_server.store import tables
from xpstore_server.store.ids import new_id
from xpstore_server.store.transaction import Transaction

version = tables.artifact_version
_HOLD = select(version.c.id).where(version.c.id == bindparam("key")).with_for_update()


@dataclass(frozen=True, slots=True)
class Link:
    """What a version belongs to."""

    model_id: str
    iteration_id: str | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True)
class More:
    """What is to be hung on a version of an artifact."""

    links: Sequence[Link] = ()
    aliases: Sequence[str] = ()
    used_version_ids: Sequence[str] = ()


def check(tx: Transaction, project_uid: str, more: More) -> None:
    """Refuses links and lineage to what is not there, or is of another project."""
    _check_links(tx, project_uid, more.links)
    _check_used(tx, project_uid, more.used_version_ids)


def has_room(tx: Transaction, version_id: str, more: More) -> bool:
    """Whether a version stays within all bounds with this."""
    tx.execute(_HOLD, {"key": version_id})
    return all(
        kind.count(tx, version_id, kind.bound + 1) + len(new) <= kind.bound
        for kind, new in (
            (LINKS, _new_links(tx, version_id, more.links)),
            (ALIASES, _new_aliases(tx, version_id, more.aliases)),
            (USED, _new_used(tx, version_id, more.used_version_ids)),
        )
        if new
    )


def add(tx: Transaction, artifact_id: str, version_id: str, more: More) -> None:
    """Hangs on a version what is sound and has room there."""
    add_links(tx, version_id, more.links)
    _point(tx, artifact_id, more.aliases, version_id)
    rows = [{"version_id": version_id, "used_version_id": id_} for id_ in sorted(more.used_version_ids)]
    tx.insert_ignore(tables.artifact_lineage, *(row for row in rows if row["used_version_id"] != version_id))


def add_links(tx: Transaction, version_id: str, links: Sequence[Link]) -> None:
    """Adds those that it does not have yet."""
    _insert_links(tx, version_id, _new_links(tx, version_id, links))


def link(tx: Transaction, project_uid: str, version_id: str, new: Link) -> None:
    """Links a version to a model or iteration.

    Raises:
        ResourceExhausted: it has as many links as one may have.
    """
    _check_links(tx, project_uid, [new])
    tx.execute(_HOLD, {"key": version_id})
    missing = _new_links(tx, version_id, [new])
    if missing:
        cure = "Save it again: as this one is full, that makes a version of the same content. Or remove links."
        _refuse_full(tx, LINKS, "link", version_id, cure)
    _insert_links(tx, version_id, missing)


def point_alias(tx: Transaction, artifact_id: str, alias: str, version_id: str) -> None:
    """Points an alias to a version.

    Raises:
        ResourceExhausted: as many point there as may.
    """
    tx.execute(_HOLD, {"key": version_id})
    if _new_aliases(tx, version_id, [alias]):
        _refuse_full(tx, ALIASES, "alias", version_id, "Remove some.")
    _point(tx, artifact_id, [alias], version_id)


def _refuse_full(tx: Transaction, kind: Kind, field: str, version_id: str, cure: str) -> None:
    if kind.count(tx, version_id, kind.bound) == kind.bound:
        counted = ", with those of deleted models" if kind is LINKS else ""
        message = f"{field}: version {version_id} has {kind.bound} already{counted}, and may have no more. {cure}"
        raise ResourceExhausted(message, field=field, limit=kind.bound, version_id=version_id)


def _new_links(tx: Transaction, version_id: str, links: Iterable[Link]) -> list[Link]:
    """Those that the version does not have yet, each once."""
    asked = dict.fromkeys(links)
    if not asked:
        return []
    table = tables.artifact_link
    mine = (table.c.version_id == version_id, table.c.model_id.in_(sorted({one.model_id for one in asked})))
    rows = tx.execute(select(table.c.model_id, table.c.iteration_id, table.c.step).where(*mine))
    there = {Link(row.model_id, row.iteration_id, row.step) for row in rows}
    return [one for one in asked if one not in there]


def _insert_links(tx: Transaction, version_id: str, links: Sequence[Link]) -> None:
    if not links:
        return
    now, key = tx.now_us(), tx.as_key  # a little later for each: they are told in the order in which they were given
    rows = [
        (
            key(new_id()),
            key(version_id),
            key(one.model_id),
            None if one.iteration_id is None else key(one.iteration_id),
            one.step,
            now + place,
        )
        for place, one in enumerate(links)
    ]
    tx.insert_many(tables.artifact_link, rows)


def _new_aliases(tx: Transaction, version_id: str, aliases: Sequence[str]) -> set[str]:
    table = tables.artifact_alias
    return _without(tx, aliases, select(table.c.alias).where(table.c.version_id == version_id), table.c.alias)


def _new_used(tx: Transaction, version_id: str, used: Sequence[str]) -> set[str]:
    table = tables.artifact_lineage
    mine = select(table.c.used_version_id).where(table.c.version_id == version_id)
    return _without(tx, used, mine, table.c.used_version_id) - {version_id}


def _without(tx: Transaction, asked: Sequence[str], mine: Select[Any], column: ColumnElement[str]) -> set[str]:
    """What is asked for and not there yet."""
    return set(asked) - set(tx.execute(mine.where(column.in_(asked))).scalars()) if asked else set()


def _point(tx: Transaction, artifact_id: str, aliases: Sequence[str], version_id: str) -> None:
    """Points aliases to a version, wherever they pointed before. The caller has locked the artifact."""
    artifact_key, version_key = tx.as_key(artifact_id), tx.as_key(version_id)
    # In one order, so that two that point many do not wait for each other.
    tx.upsert_many(tables.artifact_alias, [(artifact_key, alias, version_key) for alias in sorted(set(aliases))])


def _check_links(tx: Transaction, project_uid: str, links: Sequence[Link]) -> None:
    """Refuses a link to a model of another project or an iteration of another model."""
    model, iteration = tables.model, tables.iteration
    is_there = experiment.is_live(model.c.experiment_id)
    owners = _looked_up(tx, model.c.id, model.c.project_uid, {one.model_id for one in links}, is_there)
    iteration_ids = {one.iteration_id for one in links if one.iteration_id is not None}
    parents = _looked_up(tx, iteration.c.id, iteration.c.model_id, iteration_ids)
    for one in links:
        if owners.get(one.model_id) != project_uid:  # one of another project is as one that is not there
            raise NotFound("model", one.model_id)
        if one.iteration_id is not None and parents.get(one.iteration_id) != one.model_id:
            raise NotFound("iteration", one.iteration_id)


def _looked_up(
    tx: Transaction, key: ColumnElement[str], value: ColumnElement[str], keys: set[str], *which: ColumnElement[bool]
) -> dict[str, str]:
    if not keys:
        return {}
    rows = tx.execute(select(key.label("key"), value.label("value")).where(key.in_(sorted(keys)), *which))
    return {row.key: row.value for row in rows}


def _check_used(tx: Transaction, project_uid: str, used: Sequence[str]) -> None:
    """Refuses lineage to versions that are not live ones of the same project."""
    if not used:
        return
    there = select(version.c.id, version.c.project_uid).where(version.c.id.in_(used), version.c.state == "live")
    owners = {row.id: row.project_uid for row in tx.execute(there)}
    for id_ in used:
        if owners.get(id_) != project_uid:
            raise NotFound("artifact version", id_)
