"""Calls as bytes, by any path and with any number of messages, and what they are answered."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from support.services import Server

# Clients that send what no client should: nothing of it is stopped on their side.
OPTIONS = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended.

    Attributes:
        code: its status.
        reason: of its ErrorInfo; "" without one.
        metadata: of that.
        retry_seconds: of its RetryInfo.
    """

    code: grpc.StatusCode
    text: str = ""
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    retry_seconds: float | None = None
    messages: Sequence[bytes] = ()


class Caller:
    """A connection of its own, with a key or without."""

    def __init__(self, address: str, key: str | None = None, *, credentials: Any = None) -> None:
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options=OPTIONS)
        else:
            self.channel = grpc.secure_channel(address, credentials, options=OPTIONS)
        self.metadata: tuple[tuple[str, str | bytes], ...] = ()
        if key is not None:
            self.metadata = (("authorization", f"Bearer {key}"),)

    def begin(self, path: str, messages: Iterable[bytes], timeout: float = 60, **how: Any) -> Any:
        """A call under way."""
        method: Any = self.channel.stream_stream(path)
        return method(iter(messages), timeout=timeout, metadata=self.metadata, **how)

    def call(self, path: str, *messages: bytes, timeout: float = 60) -> Answer:
        """How a call with these messages ends."""
        return ended(self.begin(path, messages, timeout))


def ended(call: Any) -> Answer:
    """Waits for the end of a call."""
    try:
        messages = [*call]
    except grpc.RpcError:
        messages = []
    code, text = call.code(), call.details() or ""
    for key, value in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            return _detailed(code, text, status_pb2.Status.FromString(value))
    return Answer(code, text, messages=messages)


def _detailed(code: grpc.StatusCode, text: str, status: Any) -> Answer:
    reason, metadata, retry_seconds = "", {}, None
    for detail in status.details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
            assert info.domain == "xpstore"
        elif detail.Unpack(retry):
            retry_seconds = retry.retry_delay.ToMicroseconds() / 1e6
    return Answer(code, text, reason, metadata, retry_seconds)


@contextmanager
def calling(server: Server, key: str | None = None) -> Iterator[Caller]:
    """A caller of a server."""
    caller = Caller(server.address, key)
    with caller.channel:
        yield caller


def log_of(server: Server) -> list[dict[str, Any]]:
    """The lines of its log. What is no line of JSON is a line with its text alone."""
    lines = server.log.read_text(errors="replace").splitlines()
    return [json.loads(line) if line.startswith("{") else {"text": line} for line in lines]
