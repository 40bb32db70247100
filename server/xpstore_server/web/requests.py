"""A request over HTTP: its head, its body as it comes, and what it is answered."""

import asyncio
import base64
import binascii
import json
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from xpstore_server.web.outcomes import Headers, Metadata, Outcome, unpadded

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

# Of every answer: none is kept by a cache that its sender did not mean, none is taken for another type.
ALWAYS = ((b"x-content-type-options", b"nosniff"),)
JSON = (b"content-type", b"application/json")


class Body:
    """The body of a request, read when somebody wants it.

    When all of it is there it is looked whether the client leaves, and the task that serves it is then cancelled.

    Attributes:
        is_gone: whether the client has left.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = asyncio.current_task()
        self._is_over = False
        self._watch: asyncio.Task[None] | None = None
        self.is_gone = False

    async def next(self) -> bytes:
        """The next bytes; b"" at its end."""
        while not self._is_over:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.is_gone = True
                raise asyncio.CancelledError
            if not message.get("more_body", False):
                self._is_over = True
                self._watch = asyncio.ensure_future(self._look())
            if data := message.get("body", b""):
                return bytes(data)
        return b""

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """Looks no more."""
        if self._watch is not None:
            self._watch.cancel()


class Request:
    """One request and its answer.

    Args:
        more: headers of the answer, whatever it is.

    Attributes:
        verb: GET, POST ...
        scheme: http or https.
        path: as it came, its escapes untouched.
        query: as it came.
        metadata: its headers, as calls of gRPC have them.
        request_id: what its caller calls it, else one that is new.
        is_started: whether the head of the answer is sent.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, more: Headers) -> None:
        self.verb: str = scope["method"]
        self.scheme: str = scope["scheme"]
        self.path: str = scope["raw_path"].decode("ascii", "replace")
        self.query: str = scope["query_string"].decode("ascii", "replace")
        self.metadata = _metadata(scope["headers"])
        self.peer = _peer(scope.get("client"))
        self.body = Body(receive)
        self.request_id = self.header("x-request-id")
        if not re.fullmatch(r"[ -~]{1,64}", self.request_id):
            self.request_id = os.urandom(8).hex()
            self.metadata = (("x-request-id", self.request_id), *self.metadata)
        self.is_started = False
        self._send = send
        self._more = more

    def header(self, name: str) -> str:
        """A header that is given once, or several joined; "" where there is none."""
        return ", ".join(str(value) for key, value in self.metadata if key == name)

    async def start(self, status: int, headers: Headers) -> None:
        """Sends the head of the answer."""
        self.is_started = True
        date = (b"date", formatdate(usegmt=True).encode())
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [date, *ALWAYS, *self._more, *headers]}
        )

    async def send(self, data: bytes | memoryview) -> None:
        """Sends more of its body, when the client takes it."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Sends the end of the answer."""
        self.body.close()  # what comes next is that this is over
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def respond(self, status: int, headers: Headers, data: bytes = b"") -> None:
        """Sends an answer as a whole."""
        length = [] if status in (204, 304) else [(b"content-length", b"%d" % len(data))]
        await self.start(status, [*headers, *length])
        await self.finish(data)

    async def fail(self, outcome: Outcome, status: int | None = None, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
        """Answers with an error, as Connect writes those of single messages."""
        text = json.dumps(outcome.as_json(), ensure_ascii=False).encode()
        headers = [JSON, (b"cache-control", b"no-store"), *outcome.headers(), *as_headers(outcome.metadata, "trailer-")]
        await self.respond(status or outcome.http_status, [*headers, *more], text)


def as_headers(metadata: Metadata, prefix: str = "") -> Headers:
    """Metadata as headers, bytes as base64."""
    return [(f"{prefix}{name}".encode(), metadata_text(value).encode("latin-1")) for name, value in metadata]


def metadata_text(value: str | bytes) -> str:
    """A value of metadata as text of one line."""
    if isinstance(value, bytes):
        return unpadded(value)
    return value if value.isascii() and value.isprintable() else quote(value)


def _metadata(headers: Sequence[tuple[bytes, bytes]]) -> tuple[tuple[str, str | bytes], ...]:
    return tuple((name.decode("latin-1").lower(), _value(name, value)) for name, value in headers)


def _value(name: bytes, value: bytes) -> str | bytes:
    if not name.lower().endswith(b"-bin"):
        return value.decode("latin-1")
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return value


def _peer(client: tuple[str, int] | None) -> str:
    """As gRPC says it."""
    if not client or not client[0]:
        return "unix:"
    host, port = client[0], client[1]
    return f"ipv6:%5B{quote(host)}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"
