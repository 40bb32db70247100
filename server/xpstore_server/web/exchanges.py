"""What the protocols share: one call, its messages as they come and go, and its end."""

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import grpc

from xpstore_server.core.errors import DeadlineExceeded, InvalidArgument, ServiceError
from xpstore_server.web.codings import Conversion, Method
from xpstore_server.web.context import Context
from xpstore_server.web.envelopes import COMPRESSED, Envelopes
from xpstore_server.web.outcomes import Outcome, failed
from xpstore_server.web.requests import Request

log = logging.getLogger("xpstore")

NO_STORE = (b"cache-control", b"no-store")
IDENTITY, GZIP = "identity", "gzip"
UNIT_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class UnknownCoding(ServiceError):
    """The messages are compressed in a way that is not read here."""

    reason = "UNIMPLEMENTED"

    def __init__(self, name: str) -> None:
        super().__init__(f"The compression {name[:40]!r} is not read here: use gzip or identity.", value=name)


class Exchange(ABC):
    """One call over HTTP.

    Args:
        request: it came in.
        method: that is called.
        conversion: reads and writes its messages.
        is_json: whether they are JSON.
        seconds: that the caller gives it; None where it says nothing.

    Attributes:
        context: what the handler is given.
    """

    def __init__(
        self, request: Request, method: Method, conversion: Conversion, *, is_json: bool, seconds: float | None
    ) -> None:
        self._request = request
        self._method = method
        self._conversion = conversion
        self._is_json = is_json
        self._is_mislabelled = False
        self.context = Context(request.metadata, request.peer, self.read, self.write, seconds)

    @abstractmethod
    async def read(self) -> bytes | None:
        """The next message of the request; None after the last."""

    @abstractmethod
    async def write(self, message: bytes) -> None:
        """Sends a message of the answer."""

    @abstractmethod
    async def end(self, outcome: Outcome) -> None:
        """Ends the answer."""

    async def _enveloped(self, envelopes: Envelopes, coding: str) -> bytes | None:
        """The next message of a stream.

        Args:
            envelopes: of the stream.
            coding: how messages are compressed that say they are.
        """
        may_be_packed = is_compressed(coding)
        found = await envelopes.next()
        if found is None:
            return None
        flags, data = found
        if flags & ~COMPRESSED:
            raise InvalidArgument("request", f"flags {flags} of a message", "must be 0, or 1 if it is compressed")
        if flags and not may_be_packed:
            self._is_mislabelled = True
            fix = "must be 0 where no header says how messages are compressed"
            raise InvalidArgument("request", f"flags {flags} of a message", fix)
        return await self._conversion.read(self._method, data, is_json=self._is_json, is_compressed=bool(flags))

    def _said(self, outcome: Outcome) -> Outcome:
        """The outcome of a stream: both protocols call a message that is compressed unannounced an internal error."""
        return replace(outcome, code=grpc.StatusCode.INTERNAL) if self._is_mislabelled else outcome


class Door(Protocol):
    """What stands before each method."""

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """The handler of a method, with the door before it."""


@dataclass(frozen=True, slots=True)
class Details(grpc.HandlerCallDetails):
    """Which method is called."""

    method: str
    invocation_metadata: tuple[()] = ()


class Handlers:
    """Takes the handlers of services as a server of gRPC does, and finds them by path."""

    def __init__(self) -> None:
        self._generic: list[Any] = []

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        self._generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """The same ones again, for servers that look them up by name."""

    async def find(self, details: grpc.HandlerCallDetails) -> Any:
        found = (handler.service(details) for handler in self._generic)
        return next((one for one in found if one is not None), None)


class Calls:
    """Calls methods through the door."""

    def __init__(self, door: Door, handlers: Handlers) -> None:
        self._door = door
        self._handlers = handlers
        self._own: dict[str, Any] = {}

    def add(self, name: str, handler: Any) -> None:
        """Takes a method that is called over HTTP alone: one with the door before it, of a name that is no path."""
        self._own[name] = handler

    async def run(self, path: str, context: Context, request_id: str) -> Outcome:
        """Calls a method and says how that ended."""
        seconds = context.time_remaining()
        try:
            if seconds is not None and seconds <= 0:
                raise TimeoutError
            async with asyncio.timeout(seconds):
                await self._run(path, context)
        except grpc.aio.AbortError:
            return Outcome(context.code(), context.outcome.message, (*context.outcome.trailers, *context.trailing))
        except TimeoutError:
            return failed(DeadlineExceeded("The time that the caller gave is over."), request_id)
        except ServiceError as failure:
            return failed(failure, request_id)
        except Exception:  # the door lets none through: a handler without it
            log.exception("a call over HTTP failed")
            return failed(ServiceError("The server failed. Its log has the trace."), request_id)
        return Outcome(trailers=context.trailing)

    async def _run(self, path: str, context: Context) -> None:
        handler = self._own.get(path) or await self._door.intercept_service(self._handlers.find, Details(path))
        if handler.response_streaming:
            await handler.stream_stream(None, context)
        else:
            await context.write(await handler.stream_unary(None, context))


def accepts_gzip(header: str) -> bool:
    """Whether a caller reads gzip, by what it says it accepts."""
    names = (part.replace(" ", "") for part in header.lower().split(","))
    return any(name.partition(";")[0] == GZIP and not re.search(r"q=0(\.0*)?$", name) for name in names)


def is_compressed(header: str) -> bool:
    """Whether messages are compressed by gzip.

    Raises:
        UnknownCoding: by something else.
    """
    if header in ("", IDENTITY):
        return False
    if header != GZIP:
        raise UnknownCoding(header)
    return True


def milliseconds(header: str) -> float | None:
    """The time that a caller of Connect gives, in seconds."""
    if not header:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", header):
        raise InvalidArgument("connect-timeout-ms", header, "must be at most 10 digits")
    return int(header) / 1000


def units(header: str) -> float | None:
    """The time that a caller of gRPC gives, in seconds."""
    if not header:
        return None
    if not re.fullmatch(r"[0-9]{1,8}[HMSmun]", header):
        raise InvalidArgument("grpc-timeout", header, "must be at most 8 digits and one of H, M, S, m, u, n")
    return int(header[:-1]) * UNIT_SECONDS[header[-1]]
