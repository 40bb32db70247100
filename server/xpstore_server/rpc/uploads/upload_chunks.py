"""UploadChunks: a stream of chunks, each verified, packed and made durable."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from xpstore.format.messages import Malformed, WireChunk, decode_chunk, fields
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits, project
from xpstore_server.core.errors import InvalidArgument, ResourceExhausted
from xpstore_server.rpc.fields import a_digest, a_uuid
from xpstore_server.rpc.uploads.feed import Feed
from xpstore_server.rpc.uploads.intake import Intake
from xpstore_server.rpc.uploads.turns import Turn
from xpstore_server.store.encoded import NONE, ZSTD, BadChunk, EncodedChunk, verify

CHUNKS_FIELD = pb.UploadChunksRequest.CHUNKS_FIELD_NUMBER
PROJECT_FIELD = pb.UploadChunksRequest.PROJECT_UID_FIELD_NUMBER
# Fields of a message beside its chunks that are passed over.
OTHER_FIELDS = 100
# After which others go on that wait for the event loop: chunks, or raw bytes.
CHUNKS_AT_ONCE = 64
BYTES_AT_ONCE = 2 << 20


class ChunksUpload:
    """One stream of UploadChunks, of serialized messages."""

    def __init__(self, intake: Intake, turn: Turn) -> None:
        self._intake = intake
        self._turn = turn

    async def run(self, stream: AsyncIterator[bytes]) -> pb.UploadChunksResponse:
        """Returns when all chunks are durable."""
        await self._turn.take()
        first = await anext(aiter(stream), b"")
        uid = a_uuid("project_uid", _read(first)[0])
        await self._intake.database.read_async(lambda tx: project.get(tx, project_uid=uid))
        self._packer = packer = self._intake.packer(uid)
        self._feed = feed = Feed[bytes](self._turn, packer, packer.seal)
        packer.on_failure = feed.stop
        try:
            await self._take(first)
            del first  # or it stayed until the stream ends
            await feed.each(stream, self._take)
            await packer.finish()
        except InvalidArgument:
            raise
        except BaseException:
            packer.seal()  # what came before a stream broke is not to be sent again
            raise
        finally:
            packer.close()
        return pb.UploadChunksResponse(stored_chunks=packer.stored_chunks, stored_bytes=packer.stored_bytes)

    async def _take(self, message: bytes) -> bool:
        self._feed.came(len(message))
        _, chunks = _read(message)
        # Their data are views, which keep all of a message in memory, whatever else is in it.
        is_copied = 2 * sum(len(wire.data) for wire in chunks) < len(message)
        count = size_bytes = 0
        for wire in chunks:
            chunk = a_chunk(wire, is_copied=is_copied)
            await self._packer.ready()
            self._packer.put(chunk)
            count, size_bytes = count + 1, size_bytes + chunk.raw_size
            if count >= CHUNKS_AT_ONCE or size_bytes >= BYTES_AT_ONCE:
                count = size_bytes = 0
                await asyncio.sleep(0)
        return False


def _read(message: bytes) -> tuple[str, list[WireChunk]]:
    """The project and the chunks of a message; refuses one with too many fields before it looks at any of them."""
    uid, found, others = "", list[int | memoryview](), 0
    with _well_formed():
        for number, value in fields(message):
            if number == CHUNKS_FIELD:
                found.append(value)
            else:
                others += 1
            if number == PROJECT_FIELD:
                uid = str(value) if isinstance(value, int) else str(value, "utf-8", "replace")
            if others > OTHER_FIELDS:
                raise Malformed(f"more than {OTHER_FIELDS} fields beside chunks")
            if len(found) > limits.CHUNKS:
                raise ResourceExhausted(
                    f"A message has more than {limits.CHUNKS} chunks: send less at a time.",
                    limit="max_chunks",
                    expected=limits.CHUNKS,
                )
        return uid, [decode_chunk(value) for value in found]


@contextmanager
def _well_formed() -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise InvalidArgument("chunks", str(error), "must be a serialized UploadChunksRequest") from None


def a_chunk(wire: WireChunk, *, is_copied: bool = False) -> EncodedChunk:
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
    data = bytes(data) if is_copied or isinstance(data, bytearray) else data
    chunk = EncodedChunk(digest, wire.codec, wire.raw_size_bytes, data)
    try:
        verify(chunk, is_new=True)
    except BadChunk as error:
        raise InvalidArgument("chunks.digest", digest.hex(), f"the chunk {error}") from None
    return chunk
