"""The one interceptor: every call gets a request id, a principal, bounds, a log line, and typed errors.

To gRPC every method is one whose requests stream and that takes bytes: of others it receives and parses the request
before it asks anybody. On the wire there is no difference. So the key is looked at first, and nothing of a stranger's
request is taken.
"""

import asyncio
import contextlib
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self, cast
from urllib.parse import unquote

import grpc

from xpstore_server.auth import Authenticator
from xpstore_server.core.errors import DeadlineExceeded, ServiceError, Unauthenticated, Unimplemented
from xpstore_server.door.answers import MESSAGE_LENGTH, STATUS, as_service_error, trailer
from xpstore_server.door.bounds import Activity, RequestBytes, Share, Strangers
from xpstore_server.door.overdue import Overdue
from xpstore_server.door.refusals import Refusals
from xpstore_server.door.requests import Context, Reader
from xpstore_server.door.rules import SECOND_US, UNKNOWN, Rule
from xpstore_server.store.errors import StoreFull
from xpstore_server.store.room import Room

log = logging.getLogger("xpstore")

Metadata = tuple[tuple[str, str | bytes], ...]
# Finds out in which project a request acts, and whether its caller may: raises one of the errors of the rules.
Resolve = Callable[[Any, Rule], Awaitable[None]]

# How long the request of a caller without a key may take to come.
OPEN_SECONDS = 5.0
PARSERS = 2
# What reads, takes away, or keeps alive what is there: all that goes on while the disk is full.
NEEDS_NO_ROOM = re.compile(
    r"/grpc\.|.*/(Get|List|Search|Lookup|Read|Find|Explain|Wait|Delete|Undelete|Clear|Unlink|Rewind|Invalidate|Release"
    r"|Fail|Renew|Heartbeat|Finish)|[A-Z]+ /session"
)
FAULTS = ("INTERNAL", "DATA_LOSS", "UNAVAILABLE")
TOLD = ("field", "limit")
MORE: Mapping[str, str] = {}


async def _anybody(request: Any, rule: Rule) -> None:
    """Resolves nothing: each key may do everything."""


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Serves each method through `_Call`.

    Args:
        authenticator: knows the keys.
        activity: counts the calls.
        room: says whether the disk is full.
        rules: of all methods, by path.
        refusals: slows down who has no key.
        resolve: awaited with each request before its method has it; of a stream of bytes with the first.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        activity: Activity,
        room: Room,
        rules: Mapping[str, Rule],
        refusals: Refusals,
        resolve: Resolve = _anybody,
    ) -> None:
        self.authenticator = authenticator
        self.activity = activity
        self.room = room
        self.rules = rules
        self.refusals = refusals
        self.resolve = resolve
        self.request_bytes = RequestBytes()
        self.strangers = Strangers()
        self.overdue = Overdue()
        self.parsers = ThreadPoolExecutor(PARSERS, "parse")
        self._served: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        path = details.method
        if (served := self._served.get(path)) is not None:
            return served
        handler = await continuation(details)
        if handler is None:
            return self._unknown(path)
        served = self._served[path] = self.guarded(self.rules[path], handler)
        return served

    def guarded(self, rule: Rule, handler: Any) -> Any:
        """A handler with the door before it."""
        method = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        is_parsed = not getattr(method, "takes_serialized", False)
        write = bytes if getattr(method, "answers_serialized", False) else handler.response_serializer
        is_single = not handler.request_streaming

        async def answer(requests: Any, context: Context) -> Any:
            async with _Call(self, rule, context, is_bounded=is_single) as call:
                reader = call.reader(is_parsed)
                request = await call.only(reader) if is_single else reader
                response = write(await method(request, context))
                call.sent_bytes += len(response)
                return response

        async def stream(requests: Any, context: Context) -> None:
            async with _Call(self, rule, context) as call:
                reader = call.reader(is_parsed)
                request = await call.only(reader) if is_single else reader
                async with contextlib.aclosing(method(request, context)) as responses:
                    async for response in responses:
                        data = write(response)
                        call.sent_bytes += len(data)
                        await context.write(data)

        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(stream)
        return grpc.stream_unary_rpc_method_handler(answer)

    def _unknown(self, path: str) -> Any:
        rule = replace(UNKNOWN, method=path)

        async def refuse(requests: Any, context: Context) -> None:
            async with _Call(self, rule, context):
                raise Unimplemented(path)

        return grpc.stream_unary_rpc_method_handler(refuse)


class _Call:
    """One call: admitted at its start, answered with a typed error or logged at its end."""

    def __init__(self, door: CallInterceptor, rule: Rule, context: Context, *, is_bounded: bool = False) -> None:
        self._door = door
        self._rule = rule
        self._context = context
        self._metadata = cast(Metadata, context.invocation_metadata() or ())
        sent = next((str(value) for key, value in self._metadata if key == "x-request-id"), "")
        is_sound = 0 < len(sent) <= 64 and sent.isascii() and sent.isprintable()
        self._request_id = sent if is_sound else os.urandom(8).hex()
        self._started = time.monotonic()
        self._who = ""
        self._limit = door.overdue.begin(rule.seconds) if is_bounded else None
        self._from: str | None = None
        self._is_counted = False
        self._share = Share(door.request_bytes)
        self._reader: Reader | None = None
        self.sent_bytes = 0

    def reader(self, is_parsed: bool) -> Reader:
        """What reads its requests."""
        self._reader = Reader(
            self._context,
            self._rule,
            self._share,
            self._door.parsers,
            self._door.overdue,
            is_parsed=is_parsed,
            is_bounded=self._limit is not None,
            seen=self._seen,
        )
        return self._reader

    async def _seen(self, request: Any) -> None:
        if not self._rule.is_open:
            await self._door.resolve(request, self._rule)

    async def only(self, reader: Reader) -> Any:
        """The only request of the call."""
        if not self._rule.is_open:
            return await reader.one()
        try:
            async with asyncio.timeout(OPEN_SECONDS), self._door.strangers.one(self._address()):
                return await reader.one()
        except TimeoutError:
            raise self._too_late(OPEN_SECONDS) from None

    async def __aenter__(self) -> Self:
        try:
            if not self._rule.is_open:
                await self._admit()
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self

    async def _admit(self) -> None:
        door, rule = self._door, self._rule
        try:
            self._who = await door.authenticator.admit(self._metadata, self._may_look_up)
        except Unauthenticated as error:
            door.refusals.refused(self._address(), self._context.peer(), rule.method, error.message)
            await door.refusals.hold(self._address())
            raise
        door.activity.begin(rule, self._who)
        self._is_counted = True
        if (full := door.room.full) and not NEEDS_NO_ROOM.match(rule.method):
            raise StoreFull(full)

    def _may_look_up(self) -> bool:
        return self._door.refusals.may_look_up(self._address())

    def _address(self) -> str:
        if self._from is None:
            self._from = self._door.refusals.address(self._context.peer(), self._metadata)
        return self._from

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        del trace  # it has the frames, as `_abort` says
        self._share.give_back()
        if self._is_counted:
            self._door.activity.end(self._rule, self._who)
        if self._limit is not None:
            self._door.overdue.end(self._limit)
            if self._limit.is_cause(error):
                error = self._too_late(self._rule.seconds)
        match error:
            case None:
                self._log(logging.DEBUG, "OK")
            case grpc.aio.AbortError():  # of a method that answers by itself
                self._log(logging.DEBUG, self._context.code().name)
            case grpc.aio.InternalError():  # there is nobody any more to whom gRPC could send
                self._log(logging.INFO, "CANCELLED")
                raise asyncio.CancelledError from None
            case Exception():
                await self._abort(as_service_error(error), error)
            case _:
                self._log(logging.INFO, "CANCELLED")

    async def _abort(self, failure: ServiceError, error: Exception) -> None:
        code = STATUS[failure.reason]
        is_fault = failure.reason in FAULTS
        if failure.reason == "UNAUTHENTICATED":  # `refusals` tells of them
            self._log(logging.DEBUG, code.name)
        else:
            told = {key: failure.metadata[key] for key in TOLD if key in failure.metadata}
            self._log(logging.ERROR if is_fault else logging.INFO, code.name, error if is_fault else None, told)
        # gRPC keeps its own error with its frames, in a circle, and in ours the frames have the bytes of the request.
        error.__traceback__ = error.__context__ = None
        try:
            await self._context.abort(code, failure.message[:MESSAGE_LENGTH], trailer(failure, self._request_id))
        except grpc.aio.InternalError:
            raise asyncio.CancelledError from None

    def _too_late(self, seconds: float) -> DeadlineExceeded:
        message = f"The call took {seconds:g} s, the longest that one may take here."
        return DeadlineExceeded(message, limit="max_call_us", expected=int(seconds * SECOND_US))

    def _log(self, level: int, status: str, error: BaseException | None = None, more: Mapping[str, str] = MORE) -> None:
        if not log.isEnabledFor(level):
            return
        fields = {
            "request_id": self._request_id,
            "method": self._rule.method,
            "status": status,
            "principal": self._who,
            "peer": unquote(self._context.peer()),
            "milliseconds": round((time.monotonic() - self._started) * 1000, 1),
            "bytes_in": self._reader.size_bytes if self._reader is not None else 0,
            "bytes_out": self.sent_bytes,
            **more,
        }
        log.log(level, "call", extra={"fields": fields}, exc_info=error)
