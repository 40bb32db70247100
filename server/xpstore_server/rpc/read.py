"""ReadFile: a range of a file as a stream, reading a little ahead of the client."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.files import Files, Piece
from xpstore_server.store.chunks import ChunkStore

# Chunks resolved by one query, and chunks being read ahead of the client.
RESOLVED = 64
AHEAD = 4


async def read_file(
    files: Files, chunks: ChunkStore, executor: Executor, version: Row[Any], request: pb.ReadFileRequest
) -> AsyncIterator[pb.ReadFileResponse]:
    """Yields the header, then the bytes."""
    loop = asyncio.get_running_loop()
    entry = await loop.run_in_executor(executor, files.find, version, request.path)
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
    yield pb.ReadFileResponse(header=header)
    pieces = files.pieces(version, entry.path, request.offset, length)
    ahead: deque[asyncio.Future[bytes]] = deque()
    try:
        while batch := await loop.run_in_executor(executor, _resolved, chunks, version.project_uid, pieces):
            for piece, place in batch:
                read = loop.run_in_executor(executor, _read, chunks, version.project_uid, piece, place)
                ahead.append(read)
                if len(ahead) > AHEAD:
                    yield pb.ReadFileResponse(data=await ahead.popleft())
        while ahead:
            yield pb.ReadFileResponse(data=await ahead.popleft())
    finally:
        for read in ahead:
            read.cancel()


def _resolved(chunks: ChunkStore, pool: str, pieces: Iterator[Piece]) -> list[tuple[Piece, Row[Any]]]:
    batch = list(islice(pieces, RESOLVED))
    places = chunks.resolve(pool, [piece.digest for piece in batch])
    return [(piece, places[piece.digest]) for piece in batch]


def _read(chunks: ChunkStore, pool: str, piece: Piece, place: Row[Any]) -> bytes:
    raw = chunks.read_at(pool, piece.digest, place)
    return raw if len(raw) == piece.stop - piece.start else raw[piece.start : piece.stop]
