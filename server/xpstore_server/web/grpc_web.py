"""gRPC-Web: the messages of gRPC in a body of HTTP/1.1, its trailers as the last of them, as bytes or as base64."""

import base64
from urllib.parse import quote

from xpstore_server.web.codings import Conversion, Method
from xpstore_server.web.envelopes import COMPRESSED, Envelopes, Text, envelope
from xpstore_server.web.exchanges import NO_STORE, Exchange, accepts_gzip, units
from xpstore_server.web.outcomes import DETAILS, Headers, Outcome
from xpstore_server.web.requests import Request, as_headers, metadata_text

TRAILERS = 0x80
# By content type: whether messages are JSON, and whether the body is base64.
TYPES = {
    f"application/grpc-web{text}{codec}": (codec == "+json", bool(text))
    for text in ("", "-text")
    for codec in ("", "+proto", "+json")
}
# What a message of an error may have as it is: all but `%` that is printable.
PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class GrpcWeb(Exchange):
    """A call of gRPC-Web of any kind."""

    def __init__(self, request: Request, method: Method, conversion: Conversion, *, content_type: str) -> None:
        is_json, self._is_text = TYPES[content_type]
        super().__init__(request, method, conversion, is_json=is_json, seconds=units(request.header("grpc-timeout")))
        self._type = content_type.encode()
        self._may_compress = accepts_gzip(request.header("grpc-accept-encoding"))
        self._envelopes = Envelopes(Text(request.body) if self._is_text else request.body, method.max_bytes)

    async def read(self) -> bytes | None:
        return await self._enveloped(self._envelopes, self._request.header("grpc-encoding"))

    async def _start(self) -> None:
        if self._request.is_started:
            return
        headers: Headers = [(b"content-type", self._type), NO_STORE, *as_headers(self.context.initial)]
        if self._may_compress:
            headers.append((b"grpc-encoding", b"gzip"))
        await self._request.start(200, headers)

    def _sent(self, flags: int, data: bytes) -> bytes:
        message = envelope(flags, data)
        return base64.b64encode(message) if self._is_text else message

    async def write(self, message: bytes) -> None:
        data, is_packed = await self._conversion.write(
            self._method, message, is_json=self._is_json, may_compress=self._may_compress
        )
        await self._start()
        await self._request.send(self._sent(COMPRESSED if is_packed else 0, data))

    async def end(self, outcome: Outcome) -> None:
        outcome = self._said(outcome)
        lines = [f"grpc-status: {outcome.code.value[0]}"]
        if outcome.message:
            lines.append(f"grpc-message: {quote(outcome.message, safe=PLAIN)}")
        lines += [f"{name}: {metadata_text(value)}" for name, value in outcome.trailers if name != DETAILS]
        lines += [f"{name}: {metadata_text(value)}" for name, value in outcome.trailers if name == DETAILS]
        await self._start()
        await self._request.finish(self._sent(TRAILERS, "".join(f"{line}\r\n" for line in lines).encode()))
