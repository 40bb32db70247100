"""Packs in the index for which their writer alone vouches: a client wrote them, and nobody has read them back yet.

To all others their chunks are not there yet, and neither is a version that stands on them: whoever asks for one waits
until it is read back. So nobody stands on bytes, or is told of any, that only their writer has seen. What is not as its
index says goes, with the versions that stand on it.
"""

import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, func, select, update

from xpstore.format.packs import PackedChunk
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import BadChunk, read_back
from xpstore_server.store.errors import BlobDamaged, BlobMissing
from xpstore_server.store.sweep import turn_into_trash
from xpstore_server.store.tables import artifact_alias, artifact_pack, artifact_version, chunk, pack, project
from xpstore_server.store.transaction import Transaction

log = logging.getLogger("xpstore")

# Packs of which two are not read back at the same time more often than need be.
LOCKS = 64

_is_vouched = pack.c.vouched_by.is_not(None)
# Of all pools, which are told apart here: with the pool in it SQLite would walk through all of its packs. They are few,
# as each principal may have so many bytes of them.
_ALL = select(pack.c.pool, pack.c.id, pack.c.vouched_by).where(_is_vouched)
_NEEDED = _ALL.where(exists().where(artifact_pack.c.pack_id == pack.c.id))
_UID = select(project.c.uid).where(project.c.id == bindparam("id"), project.c.deleted_at_us.is_(None))
_OLDEST = (
    select(pack.c.pool, pack.c.id, pack.c.size_bytes)
    .where(_is_vouched, pack.c.created_at_us <= bindparam("until_us"))
    .order_by(pack.c.created_at_us)
    .limit(1)
)
_OWN = select(func.count().label("packs"), func.coalesce(func.sum(pack.c.size_bytes), 0).label("bytes")).where(
    _is_vouched, pack.c.vouched_by == bindparam("principal")
)


class Vouched:
    """Reads such packs back."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    def settle(self, pool: str, pack_ids: Sequence[str]) -> None:
        """Returns when nobody has to vouch for these packs any more: they are what the index says, or are gone.

        Raises:
            StoreUnavailable, StoreRefused: the store does not let them be read now.
        """
        for pack_id in pack_ids:
            with self._locks[hash(pack_id) % LOCKS]:
                self._settle(pool, pack_id)

    def settle_versions(self, principal: str, project_uid: str | None, project_id: str | None) -> None:
        """The same for all that versions of a project stand on and others than this principal vouch for.

        Args:
            principal: whose packs are left as they are.
            project_uid, project_id: of the project, one of them; without any, of all.
        """

        def needed(tx: Transaction) -> Sequence[Row[Any]]:
            return tx.execute(_NEEDED).all()

        rows = [row for row in self._database.read(needed) if row.vouched_by != principal]
        if rows and project_id is not None:
            project_uid = self._database.read(lambda tx: tx.execute(_UID, {"id": project_id}).scalar())
        for row in rows:
            if project_uid in (None, row.pool):
                self.settle(row.pool, [row.id])

    def oldest(self, older_than_us: int, but: Sequence[str] = ()) -> Row[Any] | None:
        """The pack that waits for longest, but for some, if it does for so long: its pool, id and size."""
        query = _OLDEST.where(pack.c.id.not_in(but)) if but else _OLDEST
        return self._database.read(lambda tx: tx.execute(query, {"until_us": tx.now_us() - older_than_us}).first())

    def _settle(self, pool: str, pack_id: str) -> None:
        this = select(pack.c.vouched_by).where(pack.c.id == pack_id, pack.c.pool == pool)
        principal = self._database.read(lambda tx: tx.execute(this).scalar())
        if principal is None:
            return  # it was read back meanwhile, or is gone
        fault = self._fault(pool, pack_id)
        if not fault:
            self._database.write(lambda tx: tx.execute(_believed(pack_id)).rowcount)
            return
        gone = self._database.write(partial(_withdraw, pool=pool, pack_id=pack_id))
        told = f"{len(gone)} versions are withdrawn{f', the first is {gone[0]}' if gone else ''}"
        whose = f"pack {pack_id} of project {pool}, for which a client of key {principal} vouched,"
        log.error("%s is not what it should be: %s. %s", whose, fault, told)

    def _fault(self, pool: str, pack_id: str) -> str:
        """What is wrong with a pack, "" if nothing is. One bad read is none of what is stored."""
        rows = select(chunk).where(chunk.c.pack_id == pack_id).order_by(chunk.c.offset)
        found = self._database.read(lambda tx: tx.execute(rows).all())
        placed = [PackedChunk(row.digest, row.codec, row.offset, row.stored_size, row.raw_size) for row in found]
        fault = ""
        for _ in range(2):
            try:
                read_back(self._blobs, pool, pack_id, placed)
            except BadChunk as error:
                fault = f"a chunk {error}"
            except BlobMissing:
                fault = "there is no such object"
            except BlobDamaged as error:
                fault = str(error)
            else:
                return ""
        return fault


def vouched_packs(tx: Transaction, pool: str, principal: str) -> Sequence[str]:
    """Packs of a pool that others than this principal vouch for."""
    return [row.id for row in tx.execute(_ALL) if row.pool == pool and row.vouched_by != principal]


def vouched_by(tx: Transaction, principal: str) -> tuple[int, int]:
    """How many packs there are for which only this principal vouches, and their bytes."""
    row = tx.execute(_OWN, {"principal": principal}).one()
    return int(row.packs), int(row.bytes)


def _believed(pack_id: str) -> Any:
    return update(pack).where(pack.c.id == pack_id).values(vouched_by=None)


def _withdraw(tx: Transaction, pool: str, pack_id: str) -> list[str]:
    """Takes a pack out of the index, and the versions that stand on it: nobody but its writer has seen one.

    Returns the ids of those.
    """
    this = select(pack).where(pack.c.id == pack_id, pack.c.pool == pool, _is_vouched)
    locked = tx.execute(this.with_for_update()).all()
    if not locked:
        return []
    edges = artifact_pack.c.pack_id == pack_id
    standing = select(artifact_pack.c.version_id).where(edges)
    ids = list(tx.execute(standing).scalars())
    now = tx.now_us()
    gone = {"state": "deleted", "deleted_at_us": now, "purged_at_us": now, "updated_at_us": now}
    version = artifact_version
    tx.execute(delete(artifact_alias).where(artifact_alias.c.version_id.in_(standing)))
    tx.execute(delete(version).where(version.c.id.in_(standing), version.c.state == "committing"))
    tx.execute(update(version).where(version.c.id.in_(standing), version.c.state != "committing").values(**gone))
    # A commit under way that has resolved it misses its edges, or finds no pack for one: it resolves again.
    tx.execute(delete(artifact_pack).where(edges))
    turn_into_trash(tx, locked)
    return ids
