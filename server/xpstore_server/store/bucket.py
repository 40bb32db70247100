"""The bucket beside the tables: packs whose object is missing, and objects that no row names.

The bucket is listed first and the database looked at after: an object has a row from before its PUT until after its
removal. Objects are left alone unless their key is exactly one of ours and names a project that this database knows.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, func, or_, select

from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.database import Database
from xpstore_server.store.errors import BlobHeld, BlobMissing
from xpstore_server.store.ids import MAX, NIL
from xpstore_server.store.packs import pack_key
from xpstore_server.store.tables import artifact, artifact_pack, artifact_version, pack, pack_pending, project
from xpstore_server.store.transaction import Transaction

Report = Callable[[str], None]

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_KEY = re.compile(f"packs/({_UUID})/([0-9a-f]{{2}})/({_UUID})")
PAGE = 1_000
NAMED = 5
FIRST, LAST = (NIL, NIL), (MAX, MAX)


@dataclass(frozen=True, slots=True)
class Object:
    """An object whose key is that of a pack."""

    pool: str
    id: str
    size_bytes: int


@dataclass(slots=True)
class Verified:
    """What a comparison found."""

    objects: int = 0
    damaged_packs: int = 0  # missing, or of another size
    is_whole: bool = True  # no version lacks its edges
    unknown_objects: int = 0
    unknown_bytes: int = 0
    foreign_objects: int = 0
    hidden_objects: int = 0  # deleted, and kept by a bucket that keeps versions
    hidden_bytes: int = 0

    @property
    def is_sound(self) -> bool:
        return self.is_whole and not self.damaged_packs


@dataclass(slots=True)
class Known:
    """What the database says of some objects."""

    packs: dict[str, Row[Any]]
    pending: set[str]
    pools: set[str]


@dataclass(slots=True)
class Removed:
    """What a removal freed."""

    objects: int = 0
    bytes: int = 0
    held_objects: int = 0  # that their bucket does not let go of


def listed(blobs: BlobStore) -> Iterator[tuple[list[Object], int]]:
    """Yields the objects of the bucket, a page at a time, each with the number of others beside them."""
    return _paged(blobs.list(""))


def _paged(everything: Iterator[tuple[str, int]]) -> Iterator[tuple[list[Object], int]]:
    while page := list(islice(everything, PAGE)):
        objects = [found for key, size in page if (found := _object(key, size))]
        yield objects, len(page) - len(objects)


def look_up(tx: Transaction, objects: Sequence[Object]) -> Known:
    """Looks for the rows of objects."""
    ids = [found.id for found in objects]
    pending = select(pack_pending.c.id).where(pack_pending.c.id.in_(ids))
    pools = select(project.c.uid).where(project.c.uid.in_({found.pool for found in objects}))
    return Known(
        # The pending ones first: they become packs, never the other way round without a removal.
        pending=set(tx.execute(pending).scalars()),
        packs={row.id: row for row in tx.execute(select(pack).where(pack.c.id.in_(ids)))},
        pools=set(tx.execute(pools).scalars()),
    )


def verify(database: Database, blobs: BlobStore, report: Report) -> Verified:
    """Compares bucket and tables; `report` gets a line for each pack that is damaged."""
    verified = Verified(is_whole=database.read(_is_whole))
    if not verified.is_whole:
        report("versions lack their packs in the database: run `xpstore-server rebuild-index`")
    at = FIRST
    for objects, foreign in listed(blobs):
        verified.objects += len(objects) + foreign
        verified.foreign_objects += foreign
        _compare(database, objects, verified, report)
        # Should a server list in another order, packs are taken for missing here and found by the second look.
        end = max([at, *((found.pool, found.id) for found in objects)])
        _find_missing(database, blobs, {found.id for found in objects}, (at, end), verified, report)
        at = end
    _find_missing(database, blobs, set(), (at, LAST), verified, report)
    for objects, _ in _paged(blobs.hidden("")):
        for found in unknown(objects, database.read(partial(look_up, objects=objects))):
            verified.hidden_objects += 1
            verified.hidden_bytes += found.size_bytes
    return verified


def remove_unknown(database: Database, blobs: BlobStore) -> Removed:
    """Removes objects that no row names, of projects that are known, hidden ones too."""
    removed = Removed()
    for objects, _ in chain(listed(blobs), _paged(blobs.hidden(""))):
        for found in unknown(objects, database.read(partial(look_up, objects=objects))):
            try:
                blobs.delete(pack_key(found.pool, found.id))
            except BlobHeld:
                removed.held_objects += 1
            else:
                removed.objects += 1
                removed.bytes += found.size_bytes
    return removed


def unknown(objects: Sequence[Object], known: Known) -> list[Object]:
    """Objects that no row names, of projects that are known."""
    return [
        found
        for found in objects
        if found.id not in known.packs and found.id not in known.pending and found.pool in known.pools
    ]


def _object(key: str, size: int) -> Object | None:
    match = _KEY.fullmatch(key)
    return Object(match[1], match[3], size) if match and match[3].startswith(match[2]) else None


def _compare(database: Database, objects: Sequence[Object], verified: Verified, report: Report) -> None:
    known = database.read(lambda tx: look_up(tx, objects))
    strange = unknown(objects, known)
    verified.unknown_objects += len(strange)
    verified.unknown_bytes += sum(found.size_bytes for found in strange)
    for found in objects:
        row = known.packs.get(found.id)
        if row is None:
            verified.foreign_objects += found.id not in known.pending and found.pool not in known.pools
        elif row.size_bytes != found.size_bytes:
            verified.damaged_packs += 1
            report(describe(database, row, f"has {found.size_bytes} bytes instead of {row.size_bytes}"))


def _find_missing(
    database: Database,
    blobs: BlobStore,
    present: set[str],
    between: tuple[tuple[str, str], tuple[str, str]],
    verified: Verified,
    report: Report,
) -> None:
    after, end = between
    while rows := database.read(partial(packs_between, after=after, end=end)):
        for row in rows:
            if row.id not in present and _is_missing(database, blobs, row):
                verified.damaged_packs += 1
                report(describe(database, row, "is missing"))
        after = (rows[-1].pool, rows[-1].id)


def packs_between(tx: Transaction, after: tuple[str, str], end: tuple[str, str]) -> Sequence[Row[Any]]:
    """A page of packs behind one and up to another, in the order of project and id."""
    query = select(pack).where(_is_beyond(after), ~_is_beyond(end))
    return tx.execute(query.order_by(pack.c.pool, pack.c.id).limit(PAGE)).all()


def _is_beyond(key: tuple[str, str]) -> ColumnElement[bool]:
    return or_(pack.c.pool > key[0], and_(pack.c.pool == key[0], pack.c.id > key[1]))


def _is_missing(database: Database, blobs: BlobStore, row: Row[Any]) -> bool:
    """Whether there is no object, although there still is the pack."""
    try:
        blobs.get(pack_key(row.pool, row.id), 0, 1)
    except BlobMissing:
        return is_known(database, row)
    return False


def is_known(database: Database, row: Row[Any]) -> bool:
    """Whether there still is a pack: a repack may have removed it since the look."""
    query = select(pack.c.id).where(pack.c.id == row.id)
    return database.read(lambda tx: tx.execute(query).first()) is not None


def _is_whole(tx: Transaction) -> bool:
    """Whether each version has edges: all but empty ones need a pack."""
    version = artifact_version
    is_kept = and_(
        version.c.state != "committing", version.c.purged_at_us.is_(None), func.length(version.c.manifest) > 0
    )
    has_edges = exists().where(artifact_pack.c.version_id == version.c.id)
    return tx.execute(select(version.c.id).where(is_kept, ~has_edges).limit(1)).first() is None


def describe(database: Database, row: Row[Any], fault: str) -> str:
    """A line on a damaged pack, with the versions that need it."""
    names = database.read(lambda tx: _needing(tx, row.id))
    needing = ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    return f"pack {row.id} of project {row.pool} {fault}; needed by {needing or 'no version'}"


def _needing(tx: Transaction, pack_id: str) -> list[str]:
    version = artifact_version
    query = select(artifact.c.name, version.c.version).join(version, version.c.artifact_id == artifact.c.id)
    query = query.join(artifact_pack, artifact_pack.c.version_id == version.c.id)
    query = query.where(artifact_pack.c.pack_id == pack_id).order_by(artifact.c.name, version.c.version)
    return [f"{row.name}@{row.version}" for row in tx.execute(query.limit(NAMED + 1))]
