"""The rewrite: what is needed of some packs moves to a new one, and they go with the bytes that nothing needs.

Chunk rows and edges move in one transaction, under the lock of the old packs, and only if nothing came in between: no
pack touched, no version that was not asked what it needs. A commit that resolved an old pack fails on its foreign key,
and resolves again.
"""

import logging
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from xpstore.format.packs import PackedChunk, encode_footer
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.chunks import ChunkStore, announce, claim
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import EncodedChunk, Place, neighbours, place
from xpstore_server.store.errors import BlobDamaged, BlobHeld, BlobMissing, MissingChunks, StoreFull
from xpstore_server.store.ids import new_pack_id
from xpstore_server.store.packs import pack_key
from xpstore_server.store.repack.candidates import Plan
from xpstore_server.store.sweep import lock_packs, turn_into_trash
from xpstore_server.store.tables import artifact_pack, chunk, pack, pack_pending
from xpstore_server.store.transaction import Transaction

log = logging.getLogger("xpstore")

_MOVE = (
    update(chunk)
    .where(chunk.c.pool == bindparam("of_pool"), chunk.c.digest == bindparam("of_digest"))
    .where(chunk.c.pack_id == bindparam("old_pack"))
    .values(pack_id=bindparam("new_pack"), offset=bindparam("new_offset"))
)


class Outrun(Exception):
    """Somebody else changed something in between: nothing was moved."""


@dataclass(frozen=True, slots=True)
class _NewPack:
    id: str
    size_bytes: int
    placed: list[PackedChunk]


class Rewriter:
    """Moves what is needed of some packs to a new one."""

    def __init__(self, database: Database, chunks: ChunkStore, blobs: BlobStore) -> None:
        self._database = database
        self._chunks = chunks
        self._blobs = blobs

    def rewrite(
        self, pool: str, plans: Sequence[Plan], needed: Container[bytes], versions: Container[str]
    ) -> tuple[int, int]:
        """Returns how many packs went, and how many bytes were written.

        Args:
            needed: the chunks that the versions need.
            versions: all that were asked; if there are others by now, nothing is moved.
        """
        olds, sources, live = self._read(pool, plans, needed)
        new = self._write(pool, live) if live else None
        try:
            if olds:
                self._database.write(lambda tx: _move(tx, pool, olds, versions, sources, new))
        except (Outrun, IntegrityError) as error:
            log.debug("repack of %d packs was outrun: %s", len(olds), error)
            self._discard(pool, new)
            return 0, 0
        return len(olds), new.size_bytes if new else 0

    def _read(
        self, pool: str, plans: Sequence[Plan], needed: Container[bytes]
    ) -> tuple[list[Row[Any]], dict[bytes, str], list[EncodedChunk]]:
        """The packs that could be read whole, and their needed chunks with where these are."""
        olds, sources, live = list[Row[Any]](), dict[bytes, str](), list[EncodedChunk]()
        for one in plans:
            try:
                chunks = list(self._needed_chunks(pool, one.pack.id, needed))
            except MissingChunks:
                continue  # another repack was faster
            except (BlobMissing, BlobDamaged) as error:
                log.error("pack %s of project %s cannot be repacked: %s", one.pack.id, pool, error)
                continue
            olds.append(one.pack)
            sources.update((entry.digest, one.pack.id) for entry in chunks)
            live.extend(chunks)
        return olds, sources, live

    def _needed_chunks(self, pool: str, pack_id: str, needed: Container[bytes]) -> Iterator[EncodedChunk]:
        query = select(chunk).where(chunk.c.pack_id == pack_id).order_by(chunk.c.offset)
        rows = self._database.read(lambda tx: tx.execute(query).all())
        places = (
            Place(row.digest, pack_id, row.offset, row.stored_size, row.raw_size, row.codec)
            for row in rows
            if row.digest in needed
        )
        for near in neighbours(places):
            for entry, _ in self._chunks.fetch_verified(pool, near):
                # A copy: the view would keep all that was read in memory, with all that is not needed of it.
                yield replace(entry, data=bytes(entry.data))

    def _write(self, pool: str, live: Sequence[EncodedChunk]) -> _NewPack:
        placed = list(place(live))
        parts = [*(entry.data for entry in live), encode_footer(pool, placed)]
        new = _NewPack(new_pack_id(), sum(map(len, parts)), placed)
        self._database.write(lambda tx: announce(tx, pool, new.id))
        try:
            self._blobs.put(pack_key(pool, new.id), parts)
        except StoreFull:
            self._discard(pool, new)
            raise
        return new

    def _discard(self, pool: str, new: _NewPack | None) -> None:
        if new is None:
            return
        try:
            self._blobs.delete(pack_key(pool, new.id))
        except BlobHeld:
            return  # its row stays, and makes it trash
        gone = delete(pack_pending).where(pack_pending.c.id == new.id)
        self._database.write(lambda tx: tx.execute(gone).rowcount)


def _move(
    tx: Transaction,
    pool: str,
    olds: Sequence[Row[Any]],
    versions: Container[str],
    sources: dict[bytes, str],
    new: _NewPack | None,
) -> None:
    is_old = [pack.c.id.in_([row.id for row in olds])]
    locked = lock_packs(tx, is_old, len(olds))
    _check(tx, olds, locked, versions)
    if new is not None:
        _add(tx, pool, locked, new)
        _move_chunks(tx, pool, sources, new)
        _move_edges(tx, locked, new)
    tx.execute(delete(artifact_pack).where(artifact_pack.c.pack_id.in_([row.id for row in locked])))
    turn_into_trash(tx, locked)


def _check(tx: Transaction, olds: Sequence[Row[Any]], locked: Sequence[Row[Any]], versions: Container[str]) -> None:
    # Touched: somebody was told that its chunks are there. Suspect: a version let go of it, and may have been counted.
    if {tuple(row) for row in locked} != {tuple(row) for row in olds}:
        raise Outrun("packs are locked, gone, touched, or let go of")
    edges = select(artifact_pack.c.version_id).where(artifact_pack.c.pack_id.in_([row.id for row in locked]))
    if any(version_id not in versions for version_id in tx.execute(edges.distinct()).scalars()):
        raise Outrun("another version was published")


def _add(tx: Transaction, pool: str, olds: Sequence[Row[Any]], new: _NewPack) -> None:
    if not claim(tx, pool, new.id):
        raise Outrun("the sweep took the new pack for abandoned")
    row = {
        "id": new.id,
        "pool": pool,
        "size_bytes": new.size_bytes,
        # As old as what it holds: it stays beside its neighbours, and is not met again by the repack that made it.
        "created_at_us": min(row.created_at_us for row in olds),
        "touched_at_us": max(row.touched_at_us for row in olds),
        "suspect_at_us": None,
    }
    tx.insert(pack, row)


def _move_chunks(tx: Transaction, pool: str, sources: dict[bytes, str], new: _NewPack) -> None:
    # Sorted, as everybody who writes chunks does: else two would deadlock.
    moves = [
        {
            "of_pool": pool,
            "of_digest": entry.digest,
            "old_pack": sources[entry.digest],
            "new_pack": new.id,
            "new_offset": entry.offset,
        }
        for entry in sorted(new.placed, key=lambda entry: entry.digest)
    ]
    tx.execute(_MOVE, moves)
    moved = select(func.count()).select_from(chunk).where(chunk.c.pack_id == new.id)
    if tx.execute(moved).scalar_one() != len(moves):
        raise Outrun("chunks were moved by somebody else")


def _move_edges(tx: Transaction, olds: Sequence[Row[Any]], new: _NewPack) -> None:
    needing = select(artifact_pack.c.version_id, literal(new.id, pack.c.id.type)).distinct()
    needing = needing.where(artifact_pack.c.pack_id.in_([row.id for row in olds]))
    tx.execute(insert(artifact_pack).from_select(["version_id", "pack_id"], needing))
