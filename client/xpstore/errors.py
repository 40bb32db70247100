"""What can go wrong, and the one table from the wire to it.

Error:
 ├── NotInitialized      (RuntimeError)     `init()` was not called
 ├── NoProject           (RuntimeError)     no current project
 ├── NotFound            (LookupError)      what is named does not exist
 ├── AlreadyExists       (ValueError)       a name, hash or id is taken
 ├── InvalidArgument     (ValueError)       a value is malformed
 ├── Conflict                               the request contradicts the present state
 ├── Unauthenticated                        no API key, or one the server does not know
 ├── PermissionDenied    (PermissionError)  the key may not do this
 ├── ResourceExhausted                      a limit of the service was met, or the disk of this machine is full
 ├── Unavailable         (ConnectionError)  the server is away; it was tried for the time allowed
 ├── DeadlineExceeded    (TimeoutError)     the call's time is over
 ├── Stale                                  another writer or stream took over; handled inside the client
 ├── ComputationFailed                      whoever computed what was waited for raised an exception
 ├── DataLoss                               bytes do not match their digest
 └── ServerFault                            the server failed; its log has the trace under `request_id`
"""

import re
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from xpstore.format.text import printable, printable_lines
from xpstore.v1.error_pb2 import ErrorReason

DOMAIN = "xpstore"


class Error(Exception):
    """Root of all errors of this package.

    Attributes:
        reason: name of the contract's ErrorReason, such as "NOT_FOUND"; "" for errors of the client alone.
        metadata: what the error is about, such as `field` and `value`.
        request_id: names the call in the server's log; "" when there was none.
    """

    def __init__(
        self, message: str, *, reason: str = "", metadata: dict[str, str] | None = None, request_id: str = ""
    ) -> None:
        super().__init__(printable_lines(message))  # a server may have had a say in it
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.request_id = request_id


class NotInitialized(Error, RuntimeError):
    """`xpstore.init()` was not called."""


class NoProject(Error, RuntimeError):
    """There is no current project: use `with Project(...)` or `set_project`."""


class NotFound(Error, LookupError):
    """What is named does not exist, or was deleted."""


class AlreadyExists(Error, ValueError):
    """A name, hash or id is taken."""


class InvalidArgument(Error, ValueError):
    """A value is malformed; the message names it and says what would do."""


class Conflict(Error):
    """The request contradicts the present state."""


class Unauthenticated(Error):
    """The API key is missing or not known to this server."""


class PermissionDenied(Error, PermissionError):
    """The API key is known and may not do this."""


class ResourceExhausted(Error):
    """A limit of the service was met, or of this machine: its disk is full."""


class Unavailable(Error, ConnectionError):
    """The server cannot be reached, or answers that it is not ready."""


class DeadlineExceeded(Error, TimeoutError):
    """The call's time is over. It may or may not have taken effect; repeating it is safe."""


class Stale(Error):
    """Another stream or writer holds the place this one continued from."""


class ComputationFailed(Error):
    """Somebody else computed what this call waited for, and it raised an exception; the message has its text."""


class DataLoss(Error):
    """Bytes are missing or do not match their digest. The server or this client noticed."""

    def __init__(self, message: str, *, reason: str = "DATA_LOSS", **details: Any) -> None:
        super().__init__(message, reason=reason, **details)


class ServerFault(Error):
    """The server failed; its log has the trace under `request_id`."""


_BY_REASON: dict[int, type[Error]] = {
    ErrorReason.ERROR_REASON_INVALID_ARGUMENT: InvalidArgument,
    ErrorReason.ERROR_REASON_NOT_FOUND: NotFound,
    ErrorReason.ERROR_REASON_ALREADY_EXISTS: AlreadyExists,
    ErrorReason.ERROR_REASON_CONFLICT: Conflict,
    ErrorReason.ERROR_REASON_UNAUTHENTICATED: Unauthenticated,
    ErrorReason.ERROR_REASON_PERMISSION_DENIED: PermissionDenied,
    ErrorReason.ERROR_REASON_RESOURCE_EXHAUSTED: ResourceExhausted,
    ErrorReason.ERROR_REASON_UNAVAILABLE: Unavailable,
    ErrorReason.ERROR_REASON_DEADLINE_EXCEEDED: DeadlineExceeded,
    ErrorReason.ERROR_REASON_DATA_LOSS: DataLoss,
    ErrorReason.ERROR_REASON_INTERNAL: ServerFault,
    ErrorReason.ERROR_REASON_STALE: Stale,
}
_BY_NAME = {ErrorReason.Name(number).removeprefix("ERROR_REASON_"): kind for number, kind in _BY_REASON.items()}

# For answers that did not come from the service itself: gRPC's own, or a proxy's.
_REASON_BY_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    grpc.StatusCode.OUT_OF_RANGE: "INVALID_ARGUMENT",
    grpc.StatusCode.NOT_FOUND: "NOT_FOUND",
    grpc.StatusCode.ALREADY_EXISTS: "ALREADY_EXISTS",
    grpc.StatusCode.FAILED_PRECONDITION: "CONFLICT",
    grpc.StatusCode.ABORTED: "CONFLICT",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
    grpc.StatusCode.UNAVAILABLE: "UNAVAILABLE",
    grpc.StatusCode.CANCELLED: "UNAVAILABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.DATA_LOSS: "DATA_LOSS",
}
# Of an answer that a proxy gave: its metadata has the HTTP status.
HTTP_STATUS = "http_status"
_HTTP = re.compile(r"(?i)http2 header with status: (\d{3})")
# Of what a proxy answers; all else is that it does not reach the server, or that there is none.
_REASON_BY_HTTP = {"401": "UNAUTHENTICATED", "403": "PERMISSION_DENIED", "413": "RESOURCE_EXHAUSTED"}


def from_rpc(error: grpc.RpcError, request_id: str) -> Error:
    """Makes the typed error of a failed call."""
    call = error if isinstance(error, grpc.Call) else None
    if call is None:
        return ServerFault(str(error), request_id=request_id)
    try:
        info = _error_info(call)
    except DecodeError:  # the trailer of something between client and server
        info = None
    message = printable(call.details() or call.code().name)
    if info is None:
        return _of_others(call, message, request_id)
    metadata = dict(info.metadata)
    request_id = metadata.pop("request_id", request_id)
    kind = _BY_NAME.get(info.reason, Error)
    return kind(message, reason=info.reason, metadata=metadata, request_id=request_id)


def _of_others(call: grpc.Call, message: str, request_id: str) -> Error:
    """The error of an answer that is not the service's: gRPC's own, or that of a proxy between."""
    if (found := _HTTP.search(message)) is not None:
        status = found[1]
        reason = _REASON_BY_HTTP.get(status, "UNAVAILABLE")
        message = f"a proxy before it answered with HTTP status {status}."
        if reason == "UNAVAILABLE":
            return Unavailable(message, reason=reason, request_id=request_id)
        if status == "413":
            message += " It takes no bodies of this size: lift its limit, as by `client_max_body_size 0;` in nginx."
        metadata = {HTTP_STATUS: status}
        return _BY_NAME[reason](message, reason=reason, metadata=metadata, request_id=request_id)
    # A stream that ends without a status is none of the service's: a proxy ends it, whose server went away.
    is_cut = any(words in message for words in ("RST_STREAM", "Stream removed"))
    reason = "UNAVAILABLE" if is_cut else _REASON_BY_STATUS.get(call.code(), "INTERNAL")
    return _BY_NAME[reason](message, reason=reason, request_id=request_id)


def _error_info(call: grpc.Call) -> error_details_pb2.ErrorInfo | None:
    for key, value in call.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                return info
    return None
