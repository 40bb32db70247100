"""The one interceptor: every call gets a request id, a principal, a log line, and typed errors."""

import logging
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import IntegrityError

from xpstore_server.auth import Authenticator
from xpstore_server.core.errors import Conflict, DataLoss, ResourceExhausted, ServiceError
from xpstore_server.rpc.serialized import codecs
from xpstore_server.store.errors import (
    BlobDamaged,
    BlobMissing,
    MissingChunks,
    StoreFull,
    StoreLimit,
    StoreRefused,
    StoreUnavailable,
)
from xpstore_server.store.room import Room

log = logging.getLogger("xpstore")

Context = grpc.aio.ServicerContext[Any, Any]

DOMAIN = "xpstore"
# Status messages and details travel in trailers, which fail at random beyond 8 kB in all.
MESSAGE_LENGTH = 1_000
OPEN_SERVICES = ("/grpc.health.v1.Health/",)
# What reads, takes away, or keeps alive what is there: all that goes on while the disk is full.
NEEDS_NO_ROOM = re.compile(
    r"/grpc\.|.*/(Get|List|Search|Lookup|Read|Find|Explain|Wait|Delete|Undelete|Clear|Unlink|Rewind|Invalidate|Release"
    r"|Fail|Renew|Heartbeat|Finish)"
)

STATUS = {
    "INVALID_ARGUMENT": grpc.StatusCode.INVALID_ARGUMENT,
    "NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ALREADY_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "CONFLICT": grpc.StatusCode.FAILED_PRECONDITION,
    "UNAUTHENTICATED": grpc.StatusCode.UNAUTHENTICATED,
    "PERMISSION_DENIED": grpc.StatusCode.PERMISSION_DENIED,
    "RESOURCE_EXHAUSTED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "DATA_LOSS": grpc.StatusCode.DATA_LOSS,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "STALE": grpc.StatusCode.ABORTED,
}


class Activity:
    """How many calls are under way and when the last one ended, for draining and for leaving when idle."""

    def __init__(self) -> None:
        self.calls = 0
        self.idle_since = time.monotonic()

    def idle_seconds(self) -> float:
        return 0.0 if self.calls else time.monotonic() - self.idle_since


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps the handlers of all four arities in `_Call`."""

    def __init__(self, authenticator: Authenticator, activity: Activity, room: Room) -> None:
        self.authenticator = authenticator
        self.activity = activity
        self.room = room

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None or details.method.startswith(OPEN_SERVICES):
            return handler
        how = codecs(handler)

        async def answer(request: Any, context: Context) -> Any:
            async with _Call(self, details.method, context):
                return await (handler.stream_unary or handler.unary_unary)(request, context)

        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            async with _Call(self, details.method, context):
                async for response in (handler.stream_stream or handler.unary_stream)(request, context):
                    yield response

        match handler.request_streaming, handler.response_streaming:
            case False, False:
                return grpc.unary_unary_rpc_method_handler(answer, **how)
            case True, False:
                return grpc.stream_unary_rpc_method_handler(answer, **how)
            case False, True:
                return grpc.unary_stream_rpc_method_handler(stream, **how)
            case _:
                return grpc.stream_stream_rpc_method_handler(stream, **how)


class _Call:
    """One call: admitted at its start, answered with a typed error or logged at its end."""

    def __init__(self, interceptor: CallInterceptor, method: str, context: Context) -> None:
        self._interceptor = interceptor
        self._method = method
        self._context = context
        self._metadata = cast(Iterable[tuple[str, str | bytes]], context.invocation_metadata() or ())
        sent = next((str(value) for key, value in self._metadata if key == "x-request-id"), "")
        is_sound = 0 < len(sent) <= 64 and sent.isascii() and sent.isprintable()
        self._request_id = sent if is_sound else os.urandom(8).hex()
        self._started = time.monotonic()
        self._who = ""

    async def __aenter__(self) -> None:
        self._interceptor.activity.calls += 1
        try:
            self._who = await self._interceptor.authenticator.admit(self._metadata)
            if (full := self._interceptor.room.full) and not NEEDS_NO_ROOM.match(self._method):
                raise StoreFull(full)
        except BaseException as error:
            await self.__aexit__(type(error), error, None)
            raise

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        activity = self._interceptor.activity
        activity.calls -= 1
        activity.idle_since = time.monotonic()
        if error is None:
            self._log(logging.DEBUG, "OK")
        elif isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError):
            await self._abort(_as_service_error(error), error)
        else:  # cancellation, and what context.abort raised, pass as they are
            self._log(logging.DEBUG, type(error).__name__)

    async def _abort(self, failure: ServiceError, error: BaseException) -> None:
        code = STATUS[failure.reason]
        is_fault = failure.reason in ("INTERNAL", "DATA_LOSS", "UNAVAILABLE")
        self._log(logging.ERROR if is_fault else logging.INFO, code.name, error if is_fault else None)
        message = failure.message[:MESSAGE_LENGTH]
        info = error_details_pb2.ErrorInfo(
            reason=failure.reason,
            domain=DOMAIN,
            metadata={**failure.metadata, "request_id": self._request_id},
        )
        detail = any_pb2.Any()
        detail.Pack(info)
        status = status_pb2.Status(code=code.value[0], message=message, details=[detail])
        trailer = (
            ("grpc-status-details-bin", status.SerializeToString()),
            ("x-request-id", self._request_id),
        )
        await self._context.abort(code, message, trailer)

    def _log(self, level: int, code: str, error: BaseException | None = None) -> None:
        if not log.isEnabledFor(level):
            return
        fields = {
            "request_id": self._request_id,
            "method": self._method,
            "code": code,
            "principal": self._who,
            "milliseconds": round((time.monotonic() - self._started) * 1000, 1),
        }
        log.log(level, "call", extra={"fields": fields}, exc_info=error)


def _as_service_error(error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, StoreLimit):
        most = {} if error.most is None else {"expected": error.most}
        return ResourceExhausted(str(error), limit=error.limit, **most)
    if isinstance(error, StoreUnavailable):
        failure = ServiceError("The server's database or blob store does not answer. Try again.")
        failure.reason = "UNAVAILABLE"
        return failure
    if isinstance(error, StoreRefused):
        return ServiceError(f"The server's store refuses: {error} Its operator must mend that; waiting does not help.")
    if isinstance(error, StoreFull):
        return ResourceExhausted(f"The server has no room: {error} Delete what is not needed.", limit="disk")
    if isinstance(error, BlobMissing | BlobDamaged | MissingChunks):
        return DataLoss("Stored bytes are missing or damaged. The server's log says which.")
    if isinstance(error, IntegrityError):
        return Conflict("Something this call relies on was changed or deleted at the same moment. Repeat it.")
    return ServiceError("The server failed. Its log has the trace under this request id.")
