"""Streams of bytes out: a range of a file, or chunks, read a little ahead of the client."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Row

from xpstore.format.messages import Buffer, encode_chunks, varint
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.errors import InvalidArgument, NotFound
from xpstore_server.core.files import Files, Piece
from xpstore_server.store.batches import batches
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.encoded import READ_BYTES, EncodedChunk, Place, neighbours
from xpstore_server.store.errors import MissingChunks

# Chunks resolved by one query.
RESOLVED = 512
MESSAGE_BYTES = 1 << 20
# A stream reads by this size, so many of them ahead of its client, where memory allows: an S3 server spends
# half the CPU on large ranges. Other streams read small ones, one at a time, without asking.
AHEAD_READ_BYTES = 8 << 20
AHEAD = 2
AHEAD_BYTES = 160 << 20
# Tag of the field `data` of ReadFileResponse, whose bytes pass as they are.
_DATA_TAG = bytes([pb.ReadFileResponse.DATA_FIELD_NUMBER << 3 | 2])
_CHUNKS_FIELD = pb.ReadChunksResponse.CHUNKS_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class Reach:
    """How large the reads of a stream are, and how many it reads ahead of its client."""

    read_bytes: int
    ahead: int


class ReadAhead:
    """The memory of streams that reach far."""

    def __init__(self) -> None:
        self._free = AHEAD_BYTES // (AHEAD_READ_BYTES * (1 + AHEAD))

    @contextmanager
    def reach(self) -> Iterator[Reach]:
        """How far a stream reaches, as long as it lasts."""
        if not self._free:
            yield Reach(READ_BYTES, 0)
            return
        self._free -= 1
        try:
            yield Reach(AHEAD_READ_BYTES, AHEAD)
        finally:
            self._free += 1


@dataclass(frozen=True, slots=True)
class Outlet:
    """What streams of bytes out share."""

    chunks: ChunkStore
    executor: Executor
    ahead: ReadAhead

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *arguments)

    async def messages(self, jobs: AsyncIterator[Callable[[], list[bytes]]], ahead: int) -> AsyncIterator[bytes]:
        """Yields the messages of jobs in order, while the next ones run in threads."""
        loop = asyncio.get_running_loop()
        running: deque[asyncio.Future[list[bytes]]] = deque()
        try:
            async for job in jobs:
                running.append(loop.run_in_executor(self.executor, job))
                if len(running) <= ahead:
                    continue
                for message in await running.popleft():
                    yield message
            while running:
                for message in await running.popleft():
                    yield message
        finally:
            for future in running:
                future.cancel()


async def read_file(
    outlet: Outlet, files: Files, version: Row[Any], request: pb.ReadFileRequest
) -> AsyncIterator[bytes]:
    """Yields the header, then the bytes, as serialized messages."""
    entry = await outlet.run(files.find, version, request.path)
    if not 0 <= request.offset <= entry.size_bytes:
        raise InvalidArgument("offset", request.offset, f"must be 0 to {entry.size_bytes}, the size of the file")
    rest = entry.size_bytes - request.offset
    length = min(request.length, rest) if request.HasField("length") else rest
    if length < 0:
        raise InvalidArgument("length", request.length, "must not be negative")
    header = pb.ReadFileHeader(
        version_id=version.id,
        path=entry.path,
        size_bytes=entry.size_bytes,
        digest=entry.digest,
        offset=request.offset,
        length=length,
    )
    yield pb.ReadFileResponse(header=header).SerializeToString()
    pieces = files.pieces(version, entry.path, request.offset, length)
    with outlet.ahead.reach() as reach:
        jobs = _file_jobs(outlet, version.project_uid, pieces, reach.read_bytes)
        async for message in outlet.messages(jobs, reach.ahead):
            yield message


async def _file_jobs(
    outlet: Outlet, pool: str, pieces: Iterator[Piece], read_bytes: int
) -> AsyncIterator[Callable[[], list[bytes]]]:
    while batch := await outlet.run(lambda: list(islice(pieces, RESOLVED))):
        places = await outlet.run(outlet.chunks.resolve, pool, [piece.digest for piece in batch])
        rest = iter(batch)
        for near in neighbours([places[piece.digest] for piece in batch], read_bytes):
            yield _file_job(outlet.chunks, pool, near, list(islice(rest, len(near))))


def _file_job(
    chunks: ChunkStore, pool: str, near: Sequence[Place], pieces: Sequence[Piece]
) -> Callable[[], list[bytes]]:
    def read() -> list[bytes]:
        raw = [data for _, data in chunks.fetch_verified(pool, near)]
        parts = [memoryview(data)[piece.start : piece.stop] for data, piece in zip(raw, pieces, strict=True)]
        return [b"".join((_DATA_TAG, varint(_size(some)), *some)) for some in _filled(parts, len)]

    return read


async def read_manifest(outlet: Outlet, files: Files, version: Row[Any], prefix: str) -> AsyncIterator[bytes]:
    """Yields the pages of a version as serialized messages: both have their entries in the same field."""
    pages = await outlet.run(files.pages, version, prefix)
    while (page := await outlet.run(next, pages, None)) is not None:
        message = _below(prefix, page) if prefix else bytes(page)
        if message:
            yield message


def _below(prefix: str, page: Buffer) -> bytes:
    entries = pb.ManifestPage.FromString(bytes(page)).entries
    some = [entry for entry in entries if entry.path == prefix or entry.path.startswith(prefix + "/")]
    return pb.ReadManifestResponse(entries=some).SerializeToString()


async def read_chunks(outlet: Outlet, pool: str, digests: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yields chunks as serialized messages, in the order in which they lie."""
    with outlet.ahead.reach() as reach:
        async for message in outlet.messages(_chunk_jobs(outlet, pool, digests, reach.read_bytes), reach.ahead):
            yield message


async def _chunk_jobs(
    outlet: Outlet, pool: str, digests: Sequence[bytes], read_bytes: int
) -> AsyncIterator[Callable[[], list[bytes]]]:
    for batch in batches(digests, 8 * RESOLVED):
        try:
            places = await outlet.run(outlet.chunks.resolve, pool, batch)
        except MissingChunks as error:
            # The caller says that the version needs them; that is not looked up.
            raise NotFound("chunk", error.digests[0].hex()) from None
        in_order = sorted(places.values(), key=lambda place: (place.pack_id, place.offset))
        for near in neighbours(in_order, read_bytes):
            yield _chunk_job(outlet.chunks, pool, near)


def _chunk_job(chunks: ChunkStore, pool: str, near: Sequence[Place]) -> Callable[[], list[bytes]]:
    def read() -> list[bytes]:
        found = chunks.fetch(pool, near)
        return [
            encode_chunks(_CHUNKS_FIELD, [(chunk.digest, chunk.codec, chunk.raw_size, chunk.data) for chunk in some])
            for some in _filled(found, _stored_size)
        ]

    return read


def _stored_size(chunk: EncodedChunk) -> int:
    return len(chunk.data)


def _filled(items: Sequence[Any], size_of: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Puts items together until a message is full."""
    some: list[Any] = []
    size = 0
    for item in items:
        if some and size + size_of(item) > MESSAGE_BYTES:
            yield some
            some, size = [], 0
        some.append(item)
        size += size_of(item)
    if some:
        yield some


def _size(parts: Sequence[Buffer]) -> int:
    return sum(map(len, parts))
