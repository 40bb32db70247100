"""Chunks past the server as they come: a thread reads a few blocks ahead of whoever hashes and writes them."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from xpstore._files.decoding import decoded
from xpstore._files.ways import Broken
from xpstore._machine.workers import Workers
from xpstore.errors import DataLoss
from xpstore.v1 import artifact_pb2
from xpstore.v1 import transfer_pb2 as pb

# Bytes of one extent, and of one block: a chunk has no more.
EXTENT_BYTES = 16 << 20
# Extents asked for before the first is read: meanwhile the kernel receives them.
ASKED = 4
# Read at once, while the block before is hashed and written: of half as much, handing it over took a tenth more CPU; of
# 8 MiB, the first have left the processor's cache by then.
BLOCK_BYTES = 2 << 20
BLOCKS = 2
# How long what was broken off is waited for.
END_SECONDS = 0.1


class Reader(Protocol):
    """The bytes of an extent, in order."""

    def fill(self, view: memoryview) -> None:
        """Reads until a buffer is full; raises Broken."""

    def break_off(self) -> None:
        """Has a `fill` of another thread end."""

    def close(self) -> None:
        """Ends it, read to its end or not."""


class _Part(NamedTuple):
    """Neighbours that are stored as they are, or one chunk that is encoded; where they lie in their block."""

    start: int
    stop: int
    codec: int
    raw_size_bytes: int


class _Block(NamedTuple):
    """Bytes that are read at once, whole chunks of one extent."""

    reader: Reader
    size_bytes: int
    parts: Sequence[_Part]


class Streamed:
    """The raw bytes of chunks in order. Not verified: whoever takes them compares digests.

    Args:
        extents: where they lie.
        open_: begins to read an extent; raises Broken.
        is_good: whether one may still be begun.
        reader: the thread that reads.
    """

    def __init__(
        self,
        extents: Sequence[pb.Extent],
        open_: Callable[[pb.Extent], Reader],
        is_good: Callable[[], bool],
        reader: Workers,
    ) -> None:
        self._open = open_
        self._is_good = is_good
        self._reader = reader
        self._waiting = deque(extents)
        self._asked: deque[tuple[pb.Extent, Reader]] = deque()
        self._is_closed = False
        self._reading = threading.Lock()
        try:
            self._ask()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[memoryview]:
        """Bytes of whole chunks, good until the next ones are taken; raises Broken.

        It ends early where extents have waited for so long that they must be located anew.
        """
        blocks = self._blocks()
        buffers = (memoryview(bytearray(BLOCK_BYTES)) for _ in range(BLOCKS))
        coming = deque(self._reader.submit(self._read, blocks, buffer) for buffer in buffers)
        while (read := coming.popleft().result()) is not None:
            parts, buffer = read
            for part in parts:
                yield _raw(part, buffer[part.start : part.stop])
            coming.append(self._reader.submit(self._read, blocks, buffer))

    def close(self) -> None:
        """Lets go of what is not read."""
        self._is_closed = True
        for _, reader in tuple(self._asked):
            reader.break_off()
        if self._reading.acquire(timeout=END_SECONDS):
            while self._asked:
                self._asked.popleft()[1].close()
            self._reading.release()

    def _ask(self) -> None:
        while self._waiting and len(self._asked) < ASKED and self._is_good():
            extent = self._waiting.popleft()
            self._asked.append((extent, self._open(extent)))

    def _read(self, blocks: Iterator[_Block], buffer: memoryview) -> tuple[Sequence[_Part], memoryview] | None:
        """Reads the next block, in the reader's thread; None after the last one."""
        with self._reading:
            if self._is_closed or (block := next(blocks, None)) is None:
                return None
            if block.size_bytes > len(buffer):
                buffer = memoryview(bytearray(block.size_bytes))
            block.reader.fill(buffer[: block.size_bytes])
            return block.parts, buffer

    def _blocks(self) -> Iterator[_Block]:
        """What is to be read, which is asked for meanwhile; raises Broken where it cannot be so."""
        while self._asked:
            extent, reader = self._asked[0]
            left, start = deque(extent.chunks), 0
            while left:
                parts, stop = list[_Part](), start
                while left and (not parts or left[0].offset + left[0].stored_size_bytes <= start + BLOCK_BYTES):
                    stop = _add(parts, left.popleft(), start, stop)
                if stop > extent.size_bytes or stop - start > EXTENT_BYTES:
                    raise Broken("the server says of chunks that they lie where they cannot")
                yield _Block(reader, stop - start, parts)
                start = stop
            self._asked.popleft()
            reader.close()
            self._ask()


def _add(parts: list[_Part], chunk: pb.PlacedChunk, start: int, end: int) -> int:
    """Adds a chunk to a block that begins at `start` and ends at `end` so far; returns where it ends then."""
    offset, size = chunk.offset, chunk.stored_size_bytes
    is_plain = chunk.codec == artifact_pb2.CODEC_NONE
    if offset < end or size <= 0 or (is_plain and size != chunk.raw_size_bytes):
        raise Broken("the server says of chunks that they lie where they cannot")
    new = _Part(offset - start, offset - start + size, chunk.codec, chunk.raw_size_bytes)
    if parts and is_plain and (last := parts[-1]).codec == new.codec and last.stop == new.start:
        new = _Part(last.start, new.stop, new.codec, last.raw_size_bytes + new.raw_size_bytes)
        parts.pop()
    parts.append(new)
    return offset + size


def _raw(part: _Part, data: memoryview) -> memoryview:
    if part.codec == artifact_pb2.CODEC_NONE:
        return data
    try:
        raw = memoryview(decoded(b"", part.codec, data, part.raw_size_bytes))
    except DataLoss as error:
        raise Broken(str(error)) from None
    if len(raw) != part.raw_size_bytes:
        raise Broken("a chunk came with another size than it was saved with")
    return raw
