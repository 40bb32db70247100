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
 ├── Unimplemented   (NotImplementedError)  the server has no such method: older than this client, or none of ours
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
        retry_seconds: after which the server asks to repeat the call; None where that would not help.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        request_id: str = "",
        retry_seconds: float | None = None,
    ) -> None:
        super().__init__(printable_lines(message))  # a server may have had a say in it
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.request_id = request_id
        self.retry_seconds = retry_seconds


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


class Unimplemented(Error, NotImplementedError):
    """The server has no such method: it is older than this client, or something else answers at its address.

    Or it speaks another version of the contract.
    """


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
    ErrorReason.ERROR_REASON_UNIMPLEMENTED: Unimplemented,
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
    grpc.StatusCode.UNIMPLEMENTED: "UNIMPLEMENTED",
}
# Of an answer that a proxy gave: its metadata has the HTTP status.
HTTP_STATUS = "http_status"
_HTTP = re.compile(r"(?i)http2 header with status: (\d{3})")
# Of what a proxy answers; all else is that it does not reach the server, or that there is none.
_REASON_BY_HTTP = {"401": "UNAUTHENTICATED", "403": "PERMISSION_DENIED", "413": "RESOURCE_EXHAUSTED"}
_NOT_OURS = "No xpstore answers there: is it passed on as gRPC (`grpc_pass` in nginx), with its path?"
_TIME_LIMIT = "It, or its time limit, ended the call (`grpc_read_timeout`, `grpc_send_timeout` in nginx)."
_CURES = {
    "404": _NOT_OURS,
    "413": "It takes no bodies of this size: lift its limit, as by `client_max_body_size 0;` in nginx.",
    "502": "It does not reach the server: does that run, and does the proxy speak gRPC to it?",
    "503": "It does not reach the server: does that run, and does the proxy speak gRPC to it?",
    "504": f"The server did not answer it in time. {_TIME_LIMIT}",
}


def from_rpc(error: grpc.RpcError, request_id: str) -> Error:
    """Makes the typed error of a failed call."""
    call = error if isinstance(error, grpc.Call) else None
    if call is None:
        return ServerFault(str(error), request_id=request_id)
    try:
        info, retry_seconds = _details(call)
    except DecodeError:  # the trailer of something between client and server
        info = None
    message = printable(call.details() or call.code().name)
    if info is None:
        return _of_others(call, message, request_id)
    metadata = dict(info.metadata)
    request_id = metadata.pop("request_id", request_id)
    kind = _BY_NAME.get(info.reason, Error)
    return kind(message, reason=info.reason, metadata=metadata, request_id=request_id, retry_seconds=retry_seconds)


def _of_others(call: grpc.Call, message: str, request_id: str) -> Error:
    """The error of an answer that is not the service's: gRPC's own, or that of a proxy between."""
    if (found := _HTTP.search(message)) is not None:
        status = found[1]
        reason = _REASON_BY_HTTP.get(status, "UNAVAILABLE")
        message = f"a proxy before it answered with HTTP status {status}. {_CURES.get(status, '')}".rstrip()
        if reason == "UNAVAILABLE":
            return Unavailable(message, reason=reason, request_id=request_id)
        metadata = {HTTP_STATUS: status}
        return _BY_NAME[reason](message, reason=reason, metadata=metadata, request_id=request_id)
    code = call.code()
    # A stream that ends without a status is none of the service's: a proxy ends it, whose server went away.
    if any(words in message for words in ("RST_STREAM", "Stream removed")):
        return Unavailable(
            f"a proxy or the network ended the call: {message}", reason="UNAVAILABLE", request_id=request_id
        )
    if code == grpc.StatusCode.UNIMPLEMENTED:
        message = f"{message}. {_NOT_OURS}"
    elif code == grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in message:
        message = (
            f"The answer is larger than this client takes. Ask for less at a time, or for smaller pages. ({message})"
        )
    reason = _REASON_BY_STATUS.get(code, "INTERNAL")
    return _BY_NAME[reason](message, reason=reason, request_id=request_id)


def _details(call: grpc.Call) -> tuple[error_details_pb2.ErrorInfo | None, float | None]:
    """What the service said of an error, if it was the service, and after how long the call may be repeated."""
    found, retry_seconds = None, None
    for key, value in call.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
        for detail in status.details:
            info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                found = info
            elif detail.Unpack(retry):
                retry_seconds = max(retry.retry_delay.ToMicroseconds() / 1_000_000, 0.0)
    return found, retry_seconds
