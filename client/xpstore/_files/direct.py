"""Bytes past the server: extents of objects from its S3 server, or from files where it runs on this machine.

ReadChunks is the way that always works. A download by URLs tries the other one where much is to come, begins with
ReadChunks where that takes a while, and goes over once a chunk came so; what fails there is fetched by ReadChunks, and
after two failures all is for ten minutes.
"""

import http.client
import os
import stat
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from blake3 import blake3

from xpstore._files.hosts import Hosts
from xpstore._files.streamed import EXTENT_BYTES, Reader, Streamed
from xpstore._files.ways import Broken, Way
from xpstore._machine.workers import Workers
from xpstore._service.connection import Connection
from xpstore.errors import Conflict, Error
from xpstore.v1 import transfer_pb2 as pb

# Of the time that a URL is good, how much it may wait to be asked: the request is under way for a while.
WAITING_SHARE = 0.9


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
        self._reader = Workers(1, "xpstore-read")

    def prove(self, digest: bytes) -> None:
        """Reads one chunk, and so knows whether the way is open."""
        try:
            if (streamed := self._streamed([digest])) is None:
                return
            try:
                if blake3(b"".join(streamed)).digest() != digest:
                    raise Broken("other bytes came than were saved")
            finally:
                streamed.close()
        except Broken as error:
            self.way.failed(error)
        else:
            self.way.worked()

    def stream(self, digests: Sequence[bytes], sizes: Sequence[int]) -> Streamed | None:
        """Begins to read chunks, of which none is twice; None where they do not come so, or not in this order."""
        try:
            return self._streamed(digests, sizes)
        except Broken as error:
            self.way.failed(error)
        return None

    def _streamed(self, digests: Sequence[bytes], sizes: Sequence[int] | None = None) -> Streamed | None:
        """Raises Broken where the server never says where chunks lie."""
        request = pb.LocateChunksRequest(
            version_id=self._version_id, digests=digests, way=self.way.kind, max_extent_bytes=EXTENT_BYTES
        )
        asked_at = time.monotonic()
        try:
            answer = self._connection.call(self._connection.stubs.transfers.LocateChunks, request)
        except Conflict as error:
            raise Broken(str(error)) from None
        except Error:  # whatever it is, ReadChunks meets it too and says it better
            return None
        placed = [chunk for extent in answer.extents for chunk in extent.chunks]
        if [chunk.position for chunk in placed] != list(range(len(digests))):
            return None
        if sizes is not None and [chunk.raw_size_bytes for chunk in placed] != list(sizes):
            return None
        until = asked_at + WAITING_SHARE * (answer.expires_at_us - answer.now_us) / 1e6
        return Streamed(answer.extents, self.open, lambda: time.monotonic() < until, self._reader)

    def open(self, extent: pb.Extent) -> Reader:
        """Begins to read an extent; raises Broken."""
        if self.way.kind == pb.TRANSFER_WAY_PATH:
            return _File(extent)
        return _Answer(self._hosts, extent)

    def close(self) -> None:
        """Closes idle connections."""
        self._reader.shutdown(0)
        self._hosts.close()


class _Answer:
    """An extent as the answer to a GET, which is waited for when it is due."""

    def __init__(self, hosts: Hosts, extent: pb.Extent) -> None:
        self._hosts = hosts
        self._url = urlsplit(extent.url)
        self._extent = extent
        self._left = extent.size_bytes
        self._response: http.client.HTTPResponse | None = None
        headers = {header.name: header.value for header in extent.headers}
        target = f"{self._url.path}?{self._url.query}"
        self._request = hosts.begin(self._url, lambda connection: connection.request("GET", target, headers=headers))

    def fill(self, view: memoryview) -> None:
        response = self._response or self._begin()
        try:
            while view:
                count = response.readinto(view)
                if not count:
                    raise Broken(f"{self._url.hostname} broke off in the middle")
                view, self._left = view[count:], self._left - count
        except (OSError, http.client.HTTPException) as error:
            raise Broken(f"{self._url.hostname} broke off in the middle ({type(error).__name__})") from None

    def _begin(self) -> http.client.HTTPResponse:
        self._request, response = self._hosts.answer(self._request)
        where = f"bytes {self._extent.offset}-{self._extent.offset + self._extent.size_bytes - 1}/"
        said = str(response.headers.get("Content-Range", ""))
        if response.status != 206 or not said.startswith(where) or response.length != self._extent.size_bytes:
            raise Broken(f"{self._url.hostname} answers {response.status}, and not the range that was asked for")
        self._response = response
        return response

    def break_off(self) -> None:
        self._request.break_off()

    def close(self) -> None:
        if self._left:
            self._request.connection.close()
        else:
            self._hosts.give_back(self._url, self._request.connection)


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

    def break_off(self) -> None:
        pass  # files do not keep anybody waiting

    def close(self) -> None:
        self._file.close()
