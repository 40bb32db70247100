"""The messages of one stream that uploads: read in turn, and what they brought made durable when they stop coming."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

from xpstore_server.core import limits
from xpstore_server.rpc.uploads.packing import Packer
from xpstore_server.rpc.uploads.turns import Turn, too_slow

T = TypeVar("T")

TICK_SECONDS = 0.25
# After which everything that came is sealed; less while others wait for what this stream holds.
SILENCE_SECONDS = 1.0
HASTY_SILENCE_SECONDS = 0.5
# What a stream that is slow, or does not get on with its store, keeps others waiting at most.
HOG_SECONDS = 2.0


class Feed(Generic[T]):
    """Reads a stream, a message at a time.

    A read that has begun cannot be broken off and begun again. So a timer looks after a stream that waits for its
    client, in steps without a wait: nothing else of the stream runs meanwhile.

    Args:
        turn: when it may be read.
        packer: what its messages fill.
        seal: has all be written that came.
        look: called now and then, for what is to be written while messages come.
    """

    def __init__(
        self, turn: Turn, packer: Packer, seal: Callable[[], None], look: Callable[[], None] = lambda: None
    ) -> None:
        self._turn = turn
        self._packer = packer
        self._seal = seal
        self._look = look
        self._limit: asyncio.Timeout | None = None
        self._failure: BaseException | None = None
        self._is_reading = False
        self._read_since = 0.0
        # Its pace while others wait, and what came since the timer looked at it last.
        self._paced_since, self._paced_bytes = 0.0, 0
        self._looked_at, self._fresh_bytes = 0.0, 0
        turn.end = self.stop

    def came(self, size_bytes: int) -> None:
        """Counts bytes that came."""
        self._fresh_bytes += size_bytes
        self._paced_bytes += size_bytes

    def stop(self, failure: BaseException) -> None:
        """Ends it: who reads it gets this error."""
        if self._failure is None:
            self._failure = failure
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(0)

    async def each(self, stream: AsyncIterator[T], take: Callable[[T], Awaitable[bool]]) -> bool:
        """Passes messages on until one of them is the last, or the stream ends. Says whether one was.

        Args:
            take: takes a message and says whether it is the last.
        """
        loop = asyncio.get_running_loop()
        self._paced_since = self._looked_at = loop.time()
        self._timer = loop.call_later(TICK_SECONDS, self._tick)
        try:
            async with asyncio.timeout(None if self._failure is None else 0) as self._limit:
                return await self._each(stream, take)
        except TimeoutError:
            if self._failure is None:
                raise
            raise self._failure from None
        finally:
            self._limit = None
            self._timer.cancel()

    async def _each(self, stream: AsyncIterator[T], take: Callable[[T], Awaitable[bool]]) -> bool:
        loop, messages = asyncio.get_running_loop(), aiter(stream)
        while True:
            self._is_reading, self._read_since = True, loop.time()
            try:
                message = await anext(messages)
            except StopAsyncIteration:
                return False
            finally:
                self._is_reading = False
            if not self._turn.is_held:
                await self._turn.take()
                self._looked_at, self._fresh_bytes = loop.time(), 0
            if await take(message):
                return True
            del message  # or it stayed until the next one is there

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TICK_SECONDS, self._tick)
        now, is_wanted = loop.time(), self._turn.is_held and self._turn.is_wanted
        self._look()
        if self._packer.is_wanted and self._packer.age_seconds > HOG_SECONDS:
            self._packer.seal()
        if self._is_reading:
            is_hasty = is_wanted or self._packer.is_wanted
            if now - self._read_since >= (HASTY_SILENCE_SECONDS if is_hasty else SILENCE_SECONDS):
                self._seal()
        if is_wanted:
            self._keep_pace(now)
        elif self._turn.is_held:
            self._paced_since, self._paced_bytes = now, 0

    def _keep_pace(self, now: float) -> None:
        seconds = now - self._paced_since
        if seconds >= limits.UPLOAD_PACE_SECONDS:
            if self._paced_bytes < limits.UPLOAD_PACE * seconds:
                self.stop(too_slow())
            self._paced_since, self._paced_bytes = now, 0
            return
        seconds = now - self._looked_at
        if seconds < HASTY_SILENCE_SECONDS:
            return
        if self._is_reading and self._fresh_bytes < limits.UPLOAD_PACE * seconds:
            self._seal()
            self._turn.park()
        self._looked_at, self._fresh_bytes = now, 0
