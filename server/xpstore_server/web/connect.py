"""The Connect protocol: single messages are plain bodies, streams have envelopes (connectrpc.com/docs/protocol)."""

import asyncio
import base64
import binascii
import json
from typing import Any
from urllib.parse import parse_qs

import grpc

from xpstore_server.core.errors import InvalidArgument
from xpstore_server.web.codings import Conversion, Method, too_large
from xpstore_server.web.envelopes import COMPRESSED, Envelopes, envelope
from xpstore_server.web.exchanges import NO_STORE, Exchange, accepts_gzip, is_compressed, milliseconds
from xpstore_server.web.outcomes import Headers, Outcome
from xpstore_server.web.requests import Request, as_headers, metadata_text

END_OF_STREAM = 2
SENT_BYTES = 64 << 10
UNARY = {"application/json": True, "application/proto": False}
STREAM = {"application/connect+json": True, "application/connect+proto": False}
ENCODINGS = {"json": True, "proto": False}


class ConnectUnary(Exchange):
    """One message and one answer."""

    def __init__(self, request: Request, method: Method, conversion: Conversion, *, is_json: bool) -> None:
        seconds = milliseconds(request.header("connect-timeout-ms"))
        super().__init__(request, method, conversion, is_json=is_json, seconds=seconds)
        self._is_read = False
        self._answer = b""

    def _coding(self) -> str:
        return self._request.header("content-encoding")

    async def read(self) -> bytes | None:
        if self._is_read:
            return None
        is_packed = is_compressed(self._coding())
        data = await self._body()
        self._is_read = True
        return await self._conversion.read(
            self._method, data, is_json=self._is_json, is_compressed=is_packed and bool(data)
        )

    async def _body(self) -> bytes:
        parts, size = [], 0
        while data := await self._request.body.next():
            parts.append(data)
            size += len(data)
            if size > self._method.max_bytes:
                raise too_large(size, self._method.max_bytes)
        return b"".join(parts)

    async def write(self, message: bytes) -> None:
        self._answer = message

    async def end(self, outcome: Outcome) -> None:
        request = self._request
        if not outcome.is_ok:
            is_missing = outcome.code is grpc.StatusCode.UNIMPLEMENTED and not self._method.is_known
            await request.fail(outcome, 404 if is_missing else None, as_headers(self.context.initial))
            return
        data, is_packed = await self._conversion.write(
            self._method,
            self._answer,
            is_json=self._is_json,
            may_compress=accepts_gzip(request.header("accept-encoding")),
        )
        type_ = b"application/json" if self._is_json else b"application/proto"
        headers: Headers = [(b"content-type", type_), NO_STORE, (b"vary", b"accept-encoding")]
        if is_packed:
            headers.append((b"content-encoding", b"gzip"))
        headers += [*as_headers(self.context.initial), *as_headers(outcome.metadata, "trailer-")]
        await request.respond(200, headers, data)


class ConnectGet(ConnectUnary):
    """The same by GET: the message is in the query."""

    def __init__(self, request: Request, method: Method, conversion: Conversion) -> None:
        # As the bytes that they are: a message need not be text.
        self._query = parse_qs(request.query, keep_blank_values=True, encoding="latin-1")
        encoding = self._one("encoding")
        if encoding not in ENCODINGS:
            raise InvalidArgument("encoding", encoding, "must be json or proto, in the query")
        super().__init__(request, method, conversion, is_json=ENCODINGS[encoding])
        if "message" not in self._query:
            raise InvalidArgument("message", "", "must be in the query")
        if self._one("connect") not in ("", "v1"):
            raise InvalidArgument("connect", self._one("connect"), "must be v1")

    def _one(self, name: str) -> str:
        return self._query.get(name, [""])[0]

    def _coding(self) -> str:
        return self._one("compression")

    async def _body(self) -> bytes:
        await self._request.body.next()
        data = self._one("message").encode("latin-1")
        if self._one("base64") != "1":
            return data
        try:
            text = data.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
            return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            raise InvalidArgument("message", data.decode("latin-1"), "must be base64 of URLs") from None


class ConnectStream(Exchange):
    """Messages in envelopes, both ways."""

    def __init__(self, request: Request, method: Method, conversion: Conversion, *, is_json: bool) -> None:
        seconds = milliseconds(request.header("connect-timeout-ms"))
        super().__init__(request, method, conversion, is_json=is_json, seconds=seconds)
        self._may_compress = accepts_gzip(request.header("connect-accept-encoding"))
        self._envelopes = Envelopes(request.body, method.max_bytes)
        self._waiting = bytearray()
        self._sending = asyncio.Lock()
        self._soon: asyncio.Task[None] | None = None

    async def read(self) -> bytes | None:
        return await self._enveloped(self._envelopes, self._request.header("connect-content-encoding"))

    async def _start(self) -> None:
        if self._request.is_started:
            return
        type_ = b"application/connect+json" if self._is_json else b"application/connect+proto"
        headers: Headers = [(b"content-type", type_), NO_STORE, *as_headers(self.context.initial)]
        if self._may_compress:
            headers.append((b"connect-content-encoding", b"gzip"))
        await self._request.start(200, headers)

    async def write(self, message: bytes) -> None:
        data, is_packed = await self._conversion.write(
            self._method, message, is_json=self._is_json, may_compress=self._may_compress
        )
        self._waiting += envelope(COMPRESSED if is_packed else 0, data)
        # Sent when the handler waits for something: each of hundreds would take longer than it took to make it.
        if len(self._waiting) >= SENT_BYTES:
            await self._send()
        elif self._soon is None or self._soon.done():
            self._soon = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        async with self._sending:  # what came first goes first, however slow the caller reads
            if self._waiting:
                data, self._waiting = bytes(self._waiting), bytearray()
                await self._start()
                await self._request.send(data)

    async def end(self, outcome: Outcome) -> None:
        outcome = self._said(outcome)
        last: dict[str, Any] = {} if outcome.is_ok else {"error": outcome.as_json()}
        metadata: dict[str, list[str]] = {}
        for name, value in outcome.metadata:
            metadata.setdefault(name, []).append(metadata_text(value))
        if metadata:
            last["metadata"] = metadata
        async with self._sending:
            await self._start()
            end = envelope(END_OF_STREAM, json.dumps(last, ensure_ascii=False).encode())
            await self._request.finish(bytes(self._waiting) + end)
            self._waiting.clear()
