"""The scrub: reads every pack and sees whether its bytes are those that were stored, at a bounded rate."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, select

from xpstore.format.packs import DamagedPack, read_footer
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.bucket import FIRST, LAST, Report, describe, is_known, packs_between
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import BadChunk, EncodedChunk, verify
from xpstore_server.store.errors import BlobMissing
from xpstore_server.store.packs import pack_key
from xpstore_server.store.tables import chunk
from xpstore_server.store.transaction import Transaction


@dataclass(slots=True)
class Scrubbed:
    """What a scrub read and found, and where the next one goes on."""

    packs: int = 0
    chunks: int = 0
    read_bytes: int = 0
    damaged_packs: int = 0
    at: tuple[str, str] = FIRST


class Pace:
    """Keeps a rate: waits after what was read too soon.

    Args:
        bytes_per_second: the rate.
        clock, sleep: of this process.
    """

    def __init__(
        self,
        bytes_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def took(self, size_bytes: int) -> None:
        """Waits until so many bytes may have been read. What was slower is not made up for."""
        now = self._clock()
        self._due = max(self._due + size_bytes / self._rate, now)
        if self._due > now:
            self._sleep(self._due - now)


def scrub(database: Database, blobs: BlobStore, pace: Pace, scrubbed: Scrubbed, report: Report) -> None:
    """Reads all packs behind `scrubbed.at`, in the order of project and id; `report` gets a line for each damaged one.

    May be broken off at any time: `scrubbed.at` is the last pack that was read.
    """
    while rows := database.read(partial(packs_between, after=scrubbed.at, end=LAST)):
        for row in rows:
            read = _read(database, blobs, row, pace)
            # Once more: the fault may have been the line's. And a repack may have removed the pack since the look.
            if read.fault and (read := _read(database, blobs, row, pace)).fault and is_known(database, row):
                scrubbed.damaged_packs += 1
                report(describe(database, row, read.fault))
            scrubbed.packs += 1
            scrubbed.chunks += read.chunks
            scrubbed.read_bytes += read.size_bytes
            scrubbed.at = (row.pool, row.id)


@dataclass(frozen=True, slots=True)
class _Read:
    size_bytes: int = 0
    chunks: int = 0
    fault: str = ""


def _read(database: Database, blobs: BlobStore, row: Row[Any], pace: Pace) -> _Read:
    try:
        data = blobs.get(pack_key(row.pool, row.id), 0, row.size_bytes)
    except BlobMissing:
        return _Read(fault="is missing")
    pace.took(len(data))
    places = database.read(partial(_places, pack_id=row.id))
    return _Read(len(data), len(places), _fault(row, places, memoryview(data)))


def _fault(row: Row[Any], places: Sequence[Row[Any]], data: memoryview) -> str:
    if len(data) != row.size_bytes:
        return f"has {len(data)} bytes instead of {row.size_bytes}"
    if bad := [place for place in places if not _is_sound(place, data)]:
        return f"is damaged in {len(bad)} of {len(places)} chunks, the first at byte {bad[0].offset}"
    try:
        pool, _ = read_footer(len(data), lambda offset, length: bytes(data[offset : offset + length]))
    except DamagedPack as error:
        return f"has a damaged footer ({error}); its chunks are sound"
    return "" if pool == row.pool else f"says that it is of project {pool}"


def _is_sound(place: Row[Any], view: memoryview) -> bool:
    data = view[place.offset : place.offset + place.stored_size]
    try:
        verify(EncodedChunk(place.digest, place.codec, place.raw_size, data))
    except BadChunk:
        return False
    return True


def _places(tx: Transaction, pack_id: str) -> Sequence[Row[Any]]:
    return tx.execute(select(chunk).where(chunk.c.pack_id == pack_id).order_by(chunk.c.offset)).all()
