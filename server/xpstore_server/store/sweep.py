"""The sweep: packs that no version needs are condemned, and their objects removed later.

An edge (`artifact_pack`) is inserted under a foreign key to `pack`, and a pack is condemned by deleting its row: one of
the two fails, so a version never points to bytes that are going.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import delete, exists, select, update

from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database, Transaction
from xpstore_server.store.tables import artifact_pack, artifact_version, chunk, pack, pack_pending, upload

HOUR_US = 3_600 * 1_000_000
BATCH = 200


@dataclass(frozen=True, slots=True)
class Grace:
    """How long things are left alone, in microseconds of the database's clock."""

    # Since a pack was made or touched. Clients are promised 24 hours, and a touch may be an hour late.
    condemn_us: int = 25 * HOUR_US
    remove_us: int = HOUR_US  # since it was condemned: readers that resolved it before finish
    abandon_us: int = HOUR_US  # since a pack or a version was begun and not finished


@dataclass(slots=True)
class Swept:
    """What one sweep did."""

    condemned_packs: int = 0
    removed_objects: int = 0


def sweep(
    database: Database, chunks: ChunkStore, grace: Grace, is_stopped: Callable[[], bool] = lambda: False
) -> Swept:
    """Condemns and removes until nothing is left to do or it is stopped. Any number may run at the same time."""
    swept = Swept()
    database.write(lambda tx: _give_up(tx, grace))
    while not is_stopped() and (condemned := database.write(lambda tx: _condemn(tx, grace))):
        swept.condemned_packs += condemned
    while not is_stopped() and (trash := database.read(lambda tx: _trash(tx, grace))):
        for pack_id, pool in trash:
            chunks.remove_object(pool, pack_id)
        database.write(partial(_forget, [pack_id for pack_id, _ in trash]))
        swept.removed_objects += len(trash)
    return swept


def _forget(ids: list[str], tx: Transaction) -> None:
    tx.execute(delete(pack_pending).where(pack_pending.c.id.in_(ids)))


def _give_up(tx: Transaction, grace: Grace) -> None:
    """Lets go of what a crash left: packs half-written, versions half-committed, uploads expired."""
    now = tx.now_us()
    begun = now - grace.abandon_us
    writing = (pack_pending.c.state == "writing", pack_pending.c.created_at_us <= begun)
    tx.execute(update(pack_pending).where(*writing).values(state="trash", created_at_us=now))
    committing = (artifact_version.c.state == "committing", artifact_version.c.created_at_us <= begun)
    tx.execute(delete(artifact_version).where(*committing))
    tx.execute(delete(upload).where(upload.c.expires_at_us <= now))


def _condemn(tx: Transaction, grace: Grace) -> int:
    now = tx.now_us()
    is_needed = exists().where(artifact_pack.c.pack_id == pack.c.id)
    old = select(pack.c.id).where(pack.c.touched_at_us <= now - grace.condemn_us, ~is_needed)
    locked = (
        tx.execute(old.order_by(pack.c.touched_at_us).limit(BATCH).with_for_update(skip_locked=True)).scalars().all()
    )
    # An edge may have come between the look and the lock; none can come now. So look again.
    again = select(pack.c.id, pack.c.pool).where(pack.c.id.in_(locked), ~is_needed)
    condemned = tx.execute(again).all() if locked else []
    ids = [row.id for row in condemned]
    if ids:
        tx.execute(delete(chunk).where(chunk.c.pack_id.in_(ids)))
        tx.execute(delete(pack).where(pack.c.id.in_(ids)))
        tx.insert(
            pack_pending,
            *({"id": row.id, "pool": row.pool, "state": "trash", "created_at_us": now} for row in condemned),
        )
    return len(ids)


def _trash(tx: Transaction, grace: Grace) -> list[tuple[str, str]]:
    old = select(pack_pending.c.id, pack_pending.c.pool).where(
        pack_pending.c.state == "trash", pack_pending.c.created_at_us <= tx.now_us() - grace.remove_us
    )
    return [(row.id, row.pool) for row in tx.execute(old.limit(BATCH)).all()]
