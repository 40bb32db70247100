"""Bytes past the server: extents of objects from its S3 server, or from files where it runs on this machine.

ReadChunks is the way that always works. A download by URLs begins with it, and goes over once an extent came by them;
what fails there is fetched by ReadChunks, and after two failures that is left at it for ten minutes.
"""

import http.client
import os
import stat
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from blake3 import blake3

from xpstore._files.decoding import decoded
from xpstore._files.hosts import Hosts
from xpstore._files.ways import Broken, Way
from xpstore._service.connection import Connection
from xpstore.errors import Conflict, DataLoss, Error
from xpstore.v1 import transfer_pb2 as pb

# Bytes of one request, and how many are asked for before the first is read: meanwhile the kernel receives them.
EXTENT_BYTES = 16 << 20
ASKED = 4
# Read at once. More would have left the processor's cache before it is hashed and written: 8 MiB took twice the CPU.
BLOCK_BYTES = 1 << 20


class Reader(Protocol):
    """The bytes of an extent, in order."""

    def fill(self, view: memoryview) -> None:
        """Reads until a buffer is full; raises Broken."""

    def close(self) -> None:
        """Ends it, read to its end or not."""


class DirectReads:
    """Reads of one version past its server.

    Args:
        connection: to the server.
        version_id: whose chunks they are.
        way: that is taken.
    """

    def __init__(self, connection: Connection, version_id: str, way: Way) -> None:
        self.way = way
        self._connection = connection
        self._version_id = version_id
        self._hosts = Hosts(connection)

    def locate(self, digests: Sequence[bytes]) -> Sequence[pb.Extent]:
        """Where chunks lie; empty where the server cannot say it now, and raises Broken where it never does."""
        request = pb.LocateChunksRequest(
            version_id=self._version_id, digests=digests, way=self.way.kind, max_extent_bytes=EXTENT_BYTES
        )
        try:
            return self._connection.call(self._connection.stubs.transfers.LocateChunks, request).extents
        except Conflict as error:
            raise Broken(str(error)) from None
        except Error:  # whatever it is, ReadChunks meets it too and says it better
            return ()

    def prove(self, digest: bytes) -> None:
        """Reads one chunk, and so knows whether the way is open."""
        try:
            if not (extents := self.locate([digest])):
                return
            streamed = Streamed(self, extents, [digest])
            try:
                if blake3(streamed[digest]).digest() != digest:
                    raise Broken("other bytes came than were saved")
            finally:
                streamed.close()
        except Broken as error:
            self.way.failed(error)
        else:
            self.way.worked()

    def stream(self, digests: Sequence[bytes]) -> "Streamed | None":
        """Begins to read chunks, of which none is twice; None where they do not come so, or not in this order."""
        try:
            extents = self.locate(digests)
            if [chunk.position for extent in extents for chunk in extent.chunks] == list(range(len(digests))):
                return Streamed(self, extents, digests)
        except Broken as error:
            self.way.failed(error)
        return None

    def open(self, extent: pb.Extent) -> Reader:
        """Begins to read an extent; raises Broken."""
        if self.way.kind == pb.TRANSFER_WAY_PATH:
            return _File(extent)
        return _Answer(self._hosts, extent)

    def close(self) -> None:
        """Closes idle connections."""
        self._hosts.close()


class _Chunk(NamedTuple):
    digest: bytes
    codec: int
    data: memoryview
    raw_size_bytes: int


class Streamed:
    """Chunks as they come, each to be taken once and in order. Not verified: whoever takes them compares digests.

    Args:
        reads: where from.
        extents: where they lie.
        digests: of the chunks, as the extents have them.
    """

    def __init__(self, reads: DirectReads, extents: Sequence[pb.Extent], digests: Sequence[bytes]) -> None:
        self._reads = reads
        self._digests = digests
        self._waiting = deque(extents)
        self._asked: deque[tuple[pb.Extent, Reader]] = deque()
        self._buffer = memoryview(bytearray(BLOCK_BYTES))
        # Of the extent that is read: the chunks that are to come, and how far it is read.
        self._left: deque[pb.PlacedChunk] = deque()
        self._offset = 0
        self._here: deque[_Chunk] = deque()
        try:
            self._ask()
        except BaseException:
            self.close()
            raise

    def __getitem__(self, digest: bytes) -> bytes | memoryview:
        """The bytes of the next chunk, good until the next one is taken; raises Broken."""
        if not self._here:
            self._read()
        chunk = self._here.popleft()
        if chunk.digest != digest:
            raise Broken("another chunk came than was asked for")
        try:
            return decoded(chunk.digest, chunk.codec, chunk.data, chunk.raw_size_bytes)
        except DataLoss as error:
            raise Broken(str(error)) from None

    def close(self) -> None:
        """Lets go of what is not read."""
        while self._asked:
            self._asked.popleft()[1].close()

    def _ask(self) -> None:
        while self._waiting and len(self._asked) < ASKED:
            extent = self._waiting.popleft()
            self._asked.append((extent, self._reads.open(extent)))

    def _read(self) -> None:
        """Reads as many chunks as fit into the buffer."""
        if not self._left:
            if self._offset:
                self._asked.popleft()[1].close()
            self._ask()
            if not self._asked:
                raise Broken("fewer chunks came than were asked for")
            self._left, self._offset = deque(self._asked[0][0].chunks), 0
        _, reader = self._asked[0]
        start, end, some = self._offset, self._offset, list[pb.PlacedChunk]()
        while self._left:
            chunk = self._left[0]
            stop = chunk.offset + chunk.stored_size_bytes
            if chunk.offset < end or (some and stop - start > len(self._buffer)):
                break
            some.append(self._left.popleft())
            end = stop
        if not some or end - start > EXTENT_BYTES:
            raise Broken("the server says of chunks that they lie where they cannot")
        if end - start > len(self._buffer):
            self._buffer = memoryview(bytearray(end - start))
        reader.fill(self._buffer[: end - start])
        self._offset = end
        for chunk in some:
            first = chunk.offset - start
            data = self._buffer[first : first + chunk.stored_size_bytes]
            self._here.append(_Chunk(self._digests[chunk.position], chunk.codec, data, chunk.raw_size_bytes))


class _Answer:
    """An extent as the answer to a GET."""

    def __init__(self, hosts: Hosts, extent: pb.Extent) -> None:
        self._hosts = hosts
        self._url = urlsplit(extent.url)
        self._left = extent.size_bytes
        headers = {header.name: header.value for header in extent.headers}
        target = f"{self._url.path}?{self._url.query}"
        self._connection, self._response = hosts.ask(
            self._url, lambda connection: connection.request("GET", target, headers=headers)
        )
        where = f"bytes {extent.offset}-{extent.offset + extent.size_bytes - 1}/"
        said = str(self._response.headers.get("Content-Range", ""))
        if self._response.status != 206 or not said.startswith(where) or self._response.length != extent.size_bytes:
            self._connection.close()
            raise Broken(f"{self._url.hostname} answers {self._response.status}, and not the range that was asked for")

    def fill(self, view: memoryview) -> None:
        try:
            while view:
                count = self._response.readinto(view)
                if not count:
                    raise Broken(f"{self._url.hostname} broke off in the middle")
                view, self._left = view[count:], self._left - count
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"{self._url.hostname} broke off in the middle ({type(error).__name__})") from None

    def close(self) -> None:
        if self._left:
            self._connection.close()
        else:
            self._hosts.give_back(self._url, self._connection)


class _File:
    """An extent in a file of this machine."""

    def __init__(self, extent: pb.Extent) -> None:
        try:
            # Not to wait where it is a pipe.
            file = os.open(extent.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except (OSError, ValueError) as error:
            raise Broken(f"the server's files cannot be read from here ({type(error).__name__})") from None
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise Broken("the server names something that is no file")
        self._file = open(file, "rb", buffering=0)  # noqa: SIM115  # closed by `close`
        self._file.seek(extent.offset)
        if hasattr(os, "posix_fadvise"):  # macOS has it not
            # Packs were written around the page cache: without this each block would be waited for.
            os.posix_fadvise(file, extent.offset, extent.size_bytes, os.POSIX_FADV_WILLNEED)

    def fill(self, view: memoryview) -> None:
        try:
            while view:
                count = self._file.readinto(view)
                if not count:
                    raise Broken("a file of the server is shorter than it says")
                view = view[count:]
        except OSError as error:
            raise Broken(f"a file of the server cannot be read ({error.strerror})") from None

    def close(self) -> None:
        self._file.close()
