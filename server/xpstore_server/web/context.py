"""What a handler of gRPC is given, for a call that came over HTTP."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc

from xpstore_server.web.outcomes import OK, Metadata, Outcome

Read = Callable[[], Awaitable[bytes | None]]
Write = Callable[[bytes], Awaitable[None]]


class Context:
    """Stands for `grpc.aio.ServicerContext`: what the door and methods use of it.

    Args:
        metadata: of the request.
        peer: who it is, as gRPC says it.
        read: gives the next message of the request, None after the last.
        write: takes a message of the answer.
        seconds: which the caller gives it; None where it says nothing.

    Attributes:
        outcome: how the call was ended by `abort`.
        initial: metadata before the first message of the answer.
        trailing: metadata after the last.
    """

    def __init__(self, metadata: Metadata, peer: str, read: Read, write: Write, seconds: float | None = None) -> None:
        self._metadata = metadata
        self._peer = peer
        self._read = read
        self._write = write
        self._ends_at = None if seconds is None else time.monotonic() + seconds
        self.outcome = OK
        self.initial: Metadata = ()
        self.trailing: Metadata = ()

    def invocation_metadata(self) -> Metadata:
        return self._metadata

    def peer(self) -> str:
        return self._peer

    def code(self) -> grpc.StatusCode:
        return self.outcome.code

    def time_remaining(self) -> float | None:
        return None if self._ends_at is None else max(self._ends_at - time.monotonic(), 0)

    async def read(self) -> Any:
        message = await self._read()
        return grpc.aio.EOF if message is None else message

    async def write(self, message: bytes) -> None:
        await self._write(message)

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        self.initial = metadata

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        self.trailing = metadata

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        self.outcome = Outcome(code, details, tuple(trailing_metadata))
        raise grpc.aio.AbortError
