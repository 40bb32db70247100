"""How a call ended, and how that is said over HTTP."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from xpstore_server.core.errors import ServiceError
from xpstore_server.door.answers import MESSAGE_LENGTH, STATUS, trailer

Metadata = Sequence[tuple[str, str | bytes]]
Headers = list[tuple[bytes, bytes]]

DETAILS = "grpc-status-details-bin"
# As Connect maps them.
HTTP_STATUS = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DATA_LOSS: 500,
    grpc.StatusCode.UNAUTHENTICATED: 401,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        code: its status.
        message: of an error.
        trailers: metadata that it ends with; details of an error are in `DETAILS`.
    """

    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""
    trailers: Metadata = ()

    @property
    def is_ok(self) -> bool:
        return self.code is grpc.StatusCode.OK

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]

    @property
    def metadata(self) -> Metadata:
        """The trailers but for the details."""
        return [(name, value) for name, value in self.trailers if name != DETAILS]

    def details(self) -> Sequence[Any]:
        """What there is to an error beside its text, each a `google.protobuf.Any`."""
        raw = next((value for name, value in self.trailers if name == DETAILS), b"")
        return list(status_pb2.Status.FromString(raw if isinstance(raw, bytes) else b"").details)

    def info(self) -> tuple[str, dict[str, str]]:
        """Reason and metadata of an error of ours; nothing of others."""
        info = error_details_pb2.ErrorInfo()
        for detail in self.details():
            if detail.Unpack(info):
                return info.reason, dict(info.metadata)
        return "", {}

    def as_json(self) -> dict[str, Any]:
        """An error as Connect writes it."""
        error: dict[str, Any] = {"code": code_name(self.code)}
        if self.message:
            error["message"] = self.message
        if details := self.details():
            error["details"] = [_detail(detail) for detail in details]
        return error

    def headers(self) -> Headers:
        """What HTTP itself wants to know of an error."""
        headers: Headers = []
        if self.code is grpc.StatusCode.UNAUTHENTICATED:
            headers.append((b"www-authenticate", b"Bearer"))
        retry = error_details_pb2.RetryInfo()
        for detail in self.details():
            if detail.Unpack(retry):
                headers.append((b"retry-after", b"%d" % math.ceil(retry.retry_delay.ToMicroseconds() / 1e6)))
        return headers


OK = Outcome()


def failed(failure: ServiceError, request_id: str) -> Outcome:
    """What a caller is told of an error that the door has not seen."""
    return Outcome(STATUS[failure.reason], failure.message[:MESSAGE_LENGTH], trailer(failure, request_id))


def code_name(code: grpc.StatusCode) -> str:
    """The name of a code in Connect."""
    return "canceled" if code is grpc.StatusCode.CANCELLED else code.name.lower()


def unpadded(data: bytes) -> str:
    """Base64 as metadata and details have it."""
    return base64.b64encode(data).decode().rstrip("=")


def _detail(detail: Any) -> dict[str, Any]:
    name = detail.type_url.rpartition("/")[2]
    found = {"type": name, "value": unpadded(detail.value)}
    if (message := _unpacked(name, detail.value)) is not None:
        found["debug"] = MessageToDict(message)
    return found


def _unpacked(name: str, data: bytes) -> Message | None:
    try:
        kind = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))
    except KeyError:
        return None
    return kind.FromString(data)
