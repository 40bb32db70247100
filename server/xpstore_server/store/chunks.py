"""Chunks: which are there, where they lie, and packs written so that the index names only what is durable.

The index is one seam of three methods: `missing`, `resolve`, `add`. Its contract: it may report a chunk that is there
as missing, never the reverse. Packs that their writer alone vouches for are read back before anybody else is told of
their chunks (`transfers/vouched.py`).
"""

import contextlib
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Select, Text, bindparam, delete, select, type_coerce, update

from xpstore.format.packs import PackedChunk, encode_footer
from xpstore_server.store.batches import batches
from xpstore_server.store.blobs.store import BlobStore, Buffer, Spot
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import (
    BadChunk,
    EncodedChunk,
    Place,
    checked,
    cut_out,
    extent_of,
    neighbours,
    place,
    verify,
)
from xpstore_server.store.errors import (
    BlobDamaged,
    BlobHeld,
    BlobMissing,
    MissingChunks,
    StoreRefused,
    StoreUnavailable,
)
from xpstore_server.store.ids import new_pack_id
from xpstore_server.store.packs import pack_key
from xpstore_server.store.tables import chunk, pack, pack_pending
from xpstore_server.store.transaction import Transaction
from xpstore_server.store.transfers.vouched import Vouched, vouched_packs

log = logging.getLogger("xpstore")

T = TypeVar("T")

# Below the bound of SQLite on variables (32,766), and a plan that PostgreSQL makes quickly.
QUERY_DIGESTS = 2_000
# A pack found by somebody within the last hour needs no new touch: that keeps FindMissing a read.
TOUCH_AFTER_US = 3_600 * 1_000_000
WRITE_ATTEMPTS = 3
# How often a look is repeated because of packs that had to be read back first, each time others.
LOOKS = 3


# Made once: building a statement costs more than running it.
_WANTED = (chunk.c.pool == bindparam("wanted_pool"), chunk.c.digest.in_(bindparam("digests", expanding=True)))
_PRESENT = (
    select(chunk.c.digest, pack.c.touched_at_us, pack.c.vouched_by)
    .join(pack, pack.c.id == chunk.c.pack_id)
    .where(*_WANTED)
)
# Ids as the driver gives them: thousands of chunks lie in a few packs, whose ids are then converted once.
_PLACES = select(
    chunk.c.digest,
    type_coerce(chunk.c.pack_id, Text),
    chunk.c.offset,
    chunk.c.stored_size,
    chunk.c.raw_size,
    chunk.c.codec,
).where(*_WANTED)
_CLAIM = delete(pack_pending).where(
    pack_pending.c.id == bindparam("written"), pack_pending.c.pool == bindparam("of"), pack_pending.c.state == "writing"
)


class _NotReadBack(Exception):
    """Chunks were met for which others vouch alone: these packs are to be read back first."""

    def __init__(self, pack_ids: Sequence[str]) -> None:
        super().__init__(pack_ids)
        self.pack_ids = pack_ids


class ChunkStore:
    """Chunks of all pools (a pool is a project's uid: a digest never opens another project's data)."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self.vouched = Vouched(database, blobs)

    def missing(self, pool: str, digests: Sequence[bytes], principal: str = "") -> set[bytes]:
        """Which digests the pool lacks. Packs of those it has are safe from the sweep for its whole grace.

        Args:
            principal: who asks: what others vouch for alone is missing to them.
        """
        absent, is_stale = self._database.read(lambda tx: _absent(tx, pool, digests, principal))
        if not is_stale:
            return absent
        return self._database.write(lambda tx: _touched_absent(tx, pool, digests, principal))

    def resolve(self, pool: str, digests: Sequence[bytes], principal: str = "") -> dict[bytes, Place]:
        """Where chunks lie; raises MissingChunks for those that are not there.

        Args:
            principal: who asks: what others vouch for alone is read back first.
        """
        look = partial(_places, pool=pool, digests=digests, principal=principal)
        found = self._settled(pool, lambda: self._database.read(look))
        if lost := [digest for digest in dict.fromkeys(digests) if digest not in found]:
            raise MissingChunks(lost)
        return found

    def _settled(self, pool: str, look: Callable[[], T]) -> T:
        """Looks; what others vouch for is read back before it is believed."""
        for _ in range(LOOKS):
            try:
                return look()
            except _NotReadBack as error:
                self.vouched.settle(pool, error.pack_ids)
        raise StoreUnavailable("More and more packs come that were not read back yet. Repeat the call.")

    def write_pack(self, pool: str, chunks: Sequence[EncodedChunk]) -> tuple[int, int]:
        """Stores what is not there yet, as one pack. Returns how many chunks and raw bytes were new.

        When this returns, all of `chunks` are durable and in the index.
        """
        by_digest = {entry.digest: entry for entry in chunks}
        for _ in range(WRITE_ATTEMPTS):
            pack_id = new_pack_id()
            begin = partial(_begin, pool=pool, pack_id=pack_id, digests=list(by_digest))
            absent = self._settled(pool, partial(self._database.write, begin))
            fresh = [entry for digest, entry in by_digest.items() if digest in absent]
            if not fresh:
                return 0, 0
            if self._write(pool, pack_id, fresh):
                return len(fresh), sum(entry.raw_size for entry in fresh)
        raise StoreUnavailable("A pack was given up for lost while it was being written. Repeat the upload.")

    def _write(self, pool: str, pack_id: str, fresh: Sequence[EncodedChunk]) -> bool:
        placed = list(place(fresh))
        parts = [*(entry.data for entry in fresh), encode_footer(pool, placed)]
        size = sum(len(part) for part in parts)
        self._blobs.put(pack_key(pool, pack_id), parts)
        is_live = self._database.write(lambda tx: add(tx, pool, pack_id, size, placed))
        if not is_live:
            # The sweep may have removed it before it was whole: nobody else knows that it is there now.
            with contextlib.suppress(BlobHeld):  # `gc --verify-bucket` finds it
                self.remove_object(pool, pack_id)
        return is_live

    def read(self, pool: str, digests: Sequence[bytes], principal: str = "") -> Iterator[Buffer]:
        """Yields the raw bytes of chunks in order, verified. Raises MissingChunks, BlobMissing or BlobDamaged."""
        places = self.resolve(pool, digests, principal)
        for near in neighbours([places[digest] for digest in digests]):
            for _, raw in self.fetch_verified(pool, near):
                yield raw

    def fetch_verified(self, pool: str, near: Sequence[Place]) -> list[tuple[EncodedChunk, Buffer]]:
        """As `fetch`, each chunk with its raw bytes, which are those that were stored, or BlobDamaged is raised."""
        found = self.fetch(pool, near)
        try:
            return [(entry, verify(entry)) for entry in found]
        except BadChunk as error:
            # One bad read is none of what is stored: the same again, and only that is believed.
            log.warning(
                "pack %s of project %s was read wrong, and is read again: a chunk %s", near[0].pack_id, pool, error
            )
        return [(entry, checked(entry)) for entry in self.fetch(pool, near)]

    def fetch(self, pool: str, near: Sequence[Place]) -> list[EncodedChunk]:
        """Reads chunks that lie close to each other in one pack, as they rest. Their bytes are not verified."""
        try:
            return list(self._fetch(pool, near))
        except (BlobMissing, BlobDamaged, StoreRefused):
            # A repack moved them after they were resolved (a key that may not list is denied what is missing), or one
            # read was bad: look once again.
            places = self.resolve(pool, [place.digest for place in near])
            again = neighbours([places[place.digest] for place in near])
            return [found for some in again for found in self._fetch(pool, some)]

    def spot(self, pool: str, near: Sequence[Place], seconds: int) -> Spot | None:
        """Where clients read such chunks by themselves for so long; None if the store cannot let them."""
        return self._blobs.spot(pack_key(pool, near[0].pack_id), near[0].offset, extent_of(near), seconds)

    def _fetch(self, pool: str, near: Sequence[Place]) -> Iterator[EncodedChunk]:
        first, length = near[0], extent_of(near)
        data = self._blobs.get(pack_key(pool, first.pack_id), first.offset, length)
        if len(data) != length:
            raise BlobDamaged(f"pack {first.pack_id} is shorter than its index says")
        yield from cut_out(data, near)

    def remove_object(self, pool: str, pack_id: str) -> None:
        """Removes a pack's object; nothing may name it any more."""
        self._blobs.delete(pack_key(pool, pack_id))


def add(
    tx: Transaction, pool: str, pack_id: str, size: int, placed: Sequence[PackedChunk], vouched_by: str | None = None
) -> bool:
    """Makes a written pack live. False if it was given up in between.

    Args:
        vouched_by: the principal who alone says that its bytes are what they should be.
    """
    if not claim(tx, pool, pack_id):
        return False
    add_to_index(tx, pool, pack_id, size, placed, vouched_by)
    return True


def claim(tx: Transaction, pool: str, pack_id: str) -> bool:
    """Takes back the announcement of a pack that is written now. False if it was given up in between."""
    return tx.execute(_CLAIM, {"written": pack_id, "of": pool}).rowcount == 1


def add_to_index(
    tx: Transaction, pool: str, pack_id: str, size: int, placed: Sequence[PackedChunk], vouched_by: str | None = None
) -> tuple[int, int]:
    """Adds what the index lacks of a pack that is there. Returns how many packs and chunks that were."""
    now = tx.now_us()
    row = {"id": pack_id, "pool": pool, "size_bytes": size, "vouched_by": vouched_by}
    packs = tx.insert_ignore(pack, {**row, "created_at_us": now, "touched_at_us": now, "suspect_at_us": now})
    # Sorted: two replicas that insert the same chunks in different orders would deadlock.
    pool_key, pack_key_ = tx.as_key(pool), tx.as_key(pack_id)
    rows = [
        (pool_key, entry.digest, pack_key_, entry.offset, entry.stored_size, entry.raw_size, entry.codec)
        for entry in sorted(placed, key=lambda entry: entry.digest)
    ]
    return packs, tx.insert_many(chunk, rows)


def _find(tx: Transaction, query: Select[Any], pool: str, digests: Iterable[bytes]) -> list[Any]:
    found: list[Any] = []
    for some in batches(list(dict.fromkeys(digests)), QUERY_DIGESTS):
        found.extend(tx.execute(query, {"wanted_pool": pool, "digests": some}).all())
    return found


def _places(tx: Transaction, pool: str, digests: Iterable[bytes], principal: str) -> dict[bytes, Place]:
    ids: dict[Any, str] = {}
    found: dict[bytes, Place] = {}
    for row in _find(tx, _PLACES, pool, digests):
        key = row[1]
        if key not in ids:
            ids[key] = str(uuid.UUID(str(key)))
        found[row[0]] = Place(row[0], ids[key], *row[2:])
    # Asked apart, as there are hardly ever any: of each chunk it would cost a tenth of the look.
    if others := set(vouched_packs(tx, pool, principal)).intersection(ids.values()):
        raise _NotReadBack(sorted(others))
    return found


def _absent(tx: Transaction, pool: str, digests: Sequence[bytes], principal: str) -> tuple[set[bytes], bool]:
    """Which digests are not there, and whether a pack of the others must be touched."""
    found = [row for row in _find(tx, _PRESENT, pool, digests) if row.vouched_by in (None, principal)]
    # Of new bytes there are none: PostgreSQL is not asked for its time.
    is_stale = bool(found) and min(row.touched_at_us for row in found) < tx.now_us() - TOUCH_AFTER_US
    return set(digests).difference(row.digest for row in found), is_stale


def _touched_absent(tx: Transaction, pool: str, digests: Sequence[bytes], principal: str) -> set[bytes]:
    absent, is_stale = _absent(tx, pool, digests, principal)
    if is_stale:
        present = set(digests).difference(absent)
        ids = {place.pack_id for place in _places(tx, pool, present, principal).values()}
        for some in batches(sorted(ids), QUERY_DIGESTS):
            tx.execute(update(pack).where(pack.c.id.in_(some)).values(touched_at_us=tx.now_us()))
        # The sweep may have been faster: only what is still there after the touch counts.
        absent, _ = _absent(tx, pool, digests, principal)
    return absent


def _begin(tx: Transaction, pool: str, pack_id: str, digests: Sequence[bytes]) -> set[bytes]:
    """Says which chunks a new pack shall hold, and announces it if there are any."""
    if vouched_packs(tx, pool, ""):
        _places(tx, pool, digests, "")  # none of them may be there twice: a version would keep the wrong one
    absent = _touched_absent(tx, pool, digests, "")
    if absent:
        announce(tx, pool, pack_id)
    return absent


def announce(tx: Transaction, pool: str, pack_id: str) -> None:
    """Says that a pack is being written, before its object can be there."""
    row = {"id": pack_id, "pool": pool, "state": "writing", "created_at_us": tx.now_us()}
    tx.insert(pack_pending, row)
