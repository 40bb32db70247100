"""The cache: which artifact version a process made of which parameters. The right to compute one is `lease`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Row,
    Select,
    and_,
    any_,
    bindparam,
    case,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from xpstore_server.core import artifact, limits, project
from xpstore_server.core.errors import NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.core.versions.details import Details, details
from xpstore_server.store import tables
from xpstore_server.store.clock import NowUs
from xpstore_server.store.transaction import Transaction

entry = tables.cache_entry
total = tables.cache_total
version = tables.artifact_version
named = tables.artifact

State = Literal["hit", "absent", "expired", "deleted"]

BATCH = 1_000
INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class EntryKey:
    """What an entry is found by."""

    project_uid: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Found:
    """An entry: its row joined with that of its version, and what hangs on the version."""

    row: Row[Any]
    details: Details


_OF_ENTRY = [column for column in entry.c if column.name not in ("project_uid", "version_id")]
_OF_VERSION = [column for column in version.c if column.name not in ("manifest", "fingerprint")]
_COLUMNS = [*_OF_ENTRY, *_OF_VERSION, named.c.name, named.c.type, NowUs().label("now_us")]
_IS_KEY = and_(entry.c.project_uid == tables.project.c.uid, entry.c.fingerprint == bindparam("fingerprint"))
# One row for a live project, whether there is an entry or not: a look-up is one query.
_LOOK = (
    select(*_COLUMNS, tables.project.c.cache_max_age_us)
    .select_from(tables.project)
    .outerjoin(entry, _IS_KEY)
    .outerjoin(version, version.c.id == entry.c.version_id)
    .outerjoin(named, named.c.id == version.c.artifact_id)
    .where(tables.project.c.uid == bindparam("project_uid"), tables.project.c.deleted_at_us.is_(None))
)
_LIVE = (
    select(*_COLUMNS)
    .join(version, version.c.id == entry.c.version_id)
    .join(named, named.c.id == version.c.artifact_id)
    .where(version.c.state == "live")
)


def _lean(is_asked: ColumnElement[bool]) -> Select[Any]:
    """What tells a hit and lets it be read, of some entries; one row of NULLs for a live project that has none."""
    columns = (entry.c.fingerprint, entry.c.completed_at_us, entry.c.expires_at_us, entry.c.duration_us)
    of_version = (version.c.id, version.c.state, version.c.digest, version.c.size_bytes)
    return (
        select(*columns, *of_version, NowUs().label("now_us"), tables.project.c.cache_max_age_us)
        .select_from(tables.project)
        .outerjoin(entry, and_(entry.c.project_uid == tables.project.c.uid, is_asked))
        .outerjoin(version, version.c.id == entry.c.version_id)
        .where(tables.project.c.uid == bindparam("project_uid"), tables.project.c.deleted_at_us.is_(None))
    )


_LEAN = _lean(entry.c.fingerprint == bindparam("fingerprint"))
# All in one parameter: SQLite may take no more than 999, and 1,000 cost PostgreSQL a fifth more.
_LEAN_SQLITE = _lean(entry.c.fingerprint.in_(select(func.json_each(bindparam("json")).table_valued("value").c.value)))
_LEAN_POSTGRES = _lean(entry.c.fingerprint == any_(bindparam("array", type_=ARRAY(tables.TEXT))))


def look(tx: Transaction, key: EntryKey) -> Row[Any]:
    """Returns the row of an entry, hit or not; its columns are NULL if there is none."""
    row = tx.execute(_LOOK, {"project_uid": key.project_uid, "fingerprint": key.fingerprint}).first()
    if row is None or not tx.admits(key.project_uid):
        raise NotFound("project", key.project_uid)
    return row


def state(row: Row[Any], max_age_us: int | None) -> State:
    """What a row of `look` is to a caller who takes entries up to this age."""
    if row.id is None:
        return "absent"
    if row.state != "live":
        return "deleted"
    if row.expires_at_us is not None and row.expires_at_us <= row.now_us:
        return "expired"
    age_us = max(row.now_us - row.completed_at_us, 0)
    bounds = [bound for bound in (max_age_us, row.cache_max_age_us) if bound is not None]
    return "expired" if any(age_us >= bound for bound in bounds) else "hit"


def lookup(tx: Transaction, key: EntryKey, max_age_us: int | None) -> Found | None:
    """Returns the entry if it is a hit."""
    row = look(tx, key)
    return next(described(tx, [row])) if state(row, max_age_us) == "hit" else None


def lookup_many(
    tx: Transaction, project_uid: str, fingerprints: Sequence[str], max_age_us: int | None
) -> dict[str, Row[Any]]:
    """Returns those of the entries that are hits, by fingerprint, with no more than it takes to read them."""
    values: dict[str, Any] = {"project_uid": project_uid}
    if len(fingerprints) == 1:
        query, values["fingerprint"] = _LEAN, fingerprints[0]
    elif tx.is_sqlite:
        query, values["json"] = _LEAN_SQLITE, json.dumps(fingerprints)
    else:
        query, values["array"] = _LEAN_POSTGRES, fingerprints
    rows = tx.execute(query, values).all()
    if not rows or not tx.admits(project_uid):
        raise NotFound("project", project_uid)
    return {row.fingerprint: row for row in rows if state(row, max_age_us) == "hit"}


def described(tx: Transaction, rows: Sequence[Row[Any]]) -> Iterator[Found]:
    """Adds to rows what hangs on their versions, read as it is asked for."""
    return map(Found, rows, details(tx, [row.id for row in rows]))


def live(tx: Transaction, keys: Sequence[EntryKey]) -> list[Found]:
    """Returns those of these entries whose versions are live, whatever their age."""
    key = tuple_(entry.c.project_uid, entry.c.fingerprint, types=[tables.UUID, tables.TEXT])
    query = _LIVE.where(key.in_([(one.project_uid, one.fingerprint) for one in keys]))
    # Each column by itself too: for a list of pairs alone SQLite goes through the whole table.
    query = query.where(entry.c.project_uid.in_({one.project_uid for one in keys}))
    query = query.where(entry.c.fingerprint.in_({one.fingerprint for one in keys}))
    return list(described(tx, tx.execute(query).all()))


def list_page(
    tx: Transaction, project_uid: str, process_name: str | None, page: Page
) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the entries of a project whose versions are live, oldest first."""
    project.get(tx, project_uid=project_uid)
    query = _LIVE.where(entry.c.project_uid == project_uid)
    if process_name is not None:
        query = query.where(entry.c.process_name >= process_name, entry.c.process_name <= process_name)
    return fetch(tx, query, order(process_name), page)


def order(process_name: str | None) -> list[Column[Any]]:
    """The columns that a list of entries is ordered by."""
    by_age = [entry.c.completed_at_us, entry.c.fingerprint]
    # Those of a process by its name too, asked for as a range: else PostgreSQL may take any process for a common one,
    # and walk through all entries by age.
    return by_age if process_name is None else [entry.c.process_name, *by_age]


def newest(tx: Transaction, key: EntryKey, process_name: str, limit: int) -> Sequence[Row[Any]]:
    """Fingerprint and process of the newest other entries of a process."""
    query = (
        select(entry.c.fingerprint, version.c.process_json)
        .join(version, version.c.id == entry.c.version_id)
        .where(version.c.state == "live", entry.c.project_uid == key.project_uid)
        .where(entry.c.process_name == process_name, entry.c.fingerprint != key.fingerprint)
    )
    by_age = (entry.c.completed_at_us.desc(), entry.c.fingerprint.desc())
    return tx.execute(query.order_by(*by_age).limit(limit)).all()


def invalidate(
    tx: Transaction, principal: str, project_uid: str, which: ColumnElement[bool], *, delete_artifacts: bool
) -> tuple[int, int]:
    """Removes some of the entries picked; returns how many, and how many versions went with them. (0, 0): all done."""
    project.get(tx, project_uid=project_uid)
    mine = (entry.c.project_uid == project_uid) & which
    some = tx.execute(select(entry.c.fingerprint).where(mine).limit(BATCH)).scalars().all()
    # The condition again, for what is completed anew in between.
    mine = mine & entry.c.fingerprint.in_(some)
    deleted = 0
    if delete_artifacts:
        deleted = artifact.delete_unaliased(tx, principal, version.c.id.in_(select(entry.c.version_id).where(mine)))
    return tx.execute(delete(entry).where(mine)).rowcount, deleted


IS_OUTDATED = entry.c.fingerprint_format < limits.FINGERPRINT_FORMAT


def saved_us(found: Row[Any]) -> int:
    """What `statistics` says was saved, as a message takes it: it is summed in floating point."""
    return min(int(found.saved_us), INT64_MAX)


def statistics(tx: Transaction, project_uid: str) -> Row[Any]:
    """Returns sums over the entries whose versions are live."""
    project.get(tx, project_uid=project_uid)
    is_outdated = total.c.fingerprint_format < limits.FINGERPRINT_FORMAT
    query = select(
        _sum(total.c.entries).label("entries"),
        _sum(total.c.hits).label("hits"),
        func.coalesce(func.sum(total.c.saved_us), 0.0).label("saved_us"),
        _sum(total.c.size_bytes).label("size_bytes"),
        _sum(case((is_outdated, total.c.entries), else_=0)).label("outdated"),
        _sum(case((is_outdated, total.c.size_bytes), else_=0)).label("outdated_size_bytes"),
    )
    return tx.execute(query.where(total.c.project_uid == project_uid)).one()


def _sum(terms: ColumnElement[int]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(terms), 0), BigInteger)


_is_later = entry.c.last_hit_at_us.is_(None) | (entry.c.last_hit_at_us < bindparam("at_us"))
_ADD_HITS = (
    update(entry)
    .where(entry.c.project_uid == bindparam("of_project"), entry.c.fingerprint == bindparam("of_fingerprint"))
    .values(
        hits=entry.c.hits + bindparam("more", type_=BigInteger()),
        last_hit_at_us=case((_is_later, bindparam("at_us", type_=BigInteger())), else_=entry.c.last_hit_at_us),
    )
)


def add_hits(tx: Transaction, hits: Sequence[tuple[EntryKey, int, int]]) -> None:
    """Adds hits that were counted in memory: key, how many, when the last was."""
    # Sorted: two replicas that add to the same entries would lock them crosswise.
    ordered = sorted(hits, key=lambda one: (one[0].project_uid, one[0].fingerprint))
    rows = [
        {"of_project": key.project_uid, "of_fingerprint": key.fingerprint, "more": more, "at_us": at_us}
        for key, more, at_us in ordered
    ]
    tx.execute(_ADD_HITS, rows)


def forget(tx: Transaction, end_us: int) -> int:
    """Removes some entries whose time was over by then; their versions stay."""
    old = entry.c.expires_at_us <= end_us
    key = tuple_(entry.c.project_uid, entry.c.fingerprint)
    some = select(entry.c.project_uid, entry.c.fingerprint).where(old).limit(BATCH)
    return tx.execute(delete(entry).where(key.in_(some), old)).rowcount
