"""The sweep: packs that no version needs are condemned, and their objects removed later.

An edge (`artifact_pack`) is inserted under a foreign key to `pack`, and a pack is condemned by deleting its row: one of
the two fails, so a version never points to bytes that are going.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, select, update

from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.database import Database
from xpstore_server.store.errors import BlobHeld
from xpstore_server.store.packs import pack_key
from xpstore_server.store.tables import artifact_pack, artifact_version, chunk, pack, pack_pending, upload
from xpstore_server.store.transaction import Transaction

HOUR_US = 3_600 * 1_000_000
# Of packs in one transaction, and of their chunk rows: SQLite's writer is held for less than a second.
BATCH = 200
BATCH_CHUNKS = 20_000
# A version of a terabyte has 100,000 edges, which go with it.
BATCH_VERSIONS = 10

# In one turn: a bucket that holds everything would be asked about everything every hour.
MOST_HELD = 1_000

log = logging.getLogger("xpstore")

is_trash = pack_pending.c.state == "trash"
IsStopped = Callable[[], bool]


# For how long a clock must have gone as ours does before a longer grace counts as over by it.
AGREED_US = 300 * 1_000_000
NEVER, ALWAYS = -1, 1 << 62


@dataclass(frozen=True, slots=True)
class Ends:
    """What has been left alone since before these times may go, in microseconds of the database's clock."""

    now_us: int
    condemn_us: int
    remove_us: int
    abandon_us: int
    undo_us: int

    @property
    def is_sure(self) -> bool:
        """Whether there is no grace of which nobody knows if it is over."""
        return NEVER not in (self.condemn_us, self.remove_us, self.abandon_us, self.undo_us)


@dataclass(frozen=True, slots=True)
class Grace:
    """How long things are left alone, in microseconds of the database's clock."""

    # Since a pack was made or touched. Clients are promised 24 hours, and a touch may be an hour late.
    condemn_us: int = 25 * HOUR_US
    remove_us: int = HOUR_US  # since it was condemned: readers that resolved it before finish
    abandon_us: int = HOUR_US  # since a pack or a version was begun and not finished
    undo_us: int = 7 * 24 * HOUR_US  # since something was deleted

    def ends(self, now_us: int, agreed_us: int = AGREED_US) -> Ends:
        """Where graces end now.

        Nothing in a turn asks for the time again: the clock may jump in the middle.

        Args:
            agreed_us: for how long the database's clock has gone as our own. A jump of a minute ends no grace.
        """

        def end(grace_us: int) -> int:
            if not grace_us:
                return ALWAYS
            return now_us - grace_us if agreed_us >= min(grace_us, AGREED_US) else NEVER

        graces = (self.condemn_us, self.remove_us, self.abandon_us, self.undo_us)
        return Ends(now_us if agreed_us >= AGREED_US else NEVER, *map(end, graces))


NO_GRACE = Grace(0, 0, 0, 0)


@dataclass(slots=True)
class Swept:
    """What was done, or would be."""

    purged_versions: int = 0
    purged_projects: int = 0
    purged_experiments: int = 0  # deleted by themselves, as are these models
    purged_models: int = 0
    condemned_packs: int = 0
    repacked_packs: int = 0
    written_bytes: int = 0  # of packs that took over what was left of repacked ones
    removed_objects: int = 0
    freed_bytes: int = 0
    held_objects: int = 0  # that should be gone, but their bucket holds them
    held_bytes: int = 0


def give_up(database: Database, ends: Ends) -> None:
    """Lets go of what a crash left: packs half-written, versions half-committed, uploads expired."""
    database.write(lambda tx: _give_up_packs(tx, ends))
    while database.write(lambda tx: _give_up_versions(tx, ends)):
        pass
    database.write(lambda tx: tx.execute(delete(upload).where(upload.c.expires_at_us <= ends.now_us)).rowcount)


def condemn(
    database: Database, ends: Ends, swept: Swept, is_stopped: IsStopped = lambda: False, *, marked: bool = False
) -> None:
    """Turns packs without edges into trash. Any number may run at the same time.

    Args:
        marked: look at suspect ones only. A pack is suspect from the start and whenever an edge to it goes, until a
            repack sees that it has one; to look at all takes as long as there are packs.
    """
    which = [*unneeded(ends), pack.c.suspect_at_us.is_not(None)] if marked else unneeded(ends)
    while not is_stopped() and (condemned := database.write(lambda tx: _condemn(tx, which, marked))):
        swept.condemned_packs += condemned


def remove_trash(
    database: Database, blobs: BlobStore, ends: Ends, swept: Swept, is_stopped: IsStopped = lambda: False
) -> None:
    """Removes the objects of trash that is old enough. What the bucket holds is tried again another time."""
    # Held trash is as young as this turn afterwards, and not met again in it.
    until_us = min(ends.remove_us, database.read(lambda tx: tx.now_us()))
    held: list[str] = []
    while (
        not is_stopped()
        and swept.held_objects < MOST_HELD
        and (trash := database.read(lambda tx: _trash(tx, until_us)))
    ):
        kept, removed = list[Row[Any]](), list[str]()
        for row in trash:
            try:
                blobs.delete(pack_key(row.pool, row.id))
                removed.append(row.id)
            except BlobHeld as error:
                held.append(str(error))
                kept.append(row)
        database.write(partial(_postpone, [row.id for row in kept]))
        swept.held_objects += len(kept)
        swept.held_bytes += sum(row.size_bytes or 0 for row in kept)
        gone = set(database.write(partial(_forget, removed)))
        # Another replica may have been at the same trash: each object counts once.
        swept.removed_objects += len(gone)
        swept.freed_bytes += sum(row.size_bytes for row in trash if row.id in gone)
    if held:
        log.warning("%d objects are held by their bucket and not freed, the first: %s", len(held), held[0])


def suspect(tx: Transaction, pack_ids: Sequence[str]) -> None:
    """Says that packs may hold bytes that no version needs any more."""
    tx.execute(update(pack).where(pack.c.id.in_(pack_ids)).values(suspect_at_us=tx.now_us()))


def lock_packs(
    tx: Transaction, which: Sequence[ColumnElement[bool]], limit: int, *, marked: bool = False
) -> Sequence[Row[Any]]:
    """Locks packs that nobody else has locked: no edge to them can come until the end of the transaction."""
    # In the order of the index that is to be read.
    order = (pack.c.pool, pack.c.created_at_us, pack.c.id) if marked else (pack.c.touched_at_us, pack.c.id)
    query = select(pack).where(*which).order_by(*order).limit(limit)
    return tx.execute(query.with_for_update(skip_locked=True)).all()


def turn_into_trash(tx: Transaction, packs: Sequence[Row[Any]]) -> None:
    """Takes packs without edges, which must be locked, out of the index."""
    ids = [row.id for row in packs]
    tx.execute(delete(chunk).where(chunk.c.pack_id.in_(ids)))
    tx.execute(delete(pack).where(pack.c.id.in_(ids)))
    now = tx.now_us()
    rows = ({"id": row.id, "pool": row.pool, "size_bytes": row.size_bytes} for row in packs)
    tx.insert(pack_pending, *({**row, "state": "trash", "created_at_us": now} for row in rows))


def unneeded(ends: Ends) -> list[ColumnElement[bool]]:
    """Which packs may be condemned."""
    is_needed = exists().where(artifact_pack.c.pack_id == pack.c.id)
    return [pack.c.touched_at_us <= ends.condemn_us, ~is_needed]


def _condemn(tx: Transaction, which: Sequence[ColumnElement[bool]], marked: bool) -> int:
    locked = few_chunks(tx, lock_packs(tx, which, BATCH, marked=marked), BATCH_CHUNKS)
    # An edge may have come between the look and the lock; none can come now. So look again.
    again = select(pack).where(pack.c.id.in_([row.id for row in locked]), *which)
    condemned = tx.execute(again).all() if locked else []
    if condemned:
        turn_into_trash(tx, condemned)
    return len(condemned)


def few_chunks(tx: Transaction, packs: Sequence[Row[Any]], limit: int) -> Sequence[Row[Any]]:
    """The first of these packs, one or as many as together have at most `limit` chunks."""
    if not packs:
        return packs
    count = select(chunk.c.pack_id, func.count().label("chunks"))
    count = count.where(chunk.c.pack_id.in_([row.id for row in packs])).group_by(chunk.c.pack_id)
    counts = {row.pack_id: int(row.chunks) for row in tx.execute(count)}
    total = 0
    for position, row in enumerate(packs):
        total += counts.get(row.id, 0)
        if total > limit and position:
            return packs[:position]
    return packs


def _give_up_packs(tx: Transaction, ends: Ends) -> None:
    writing = (pack_pending.c.state == "writing", pack_pending.c.created_at_us <= ends.abandon_us)
    # Announced once more by a client after it was closed, in the same moment: what is live has no other row.
    tx.execute(delete(pack_pending).where(*writing, exists().where(pack.c.id == pack_pending.c.id)))
    # What a client announced may never have been written: nobody knows what it frees.
    tx.execute(update(pack_pending).where(*writing).values(state="trash", created_at_us=tx.now_us(), size_bytes=0))


def _give_up_versions(tx: Transaction, ends: Ends) -> int:
    left = (artifact_version.c.state == "committing", artifact_version.c.created_at_us <= ends.abandon_us)
    ids = tx.execute(select(artifact_version.c.id).where(*left).limit(BATCH_VERSIONS)).scalars().all()
    tx.execute(delete(artifact_version).where(artifact_version.c.id.in_(ids), *left))
    return len(ids)


def _trash(tx: Transaction, until_us: int) -> Sequence[Row[Any]]:
    old = pack_pending.c.created_at_us <= until_us
    query = select(pack_pending).where(is_trash, old)
    return tx.execute(query.order_by(pack_pending.c.created_at_us).limit(BATCH)).all()


def _postpone(ids: list[str], tx: Transaction) -> int:
    later = update(pack_pending).where(pack_pending.c.id.in_(ids)).values(created_at_us=tx.now_us())
    return tx.execute(later).rowcount if ids else 0


def _forget(ids: list[str], tx: Transaction) -> Sequence[str]:
    gone = delete(pack_pending).where(pack_pending.c.id.in_(ids)).returning(pack_pending.c.id)
    return tx.execute(gone).scalars().all()
