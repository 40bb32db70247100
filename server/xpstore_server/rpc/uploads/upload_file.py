"""UploadFile: a stream of plain bytes becomes chunks, and a version once its end was said."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from blake3 import blake3
from sqlalchemy import Row

from xpstore.format.chunker import Chunker, Encoder
from xpstore.format.tree import PageRef, paginate
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits, upload
from xpstore_server.core.errors import InvalidArgument, Stale
from xpstore_server.core.publish import Draft
from xpstore_server.rpc.limits import CHUNKING
from xpstore_server.rpc.uploads.feed import Feed
from xpstore_server.rpc.uploads.intake import Intake, Live, Published
from xpstore_server.rpc.uploads.packing import FILE_PACK_BYTES
from xpstore_server.rpc.uploads.turns import Turn
from xpstore_server.store.encoded import NONE, EncodedChunk
from xpstore_server.store.errors import BlobDamaged, BlobMissing, MissingChunks

# A pack is sealed when so much is in it and it is so old: each second alone would make one of 64 KiB on a thin line.
GROWN_BYTES = 1 << 20
GROWN_SECONDS = 1.0
# How long those who go on wait for what an earlier stream brought.
SETTLE_SECONDS = 20.0
# After which others go on that wait for the event loop.
BYTES_AT_ONCE = 1 << 20


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

    def __init__(self, intake: Intake, turn: Turn, header: FileHeader) -> None:
        self._intake = intake
        self._turn = turn
        self._header = header
        self._key = (turn.principal, header.upload_id)
        self._blake3 = blake3()
        self._sha256 = sha256() if header.sha256 else None
        self._tail = bytearray()
        self._chunker = Chunker(CHUNKING)
        self._encoder = Encoder()
        self._packer = intake.packer(header.project_uid, self._advance, FILE_PACK_BYTES)
        self._feed = Feed[pb.UploadFileRequest](turn, self._packer, self._seal_at_once, self._seal_grown)
        self._packer.on_failure = self._feed.stop
        self._live = Live(header.hash, self._feed.stop)
        # Where the next bytes of the stream are in the file, how many are taken, and how many are durable.
        self._position = header.offset
        self._received = self._durable = 0
        self._is_hashed = True

    async def run(self, stream: AsyncIterator[pb.UploadFileRequest], *, is_whole: bool) -> Published:
        """Returns the id of the version and whether this upload made it.

        Args:
            stream: what comes after the header.
            is_whole: whether the header said that the file ends there.
        """
        if (made := await self._open()) is not None:
            return made
        try:
            is_whole = is_whole or await self._feed.each(stream, self._take)
        except BaseException as error:
            with contextlib.suppress(Exception):
                await self._end(self._settle())
            if isinstance(error, Stale) and "expected" not in error.metadata:
                raise Stale(error.message, self._durable) from None
            raise
        if is_whole:
            self._live.publishing = asyncio.ensure_future(self._conclude())
            published: Published = await self._end(self._live.publishing)
            return published
        await self._end(self._settle())
        fix = "the stream ended before it said that the file does: send the rest, and finish"
        raise InvalidArgument("finish", "false", fix, expected=self._durable)

    async def _open(self) -> Published | None:
        """Takes the upload over from its earlier streams; returns its version if it has one."""
        live, header = self._intake.live, self._header
        while (earlier := live.get(self._key)) is not None and earlier.header_hash == header.hash:
            if earlier.publishing is not None:
                self._turn.give_back()
                return await asyncio.shield(earlier.publishing)
            earlier.stop(Stale("Another stream of this upload took over."))
            await earlier.wait(SETTLE_SECONDS)
            if not earlier.ended.is_set():
                break
        live[self._key] = self._live
        try:
            opened = await self._intake.database.write_async(
                lambda tx: upload.open_stream(
                    tx,
                    self._turn.principal,
                    upload_id=header.upload_id,
                    project_uid=header.project_uid,
                    header_hash=header.hash,
                    offset=header.offset,
                )
            )
        except BaseException:
            self._forget()
            raise
        if isinstance(opened, str):
            self._forget()
            return opened, opened == header.upload_id
        self._opened = opened
        self._received = self._durable = opened.offset
        self._is_hashed = opened.offset == 0
        return None

    def _forget(self) -> None:
        self._live.ended.set()
        if self._intake.live.get(self._key) is self._live:
            del self._intake.live[self._key]

    async def _end(self, work: Awaitable[Any]) -> Any:
        """Has the last of this stream done by a task of its own: it goes on when the caller is gone."""
        self._live.is_ending = True
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._packer.close()
        self._forget()
        if not task.cancelled():
            task.exception()  # seen here: the caller may be gone

    async def _take(self, request: pb.UploadFileRequest) -> bool:
        part = request.WhichOneof("part")
        if part == "header":
            raise InvalidArgument("part", part, "must be data after the first message")
        view = memoryview(request.data)
        self._feed.came(len(view))
        for start in range(0, len(view), BYTES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            self._add(view[start : start + BYTES_AT_ONCE])
            if len(self._tail) > limits.CHUNK_BYTES:
                await self._cut(is_end=False)
        return request.finish

    def _add(self, data: memoryview) -> None:
        end = self._position + len(data)
        if self._header.size_bytes is not None and end > self._header.size_bytes:
            raise InvalidArgument("size_bytes", self._header.size_bytes, "the stream has more bytes")
        fresh = data[max(self._received - self._position, 0) :]  # what is durable already is skipped
        self._position = end
        self._received += len(fresh)
        self._tail += fresh
        if self._is_hashed:
            self._hash(fresh)

    def _hash(self, data: memoryview) -> None:
        self._blake3.update(data)
        if self._sha256 is not None:
            self._sha256.update(data)

    async def _cut(self, *, is_end: bool) -> None:
        for size in self._sizes(is_end=is_end):
            await self._packer.ready()
            self._move(size)

    def _sizes(self, *, is_end: bool) -> list[int]:
        return [len(piece) for piece in self._chunker.cut(memoryview(self._tail), is_end=is_end)]

    def _move(self, size: int) -> None:
        """Takes a chunk out of the tail and into the pack, in one step: who is cancelled loses or doubles nothing."""
        piece = bytes(memoryview(self._tail)[:size])
        codec, encoded = self._encoder.encode(memoryview(piece))
        self._packer.put(EncodedChunk(blake3(piece).digest(), codec, size, encoded))
        del self._tail[:size]

    def _seal_at_once(self) -> None:
        """Has all be written that came, as far as there is memory for it."""
        for size in self._sizes(is_end=True):
            if not self._packer.is_ready_at_once():
                return
            self._move(size)
        self._packer.seal()

    def _seal_grown(self) -> None:
        if self._packer.size_bytes >= GROWN_BYTES and self._packer.age_seconds >= GROWN_SECONDS:
            self._packer.seal()

    async def _advance(self, contents: list[tuple[bytes, int]]) -> None:
        offset, opened = self._durable, self._opened
        await self._intake.database.write_async(lambda tx: upload.advance(tx, opened, offset, contents))
        self._durable += sum(size for _, size in contents)

    async def _settle(self) -> None:
        """Returns when all that came is durable."""
        await self._cut(is_end=True)
        await self._packer.finish()

    async def _conclude(self) -> Published:
        """Publishes the file, or refuses it."""
        await self._settle()
        self._turn.give_back()
        if self._position < self._received:
            fix = f"the file cannot end at {self._position}: {self._received} bytes are durable. Or make a fresh id"
            raise InvalidArgument("finish", "true", fix, expected=self._received)
        size_bytes = self._header.size_bytes
        if size_bytes is not None and self._received != size_bytes:
            raise InvalidArgument("size_bytes", size_bytes, f"the stream had {self._received} bytes")
        if not self._is_hashed:
            await self._hash_durable()
        await self._check_digests()
        try:
            row, created = await self._work(self._commit)
        except MissingChunks:
            await self._start_over()
            raise
        return row.id, created

    async def _hash_durable(self) -> None:
        """Feeds the whole file to the digests: what earlier streams brought cannot be kept across processes."""
        opened = self._opened
        for _, contents in await self._intake.database.read_async(lambda tx: upload.parts(tx, opened)):
            try:
                # A part at a time: others write their packs in between.
                await self._work(self._hash_part, [digest for digest, _ in contents])
            except (MissingChunks, BlobMissing, BlobDamaged):
                await self._start_over()
                raise Stale("Earlier bytes of this upload were swept. Start again from 0.", 0) from None

    def _hash_part(self, digests: list[bytes]) -> None:
        for raw in self._intake.chunks.read(self._header.project_uid, digests):
            self._hash(memoryview(raw))

    async def _check_digests(self) -> None:
        checks = [("blake3", self._header.blake3, self._blake3.digest())]
        if self._sha256 is not None:
            checks.append(("sha256", self._header.sha256, self._sha256.digest()))
        for field, expected, actual in checks:
            if expected and expected != actual:
                # What is durable is not the file that was announced: nothing of it can be used again.
                await self._start_over()
                raise InvalidArgument(field, expected.hex(), f"the bytes have {actual.hex()}; send them again from 0")

    async def _start_over(self) -> None:
        await self._intake.database.write_async(lambda tx: upload.restart(tx, self._opened, self._durable))

    def _commit(self) -> tuple[Row[Any], bool]:
        header, intake = self._header, self._intake
        parts = intake.database.read(lambda tx: upload.parts(tx, self._opened))
        entries = upload.entries(header.path, self._received, self._blake3.digest(), parts)
        return intake.publisher.commit(
            self._turn.principal,
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

    async def _work(self, function: Any, *arguments: Any) -> Any:
        call = copy_context().run  # whose call it is goes with it
        return await asyncio.get_running_loop().run_in_executor(self._intake.executor, call, function, *arguments)
