"""Packs filled from a stream, under one bound of memory for all streams.

A whole buffer is reserved before its first byte, and a buffer that waits for its client is sealed after two seconds,
so streams cannot wait for each other in a circle, and a slow client costs one buffer.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from xpstore_server.core import limits
from xpstore_server.store.chunks import ChunkStore, EncodedChunk
from xpstore_server.store.errors import StoreUnavailable
from xpstore_server.store.packs import PACK_BYTES

T = TypeVar("T")

# A pack is sealed by the chunk that fills it, so it may run over by one chunk.
RESERVED_BYTES = PACK_BYTES + limits.CHUNK_BYTES
IDLE_SECONDS = 2.0
PUTS_IN_FLIGHT = 2
# Less than clients wait for an answer by default.
STORE_AWAY_SECONDS = 10.0

Durable = Callable[[list[tuple[bytes, int]]], Awaitable[None]]


class Budget:
    """Buffers that may be reserved at the same time; those who wait are served in order."""

    def __init__(self, total_bytes: int) -> None:
        self._free = max(total_bytes // RESERVED_BYTES, 1)
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_short(self) -> bool:
        return bool(self._waiting)

    async def acquire(self) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Packer:
    """Fills packs from one stream and writes them, a few at a time.

    `on_durable` is awaited with digests and raw sizes of each pack's chunks, in the order of the stream.
    """

    def __init__(
        self,
        pool: str,
        chunks: ChunkStore,
        budget: Budget,
        executor: Executor,
        on_durable: Durable | None = None,
    ) -> None:
        self._pool = pool
        self._chunks = chunks
        self._budget = budget
        self._executor = executor
        self._on_durable = on_durable
        self._buffer: list[EncodedChunk] = []
        self._size = 0
        self._born = 0.0
        self._is_idle = False
        self._turn = asyncio.Lock()
        self._in_flight: deque[tuple[asyncio.Future[tuple[int, int]], list[tuple[bytes, int]]]] = deque()
        self.stored_chunks = 0
        self.stored_bytes = 0

    async def messages(self, stream: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yields the messages of a stream. When it waits too long for one, what came before is made durable."""
        ended = asyncio.Event()
        watch = asyncio.ensure_future(self._watch(ended))
        try:
            async for message in stream:
                self._is_idle = False
                yield message
                if watch.done():
                    break
            # Not cancelled: what it is writing must be known to be durable, and what it could not write be told.
            ended.set()
            await watch
        finally:
            watch.cancel()

    async def _watch(self, ended: asyncio.Event) -> None:
        # A task for each stream, where one for each message would cost more than the message.
        while not ended.is_set():
            self._is_idle = True
            # Others wait for what this stream's buffer holds: it has less time.
            wait_seconds = IDLE_SECONDS / 4 if self._budget.is_short else IDLE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), wait_seconds)
            if self._is_idle and self._buffer and not ended.is_set():
                await self.finish()

    async def add(self, chunk: EncodedChunk) -> None:
        """Takes a chunk; waits while memory is short or too many packs are being written."""
        if not self._buffer:
            await self._budget.acquire()
            self._born = time.monotonic()
        self._buffer.append(chunk)
        self._size += len(chunk.data)
        is_hogging = self._budget.is_short and time.monotonic() - self._born > IDLE_SECONDS
        if self._size >= PACK_BYTES or is_hogging:
            await self.seal()

    async def seal(self) -> None:
        """Starts to write what is buffered."""
        if not self._buffer:
            return
        buffer, self._buffer, self._size = self._buffer, [], 0
        write = asyncio.ensure_future(self._write(buffer))
        write.add_done_callback(self._written)
        self._in_flight.append((write, [(chunk.digest, chunk.raw_size) for chunk in buffer]))
        del buffer
        while len(self._in_flight) >= PUTS_IN_FLIGHT:
            await self._settle()

    async def _write(self, buffer: list[EncodedChunk]) -> tuple[int, int]:
        """Writes a pack, again while the store is away: the client would have to send it again."""
        loop, deadline, pause_seconds = asyncio.get_running_loop(), time.monotonic() + STORE_AWAY_SECONDS, 0.1
        while True:
            try:
                return await loop.run_in_executor(self._executor, self._chunks.write_pack, self._pool, buffer)
            except StoreUnavailable:
                if time.monotonic() + pause_seconds > deadline:
                    raise
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, 2.0)

    async def finish(self) -> None:
        """Returns when everything taken is durable."""
        await self.seal()
        while self._in_flight:
            await self._settle()

    def abandon(self) -> None:
        """Gives the buffer back; packs being written are finished by themselves."""
        if self._buffer:
            self._buffer = []
            self._budget.release()

    async def _settle(self) -> None:
        async with self._turn:  # the stream and its watch may both wait here, and order counts
            if not self._in_flight:
                return
            write, contents = self._in_flight.popleft()
            stored_chunks, stored_bytes = await asyncio.shield(write)
            self.stored_chunks += stored_chunks
            self.stored_bytes += stored_bytes
            if self._on_durable is not None:
                await self._on_durable(contents)

    def _written(self, write: "asyncio.Future[Any]") -> None:
        self._budget.release()
        if not write.cancelled():
            write.exception()  # seen here, so that an abandoned stream logs no warning
