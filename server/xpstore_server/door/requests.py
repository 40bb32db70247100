"""How requests are read: when a method wants them, bounded, weighed, and only then parsed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from xpstore_server.core import limits
from xpstore_server.core.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted
from xpstore_server.door.bounds import Share
from xpstore_server.door.overdue import Overdue
from xpstore_server.door.rules import SECOND_US, Rule
from xpstore_server.door.weight import LEAST_BYTES, Malformed, TooHeavy, weigh

Context = grpc.aio.ServicerContext[Any, Any]
Seen = Callable[[Any], Awaitable[None]]

# What is larger is read in a thread and counted, unless it has few entries and is not much more than a message of
# UploadFile may have: that costs a millisecond, and a thread as much.
SMALL_BYTES = 64 << 10
INLINE_BYTES = 5 << 18
FEW_ENTRIES = 64
SILENCE_SECONDS = limits.SILENCE_US / SECOND_US


class Reader:
    """Reads the requests of one call.

    Args:
        context: of the call.
        rule: of its method.
        share: of the bytes in flight.
        executor: where large requests are parsed.
        overdue: ends a read that takes too long.
        is_parsed: whether the method takes messages, not bytes.
        is_bounded: whether the call as a whole ends in time, and no read need be looked at.
        seen: awaited with each message before the method has it; where it takes bytes, with the first.

    Attributes:
        size_bytes: what was read so far.
    """

    def __init__(
        self,
        context: Context,
        rule: Rule,
        share: Share,
        executor: Executor,
        overdue: Overdue,
        *,
        is_parsed: bool,
        is_bounded: bool,
        seen: Seen,
    ) -> None:
        self._context = context
        self._rule = rule
        self._share = share
        self._executor = executor
        self._overdue = overdue
        self._is_parsed = is_parsed
        self._is_bounded = is_bounded
        self._seen = seen
        self._count = 0
        self.size_bytes = 0

    async def one(self) -> Any:
        """The only request.

        Raises:
            InvalidArgument: there is none, a second one, or it is malformed.
        """
        raw = await self._next()
        if raw is None:
            raise InvalidArgument("request", "", "must be there: this method takes one message")
        request = await self._parse(raw)
        if await self._next() is not None:
            raise InvalidArgument("request", "two messages", "must be one message")
        return request

    def __aiter__(self) -> "Reader":
        return self

    async def __anext__(self) -> Any:
        # No generator: whoever stops waiting for a message may wait for it again.
        raw = await self._next()
        if raw is None:
            raise StopAsyncIteration
        return await self._parse(raw)

    async def _next(self) -> bytes | None:
        if self._is_bounded:
            return self._taken(await self._context.read())
        silence = self._overdue.begin(SILENCE_SECONDS)
        try:
            return self._taken(await self._context.read())
        except asyncio.CancelledError as error:
            if not silence.is_cause(error):
                raise
            raise DeadlineExceeded(
                f"Nothing came for {SILENCE_SECONDS:g} s. Send an empty message now and then, or go on later.",
                limit="max_silence_us",
                expected=int(SILENCE_SECONDS * SECOND_US),
            ) from None
        finally:
            self._overdue.end(silence)

    def _taken(self, raw: Any) -> bytes | None:
        if raw is grpc.aio.EOF:
            return None
        self._count += 1
        self.size_bytes += len(raw)
        most = self._rule.max_bytes
        if len(raw) > most:
            message = f"The message has {len(raw)} bytes, {most} at most: send less at a time."
            raise ResourceExhausted(message, limit="max_message_bytes", expected=most)
        return bytes(raw)

    async def _parse(self, raw: bytes) -> Any:
        try:
            request = await self._parsed(raw) if self._is_parsed else self._weighed(raw)
        except TooHeavy:
            raise self._refused(raw, f"must have at most {self._rule.max_entries} entries") from None
        except (DecodeError, Malformed):
            raise self._refused(raw, f"must be a serialized {self._rule.plan.name}") from None
        if self._is_parsed or self._count == 1:
            await self._seen(request)
        return request

    def _weighed(self, raw: bytes) -> bytes:
        """Of a method that reads its bytes by itself, and says where they are malformed."""
        with contextlib.suppress(Malformed):
            _weigh(self._rule, raw)
        return raw

    async def _parsed(self, raw: bytes) -> Any:
        rule = self._rule
        if len(raw) <= SMALL_BYTES:
            return _read(rule, raw)
        if len(raw) <= INLINE_BYTES:
            with contextlib.suppress(TooHeavy):
                weigh(rule.plan, raw, min(FEW_ENTRIES, rule.max_entries))
                return rule.plan.parse(raw)
        await self._share.take(len(raw), patient=rule.is_stream)
        return await asyncio.get_running_loop().run_in_executor(self._executor, _read, rule, raw)

    def _refused(self, raw: bytes, fix: str) -> InvalidArgument:
        which = f"message {self._count}, {len(raw)} bytes" if self._rule.is_stream else f"{len(raw)} bytes"
        return InvalidArgument("request", which, fix)


def _read(rule: Rule, raw: bytes) -> Any:
    _weigh(rule, raw)
    return rule.plan.parse(raw)


def _weigh(rule: Rule, raw: bytes) -> None:
    if len(raw) > rule.max_entries * LEAST_BYTES:
        weigh(rule.plan, raw, rule.max_entries)
