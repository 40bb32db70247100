"""Packs filled from a stream, under one bound of memory for all streams.

A whole buffer is reserved before its first byte. `Feed` has it sealed when its client falls silent, so streams cannot
wait for each other in a circle, and a slow client costs one buffer.
"""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor

from xpstore.format.packs import PACK_BYTES
from xpstore_server.core import limits
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.encoded import EncodedChunk
from xpstore_server.store.errors import StoreUnavailable

# Bytes of a file in one pack of an UploadFile, compressed or not. Two of them, with a chunk more each, 2 MiB that are
# not cut yet and the message that they came in are what a server that is killed loses at most (`limits.PACK_BYTES`).
FILE_PACK_BYTES = 8 << 20
# What a chunk takes beside its bytes, in memory and in the index: of tiny ones that is the most.
BOOKED_BYTES = 256
PUTS_IN_FLIGHT = 2
# Less than clients wait for an answer by default.
STORE_AWAY_SECONDS = 10.0

Durable = Callable[[list[tuple[bytes, int]]], Awaitable[None]]


class Budget:
    """Buffers that may be reserved at the same time; those who wait are served in order."""

    def __init__(self, total_bytes: int) -> None:
        self._free_bytes = max(total_bytes, _reserved(PACK_BYTES))
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()

    @property
    def is_short(self) -> bool:
        return bool(self._waiting)

    def acquire_at_once(self, size_bytes: int) -> bool:
        """Reserves one of this size if there is room and nobody waits for it; says whether it did."""
        if self._waiting or self._free_bytes < size_bytes:
            return False
        self._free_bytes -= size_bytes
        return True

    async def acquire(self, size_bytes: int) -> None:
        if self.acquire_at_once(size_bytes):
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, size_bytes))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release(size_bytes)
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove((turn, size_bytes))
                self.release(0)  # it may have kept those behind it waiting
            raise

    def release(self, size_bytes: int) -> None:
        self._free_bytes += size_bytes
        while self._waiting:
            turn, wanted_bytes = self._waiting[0]
            if not turn.done():
                if self._free_bytes < wanted_bytes:
                    return
                self._free_bytes -= wanted_bytes
                turn.set_result(None)
            self._waiting.popleft()


def _reserved(pack_bytes: int) -> int:
    """What the buffer of a pack takes: the chunk that fills it may run over."""
    return pack_bytes + limits.CHUNK_BYTES


class Packer:
    """Fills packs from one stream and writes them, a few at a time.

    Nothing is lost or doubled by who is cancelled here: taking a chunk and sealing a pack are steps without a wait, and
    each pack is written by a task of its own, which ends after those before it.

    Args:
        pool: where they are stored.
        on_durable: awaited with digests and raw sizes of each pack's chunks, in the order of the stream.
        file_bytes: raw bytes that fill a pack, too; default as many as there are.

    Attributes:
        failure: why a pack could not be written, or `on_durable` failed.
        on_failure: called with that once.
    """

    def __init__(
        self,
        pool: str,
        chunks: ChunkStore,
        budget: Budget,
        executor: Executor,
        on_durable: Durable | None = None,
        file_bytes: int | None = None,
    ) -> None:
        self._pool = pool
        self._chunks = chunks
        self._budget = budget
        self._executor = executor
        self._on_durable = on_durable
        self._file_bytes = math.inf if file_bytes is None else file_bytes
        self._reserved_bytes = _reserved(PACK_BYTES if file_bytes is None else min(file_bytes, PACK_BYTES))
        self.on_failure: Callable[[BaseException], None] = lambda error: None
        self._buffer: list[EncodedChunk] = []
        # Apart from the buffer: memory may be reserved for a chunk that is still to come.
        self._is_reserved = False
        self._born = 0.0
        self._writing: list[asyncio.Task[None]] = []
        self.failure: BaseException | None = None
        self.size_bytes = self._raw_bytes = 0
        self.stored_chunks = 0
        self.stored_bytes = 0

    @property
    def age_seconds(self) -> float:
        """How long the first chunk of the buffer has been in it."""
        return time.monotonic() - self._born if self._buffer else 0.0

    @property
    def is_wanted(self) -> bool:
        """Whether other streams wait for the memory that it holds."""
        return self._budget.is_short

    async def ready(self) -> None:
        """Returns when a chunk may be put: memory is reserved for it, and not too many packs are being written.

        Raises:
            Exception: why an earlier pack could not be written.
        """
        while True:
            if self.failure is not None:
                raise self.failure
            if self._is_reserved:
                return
            if len(self._writing) < PUTS_IN_FLIGHT:
                await self._budget.acquire(self._reserved_bytes)
                self._is_reserved = True
            else:
                await asyncio.wait(self._writing, return_when=asyncio.FIRST_COMPLETED)

    def is_ready_at_once(self) -> bool:
        """As `ready`, without waiting: says whether a chunk may be put."""
        if self.failure is not None or self._is_reserved:
            return self.failure is None
        has_room = len(self._writing) < PUTS_IN_FLIGHT and self._budget.acquire_at_once(self._reserved_bytes)
        self._is_reserved = has_room
        return has_room

    def put(self, chunk: EncodedChunk) -> None:
        """Takes a chunk, after `ready`."""
        assert self._is_reserved
        if not self._buffer:
            self._born = time.monotonic()
        self._buffer.append(chunk)
        self.size_bytes += len(chunk.data) + BOOKED_BYTES
        self._raw_bytes += chunk.raw_size
        if self.size_bytes >= PACK_BYTES or self._raw_bytes >= self._file_bytes:
            self.seal()

    def seal(self) -> None:
        """Starts to write what is buffered."""
        if not self._buffer:
            return
        buffer, self._buffer, self._is_reserved = self._buffer, [], False
        self.size_bytes = self._raw_bytes = 0
        before = self._writing[-1] if self._writing else None
        write = asyncio.ensure_future(self._write(buffer, before))
        self._writing.append(write)
        write.add_done_callback(self._written)

    async def _write(self, buffer: list[EncodedChunk], before: "asyncio.Task[None] | None") -> None:
        contents = [(chunk.digest, chunk.raw_size) for chunk in buffer]
        try:
            stored_chunks, stored_bytes = await self._stored(buffer)
        finally:
            buffer.clear()
            self._budget.release(self._reserved_bytes)
        if before is not None:
            await asyncio.wait([before])
            before.result()  # raises what it raised: what is behind a gap does not count
        if self.failure is not None:
            raise self.failure
        self.stored_chunks += stored_chunks
        self.stored_bytes += stored_bytes
        if self._on_durable is not None:
            await self._on_durable(contents)

    async def _stored(self, buffer: list[EncodedChunk]) -> tuple[int, int]:
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

    def _written(self, write: "asyncio.Task[None]") -> None:
        self._writing.remove(write)
        failure = asyncio.CancelledError() if write.cancelled() else write.exception()
        if failure is not None and self.failure is None:
            self.failure = failure
            self.on_failure(failure)

    async def finish(self) -> None:
        """Returns when everything taken is durable."""
        self.seal()
        while self._writing:
            await asyncio.wait(self._writing)
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Gives the buffer back, with what is in it; packs being written are finished by themselves."""
        self._buffer = []
        if self._is_reserved:
            self._is_reserved = False
            self._budget.release(self._reserved_bytes)
