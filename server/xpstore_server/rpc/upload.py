"""The streams that bring bytes in: UploadChunks and UploadFile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from blake3 import blake3
from sqlalchemy import Row

from xpstore.format.chunker import Chunker, Encoder
from xpstore.format.messages import Malformed, WireChunk, decode_chunks, fields
from xpstore.format.tree import PageRef, paginate
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits, project, upload
from xpstore_server.core.errors import InvalidArgument, Stale
from xpstore_server.core.manifest import ManifestCodec
from xpstore_server.core.publish import Draft, Publisher
from xpstore_server.rpc.fields import a_digest, a_uuid
from xpstore_server.rpc.limits import CHUNKING
from xpstore_server.rpc.packing import Budget, Packer
from xpstore_server.store.chunks import NONE, ZSTD, BadChunk, ChunkStore, EncodedChunk, verify
from xpstore_server.store.database import Database
from xpstore_server.store.errors import BlobDamaged, BlobMissing, MissingChunks
from xpstore_server.store.transaction import Transaction

_CHUNKS_FIELD = pb.UploadChunksRequest.CHUNKS_FIELD_NUMBER


@dataclass(frozen=True, slots=True)
class Intake:
    """What streams of bytes share."""

    database: Database
    chunks: ChunkStore
    publisher: Publisher
    codec: ManifestCodec
    budget: Budget
    executor: Executor

    def packer(self, pool: str, on_durable: Any = None) -> Packer:
        return Packer(pool, self.chunks, self.budget, self.executor, on_durable)


async def upload_chunks(intake: Intake, stream: AsyncIterator[bytes]) -> pb.UploadChunksResponse:
    """Stores the chunks of a stream of serialized messages; returns when all are durable."""
    first = await anext(aiter(stream), b"")
    uid = a_uuid("project_uid", _project_uid(first))
    await intake.database.read_async(lambda tx: project.get(tx, project_uid=uid))
    packer = intake.packer(uid)
    try:
        await _take(packer, first)
        async for message in packer.messages(stream):
            await _take(packer, message)
        await packer.finish()
    finally:
        packer.abandon()
    return pb.UploadChunksResponse(stored_chunks=packer.stored_chunks, stored_bytes=packer.stored_bytes)


def _project_uid(message: bytes) -> str:
    with _well_formed():
        found = dict(fields(message)).get(pb.UploadChunksRequest.PROJECT_UID_FIELD_NUMBER, b"")
        return str(found, "utf-8", "replace") if not isinstance(found, int) else str(found)


async def _take(packer: Packer, message: bytes) -> None:
    with _well_formed():
        for wire in decode_chunks(_CHUNKS_FIELD, message):
            await packer.add(a_chunk(wire))


@contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise InvalidArgument("chunks", str(error), "must be a serialized UploadChunksRequest") from None


def a_chunk(wire: WireChunk) -> EncodedChunk:
    """A chunk whose bytes are what it says. Inline: hashing 1 MiB takes 0.2 ms, a hop to a thread as long."""
    digest = a_digest("chunks.digest", wire.digest)
    if not 0 < wire.raw_size_bytes <= limits.CHUNK_BYTES:
        fix = f"must be 1 to {limits.CHUNK_BYTES}"
        raise InvalidArgument("chunks.raw_size_bytes", wire.raw_size_bytes, fix)
    if wire.codec not in (NONE, ZSTD):
        raise InvalidArgument("chunks.codec", wire.codec, "must be CODEC_NONE or CODEC_ZSTD")
    data = wire.data
    if len(data) > wire.raw_size_bytes:
        raise InvalidArgument("chunks.data", len(data), "must not be larger than raw_size_bytes")
    chunk = EncodedChunk(digest, wire.codec, wire.raw_size_bytes, bytes(data) if isinstance(data, bytearray) else data)
    try:
        verify(chunk)
    except BadChunk as error:
        raise InvalidArgument("chunks.digest", digest.hex(), f"the chunk {error}") from None
    return chunk


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What an UploadFile stream says first, checked."""

    upload_id: str
    project_uid: str
    draft: Draft
    path: str
    size_bytes: int | None
    blake3: bytes
    sha256: bytes
    offset: int
    hash: bytes


class FileUpload:
    """One stream of UploadFile."""

    def __init__(self, intake: Intake, principal: str, header: FileHeader) -> None:
        self._intake = intake
        self._principal = principal
        self._header = header
        self._blake3 = blake3()
        self._sha256 = sha256() if header.sha256 else None
        self._durable = header.offset
        self._received = header.offset
        self._tail = bytearray()
        self._chunker = Chunker(CHUNKING)
        self._encoder = Encoder()

    async def run(self, stream: AsyncIterator[pb.UploadFileRequest]) -> tuple[str, bool]:
        """Returns the id of the version and whether this upload made it."""
        database, header = self._intake.database, self._header
        opened = await database.write_async(
            lambda tx: upload.open_stream(
                tx,
                self._principal,
                upload_id=header.upload_id,
                project_uid=header.project_uid,
                header_hash=header.hash,
                offset=header.offset,
            )
        )
        if isinstance(opened, str):
            return opened, opened == header.upload_id
        self._opened = opened
        if header.offset:
            await self._work(self._hash_durable)
        packer = self._intake.packer(header.project_uid, self._advance)
        try:
            async for request in packer.messages(stream):
                await self._take(packer, request)
            await self._cut(packer, is_end=True)
            await packer.finish()
        finally:
            packer.abandon()
        await self._check()
        return await self._publish()

    async def _take(self, packer: Packer, request: pb.UploadFileRequest) -> None:
        if request.WhichOneof("part") != "data":
            raise InvalidArgument("part", request.WhichOneof("part") or "", "must be data after the first message")
        data = request.data
        self._received += len(data)
        if self._header.size_bytes is not None and self._received > self._header.size_bytes:
            raise InvalidArgument("size_bytes", self._header.size_bytes, "the stream has more bytes")
        self._blake3.update(data)
        if self._sha256 is not None:
            self._sha256.update(data)
        self._tail += data
        if len(self._tail) > limits.CHUNK_BYTES:
            await self._cut(packer, is_end=False)

    async def _cut(self, packer: Packer, *, is_end: bool) -> None:
        data, covered = memoryview(bytes(self._tail)), 0
        for piece in self._chunker.cut(data, is_end=is_end):
            codec, encoded = self._encoder.encode(piece)
            await packer.add(EncodedChunk(blake3(piece).digest(), codec, len(piece), encoded))
            covered += len(piece)
        del self._tail[:covered]

    async def _advance(self, contents: list[tuple[bytes, int]]) -> None:
        offset, opened = self._durable, self._opened
        await self._intake.database.write_async(lambda tx: upload.advance(tx, opened, offset, contents))
        self._durable += sum(size for _, size in contents)

    def _hash_durable(self) -> None:
        """Feeds what earlier streams brought to the digests: their state cannot be kept across processes."""
        parts = self._intake.database.read(lambda tx: upload.parts(tx, self._opened))
        for _, contents in parts:
            digests = [digest for digest, _ in contents]
            try:
                for raw in self._intake.chunks.read(self._header.project_uid, digests):
                    self._blake3.update(raw)
                    if self._sha256 is not None:
                        self._sha256.update(raw)
            except (MissingChunks, BlobMissing, BlobDamaged):
                self._start_over()

    def _start_over(self) -> None:
        self._intake.database.write(self._restart)
        raise Stale("Earlier bytes of this upload were swept. Start again from 0.", 0)

    async def _check(self) -> None:
        header = self._header
        if header.size_bytes is not None and self._received != header.size_bytes:
            raise InvalidArgument("size_bytes", header.size_bytes, f"the stream had {self._received} bytes")
        checks = [("blake3", header.blake3, self._blake3.digest())]
        if self._sha256 is not None:
            checks.append(("sha256", header.sha256, self._sha256.digest()))
        for field, expected, actual in checks:
            if expected and expected != actual:
                # What is durable is not the file that was announced: nothing of it can be used again.
                await self._intake.database.write_async(self._restart)
                raise InvalidArgument(field, expected.hex(), f"the bytes have {actual.hex()}; send them again from 0")

    async def _publish(self) -> tuple[str, bool]:
        try:
            row, created = await self._work(self._commit)
        except MissingChunks:
            await self._work(self._start_over)
            raise
        return row.id, created

    def _restart(self, tx: Transaction) -> None:
        upload.restart(tx, self._opened, self._durable)

    def _commit(self) -> tuple[Row[Any], bool]:
        header, intake = self._header, self._intake
        parts = intake.database.read(lambda tx: upload.parts(tx, self._opened))
        entries = upload.entries(header.path, self._received, self._blake3.digest(), parts)
        return intake.publisher.commit(
            self._principal,
            project_uid=header.project_uid,
            version_id=header.upload_id,
            draft=header.draft,
            pages=list(self._store_pages(paginate(entries, intake.codec.encode_page))),
            # In the same transaction: a stream that was taken over publishes nothing.
            on_publish=lambda tx, version_id: upload.finish(tx, self._opened, self._durable, version_id),
        )

    def _store_pages(self, pages: Iterator[tuple[PageRef, bytes]]) -> Iterator[PageRef]:
        for page, data in pages:
            self._intake.chunks.write_pack(self._header.project_uid, [EncodedChunk(page.digest, NONE, len(data), data)])
            yield page

    async def _work(self, function: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._intake.executor, function)
