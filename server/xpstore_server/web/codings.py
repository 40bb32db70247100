"""Messages as they travel: as bytes or JSON, compressed or not; what may take long is done in threads."""

import asyncio
import gzip
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import ServiceDescriptorProto
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from xpstore_server.core.errors import InvalidArgument, ResourceExhausted
from xpstore_server.door.bounds import BYTES_WAIT_SECONDS, RequestBytes
from xpstore_server.door.rules import Rule
from xpstore_server.web.json_reading import read_json

THREADS = 2
# What is larger is read, written or packed in a thread: 10,000 points are 0.2 s of JSON.
INLINE_BYTES = 64 << 10
# Smaller answers are not compressed: it saves no packet.
LEAST_COMPRESSED_BYTES = 1_024
GZIP = 31  # the window of zlib that means gzip
NO_SIDE_EFFECTS = 1


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """A method of a service.

    Attributes:
        request, response: types of its messages.
        is_read: whether it changes nothing, so that GET is allowed.
        max_bytes: most bytes of a request.
        max_entries: most entries of one.
        is_known: whether it is there.
    """

    path: str
    request: type[Message]
    response: type[Message]
    is_request_stream: bool
    is_response_stream: bool
    is_read: bool
    max_bytes: int
    max_entries: int
    is_known: bool = True

    @property
    def is_stream(self) -> bool:
        return self.is_request_stream or self.is_response_stream


def methods_of(services: Iterable[ServiceDescriptor], rules: Mapping[str, Rule]) -> dict[str, Method]:
    """The methods of services by path."""
    found = {}
    for service in services:
        wire = ServiceDescriptorProto()
        service.CopyToProto(wire)
        for method, said in zip(service.methods, wire.method, strict=True):
            path = f"/{service.full_name}/{method.name}"
            found[path] = Method(
                path=path,
                request=GetMessageClass(method.input_type),
                response=GetMessageClass(method.output_type),
                is_request_stream=said.client_streaming,
                is_response_stream=said.server_streaming,
                is_read=said.options.idempotency_level == NO_SIDE_EFFECTS,
                max_bytes=rules[path].max_bytes,
                max_entries=rules[path].max_entries,
            )
    return found


def too_large(size: int, most: int) -> ResourceExhausted:
    """A message has more bytes than it may; `size` may be what was seen of it."""
    message = f"The message has {size} bytes or more, {most} at most: send less at a time."
    return ResourceExhausted(message, limit="max_message_bytes", expected=most)


class Conversion:
    """Makes messages of what came, and what is sent of messages.

    Args:
        request_bytes: bounds what large requests take at once.
    """

    def __init__(self, request_bytes: RequestBytes) -> None:
        self._request_bytes = request_bytes
        self._pool = ThreadPoolExecutor(THREADS, "web")

    async def read(self, method: Method, data: bytes, *, is_json: bool, is_compressed: bool) -> bytes:
        """A serialized message.

        Raises:
            InvalidArgument: it is malformed.
            ResourceExhausted: it is too large.
        """
        if is_compressed:
            data = await self._run(len(data) > INLINE_BYTES // 16, inflate, data, method.max_bytes)
        if not is_json:
            return data
        if len(data) <= INLINE_BYTES:
            return read_json(data, method.request, method.max_entries)
        await self._request_bytes.take(len(data), BYTES_WAIT_SECONDS)
        try:
            return bytes(await self._run(True, read_json, data, method.request, method.max_entries))
        finally:
            self._request_bytes.give_back(len(data))

    async def write(self, method: Method, data: bytes, *, is_json: bool, may_compress: bool) -> tuple[bytes, bool]:
        """What is sent of a serialized message, and whether it is compressed."""
        if is_json:
            data = await self._run(len(data) > INLINE_BYTES, write_json, data, method.response)
        if not may_compress or len(data) < LEAST_COMPRESSED_BYTES:
            return data, False
        return await self._run(len(data) > INLINE_BYTES, deflate, data), True

    async def _run(self, is_long: bool, function: Any, *arguments: Any) -> Any:
        if not is_long:
            return function(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close(self) -> None:
        """Ends its threads."""
        self._pool.shutdown()


def write_json(data: bytes, kind: type[Message]) -> bytes:
    """A serialized message as JSON: names in camel case, integers of 64 bits and bytes as text."""
    return MessageToJson(kind.FromString(data), indent=None, ensure_ascii=False).encode()


def deflate(data: bytes) -> bytes:
    """Compresses by gzip, quickly."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def inflate(data: bytes, most: int) -> bytes:
    """Reads gzip, and no more of it than so many bytes.

    Raises:
        InvalidArgument: it is none, or cut.
        ResourceExhausted: there is more in it.
    """
    parts, size = [], 0
    try:
        while data:
            machine = zlib.decompressobj(GZIP)
            parts.append(machine.decompress(data, most + 1 - size))
            size += len(parts[-1])
            if size > most:
                raise too_large(size, most)
            if not machine.eof:
                raise zlib.error("it is cut")
            data = machine.unused_data
    except zlib.error as error:
        raise InvalidArgument("request", f"{size} bytes", f"must be compressed by gzip: {error}") from None
    return b"".join(parts)
