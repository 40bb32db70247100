"""Packs that clients write by themselves, past the server, which takes them into the index when they are closed."""

import logging
from collections.abc import Sequence
from functools import partial

from xpstore.format.packs import END_BYTES, DamagedPack, PackedChunk, footer_size, read_footer
from xpstore.format.tree import CHUNK_BYTES
from xpstore_server.store.blobs.store import BlobStore, Spot
from xpstore_server.store.chunks import add
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import NONE, ZSTD, BadChunk, read_back
from xpstore_server.store.errors import BlobMissing
from xpstore_server.store.packs import pack_key
from xpstore_server.store.transfers.announced import (
    OPEN_BYTES,
    NewPack,
    announce,
    announced_bytes,
    is_live,
    reject,
)
from xpstore_server.store.transfers.vouched import vouched_by

log = logging.getLogger("xpstore")

PACKS = 64
PACK_BYTES = 64 << 20
# Each is a row, and a thing in memory while its pack is taken in: `limits.DIGESTS`, as of other calls.
PACK_CHUNKS = 16_384
# Of one principal, closed and not read back. Each look at the index goes through those of all.
WAITING_PACKS = 256


class ClientPacks:
    """Opens and closes them.

    A client that writes files is a program of this server's own user, who could write into the folder of packs all the
    same: it vouches for its digests. What came by a URL is read back and hashed before the index names it, or soon
    after: until then its writer alone vouches for it (`vouched`).

    Args:
        database: where packs are announced.
        blobs: where they lie.
        is_later: whether they are read back after they are closed.
    """

    def __init__(self, database: Database, blobs: BlobStore, *, is_later: bool = False) -> None:
        self._database = database
        self._blobs = blobs
        self._is_later = is_later and not blobs.is_own_folder

    def open(self, pool: str, principal: str, packs: Sequence[NewPack], seconds: int) -> list[Spot] | None:
        """Announces packs, and says where they are to be written; None if the store has no place for that.

        Raises:
            PackTaken, TooManyOpen, TooMuchOpen: see `announced.announce`.
            StoreFull: there is no room.
        """
        spots = list[Spot]()
        for one in packs:
            spot = self._blobs.inlet(pack_key(pool, one.id), one.size_bytes, one.crc32, seconds)
            if spot is None:
                return None
            spots.append(spot)
        self._database.write(lambda tx: announce(tx, pool, principal, packs))
        return spots

    def close(self, pool: str, principal: str, pack_id: str) -> bool:
        """Takes a pack that a client wrote into the index; says whether it is there.

        One that is not, or not sound, is left to the sweep: another call may be at the same pack.
        """
        # In this order: what is announced becomes live, and never the other way round.
        if (announced := self._database.read(lambda tx: announced_bytes(tx, pool, pack_id))) is None:
            return self._database.read(lambda tx: is_live(tx, pool, pack_id))
        try:
            size, placed = self._look_at(pool, pack_id, announced)
            is_later = self._is_later and self._may_wait(principal, size)
            if not is_later and not self._blobs.is_own_folder:
                read_back(self._blobs, pool, pack_id, placed)
        except BlobMissing:
            return self._database.read(lambda tx: is_live(tx, pool, pack_id))
        except (BadChunk, DamagedPack) as error:
            whose = f"pack {pack_id} of project {pool}, written by a client of key {principal},"
            log.warning("%s is not taken: %s", whose, error)
            self._database.write(partial(reject, pool=pool, pack_id=pack_id))
            return False
        vouching = principal if is_later else None
        if self._database.write(lambda tx: add(tx, pool, pack_id, size, placed, vouching)):
            return True
        # Given up for lost, or closed by another call meanwhile.
        return self._database.read(lambda tx: is_live(tx, pool, pack_id))

    def _may_wait(self, principal: str, size: int) -> bool:
        """Whether one more may wait to be read back: others wait for it where they need it."""
        packs, size_bytes = self._database.read(lambda tx: vouched_by(tx, principal))
        return packs < WAITING_PACKS and size_bytes + size <= OPEN_BYTES

    def _end(self, key: str, offset: int, length: int) -> bytes:
        if length > max(END_BYTES, footer_size(PACK_CHUNKS)):
            raise DamagedPack(f"it has more than {PACK_CHUNKS} chunks")
        return self._blobs.get(key, offset, length)

    def _look_at(self, pool: str, pack_id: str, announced: int) -> tuple[int, list[PackedChunk]]:
        """Size and chunks of a pack that is as a pack must be, as far as its end says."""
        key = pack_key(pool, pack_id)
        size = self._blobs.adopt(key, announced)
        if size > PACK_BYTES:
            raise DamagedPack(f"it has {size} bytes")
        its_pool, placed = read_footer(size, partial(self._end, key))
        if its_pool != pool:
            raise DamagedPack(f"its footer names project {its_pool}")
        if not _is_whole(placed, size):
            raise DamagedPack("its chunks do not fill it")
        return size, placed


def _is_whole(placed: Sequence[PackedChunk], size: int) -> bool:
    """Whether chunks fill a pack from its start to its footer, each of a size that a chunk can have."""
    offset = 0
    for entry in placed:
        is_right = entry.offset == offset and entry.codec in (NONE, ZSTD)
        if not is_right or not 0 < entry.stored_size <= CHUNK_BYTES or not 0 < entry.raw_size <= CHUNK_BYTES:
            return False
        offset += entry.stored_size
    return bool(placed) and offset + footer_size(len(placed)) == size
