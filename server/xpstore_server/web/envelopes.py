"""Streams of messages in a body: each has a byte of flags and its length before it."""

import asyncio
import base64
import binascii
from typing import Protocol

from xpstore_server.core.errors import InvalidArgument
from xpstore_server.web.codings import too_large

HEAD_BYTES = 5
COMPRESSED = 1
# After so many messages of what has come others go on: thousands of empty ones come at once.
MESSAGES_AT_ONCE = 64


class Source(Protocol):
    """Bytes as they come."""

    async def next(self) -> bytes:
        """The next ones; b"" at the end."""


class Envelopes:
    """Reads messages out of a body.

    Args:
        source: the bytes.
        most: bytes of a message.
    """

    def __init__(self, source: Source, most: int) -> None:
        self._source = source
        self._most = most
        self._buffer = bytearray()
        self._count = 0

    async def next(self) -> tuple[int, bytes] | None:
        """Flags and bytes of the next message; None after the last.

        Raises:
            InvalidArgument: the body ends within a message.
            ResourceExhausted: it is too large, which its head says.
        """
        self._count += 1
        if self._count % MESSAGES_AT_ONCE == 0:
            await asyncio.sleep(0)
        if not await self._fill(HEAD_BYTES):
            return None
        flags, size = self._buffer[0], int.from_bytes(self._buffer[1:HEAD_BYTES], "big")
        if size > self._most:
            raise too_large(size, self._most)
        await self._fill(HEAD_BYTES + size)
        data = bytes(self._buffer[HEAD_BYTES : HEAD_BYTES + size])
        del self._buffer[: HEAD_BYTES + size]
        return flags, data

    async def _fill(self, size: int) -> bool:
        """Whether there is anything: all of it, or nothing at all."""
        while len(self._buffer) < size:
            if not (data := await self._source.next()):
                if self._buffer:
                    raise InvalidArgument("request", f"{len(self._buffer)} bytes", "the body ends within a message")
                return False
            self._buffer += data
        return True


def envelope(flags: int, data: bytes) -> bytes:
    """A message with its head."""
    return bytes([flags]) + len(data).to_bytes(4, "big") + data


class Text:
    """The bytes of a body that comes as base64, in one piece or several, each with padding of its own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._rest = b""

    async def next(self) -> bytes:
        while True:
            data = await self._source.next()
            if not data:
                if self._rest:
                    raise InvalidArgument("request", "", "the body ends within base64")
                return b""
            text = self._rest + data
            whole = len(text) // 4 * 4
            self._rest = text[whole:]
            if made := _decoded(text[:whole]):
                return made


def _decoded(text: bytes) -> bytes:
    parts, start = [], 0
    try:
        while (end := text.find(b"=", start)) >= 0:
            end += 4 - end % 4
            parts.append(base64.b64decode(text[start:end], validate=True))
            start = end
        parts.append(base64.b64decode(text[start:], validate=True))
    except binascii.Error:
        raise InvalidArgument("request", f"{len(text)} bytes", "the body must be base64") from None
    return b"".join(parts)
