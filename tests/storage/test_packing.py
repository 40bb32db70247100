"""Packs filled from a stream: what is answered as durable is, whatever the client and the store do meanwhile."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.backends import Backend
from support.raw import KIB, MIB, digest_of
from support.stores import Store
from xpstore_server.rpc.uploads import feed, packing
from xpstore_server.rpc.uploads.feed import Feed
from xpstore_server.rpc.uploads.packing import Budget, Packer
from xpstore_server.rpc.uploads.turns import Turns
from xpstore_server.store.encoded import NONE, EncodedChunk
from xpstore_server.store.errors import StoreUnavailable


@pytest.fixture
def store(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(feed, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(feed, "TICK_SECONDS", 0.02)
    store = Store(backend)
    yield store
    store.database.close()
    store.blobs.close()


def stream_through(store: Store, pauses_seconds: list[float]) -> tuple[list[bytes], list[bytes]]:
    """Sends a chunk after each pause. Returns their digests, and those that were told as durable, in that order."""
    pieces = [os.urandom(20 * KIB) for _ in pauses_seconds]
    told: list[bytes] = []

    async def messages() -> AsyncIterator[bytes]:
        for piece, pause_seconds in zip(pieces, pauses_seconds, strict=True):
            await asyncio.sleep(pause_seconds)
            yield piece

    async def on_durable(contents: list[tuple[bytes, int]]) -> None:
        await asyncio.sleep(0.05)
        told.extend(digest for digest, _ in contents)

    async def run() -> None:
        with ThreadPoolExecutor(4) as executor:
            packer = Packer(store.pool, store.chunks, Budget(64 << 20), executor, on_durable)
            with Turns(1).turn("somebody") as turn:
                reading = Feed[bytes](turn, packer, packer.seal)
                packer.on_failure = reading.stop

                async def take(piece: bytes) -> bool:
                    await packer.ready()
                    packer.put(EncodedChunk(digest_of(piece), NONE, len(piece), piece))
                    return False

                try:
                    await reading.each(messages(), take)
                    await packer.finish()
                    assert packer.stored_chunks == len(pieces)
                finally:
                    packer.close()

    asyncio.run(run())
    return [digest_of(piece) for piece in pieces], told


def test_stream_that_ends_while_an_idle_buffer_is_written_waits_for_it(store: Store) -> None:
    store.blobs.before_put = lambda: time.sleep(0.3)
    for last in (0.15, 0.25, 0.35, 0.5):  # before, during and after the write
        sent, told = stream_through(store, [0, last, 0])
        assert told == sent
        assert store.chunks.missing(store.pool, sent) == set()


def test_failure_to_write_an_idle_buffer_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(packing, "STORE_AWAY_SECONDS", 0.2)
    store.blobs.before_put = fail
    for pauses in ([0.0, 1.0], [0.0, 1.0, 0.1, 0.1], [0.0]):
        with pytest.raises(StoreUnavailable):
            stream_through(store, pauses)


def test_store_that_is_away_for_a_moment_is_waited_for(store: Store) -> None:
    failures = iter([True, True, False])

    def fail_twice() -> None:
        if next(failures, False):
            raise StoreUnavailable("away")

    store.blobs.before_put = fail_twice
    sent, told = stream_through(store, [0, 0])
    assert told == sent


@pytest.mark.client
def test_buffers_of_different_sizes_are_reserved_in_order() -> None:
    """A small one does not pass by a large one that waits, and goes on when that is not wanted any more."""

    async def run() -> None:
        budget = Budget(100 * MIB)
        await budget.acquire(60 * MIB)
        large, small, last = (asyncio.ensure_future(budget.acquire(mib * MIB)) for mib in (50, 30, 40))
        await asyncio.sleep(0)
        assert budget.is_short and not budget.acquire_at_once(MIB)
        large.cancel()
        await asyncio.wait([large, small])
        assert small.done() and not last.done()
        budget.release(60 * MIB)
        await last
        assert not budget.is_short and not budget.acquire_at_once(31 * MIB) and budget.acquire_at_once(30 * MIB)

    asyncio.run(run())


@pytest.mark.client
def test_buffer_that_was_reserved_for_one_who_left_is_free_again() -> None:
    async def run() -> None:
        budget = Budget(100 * MIB)
        await budget.acquire(100 * MIB)
        waits = asyncio.ensure_future(budget.acquire(100 * MIB))
        await asyncio.sleep(0)
        budget.release(100 * MIB)
        waits.cancel()  # it has its turn by then, and does not know
        await asyncio.wait([waits])
        assert waits.cancelled() and budget.acquire_at_once(100 * MIB)

    asyncio.run(run())
