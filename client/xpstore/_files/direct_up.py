"""Packs that a client writes past the server: by URLs of its S3 server, or into the folder of an embedded one.

The server takes each as a whole into its index, after it has read back what came by a URL. What fails here is sent
through the server, and after two failures all is for ten minutes.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

from google.protobuf.message import Message

from xpstore._files.hosts import Hosts, break_off
from xpstore._files.ways import Broken, Way
from xpstore._service.breaking import OpenCalls
from xpstore._service.connection import Connection
from xpstore._values.ids import new_id
from xpstore.errors import DeadlineExceeded, Error, ResourceExhausted, Unavailable
from xpstore.format.messages import WireChunk
from xpstore.format.pack_files import PackBuffer, PackWriter
from xpstore.format.packs import PACK_BYTES, encode_footer, packed
from xpstore.v1 import transfer_pb2 as pb

# Less is sent as fast.
FROM_BYTES = 1 << 20
# Of a pack that is a file: of 16 MiB, the server took 0.2 s of CPU more for a GiB, to open and close twice as many.
PATH_PACK_BYTES = 32 << 20
# Read of an answer to a PUT, which is empty or tells of an error.
MOST_SAID = 64 << 10
# What an S3 server says that was written to before: by a PUT of ours whose answer was lost.
WRITTEN_BEFORE = 412


class DirectWrites:
    """Writes of one project past its server.

    Args:
        connection: to the server.
        project_uid: whose chunks they are.
        way: that is taken.
        calls: that can be broken off from another thread.

    Attributes:
        pack_bytes: how large packs are.
    """

    def __init__(self, connection: Connection, project_uid: str, way: Way, calls: OpenCalls) -> None:
        self._connection = connection
        self._project_uid = project_uid
        self._way = way
        self._calls = calls
        self._writer = PackWriter()
        self._free: list[PackBuffer] = []
        self._hosts = Hosts(connection)
        self.pack_bytes = PATH_PACK_BYTES if way.kind == pb.TRANSFER_WAY_PATH else PACK_BYTES

    def next_buffer(self) -> PackBuffer | None:
        """Memory for the chunks of the next pack; None where none may be stored now."""
        if not self._way.is_open:
            return None
        try:
            return self._free.pop()
        except IndexError:
            return PackBuffer(self.pack_bytes)

    def give_back(self, buffer: PackBuffer) -> None:
        """Has the next pack take the place of one that is stored, or sent."""
        buffer.clear()
        self._free.append(buffer)

    def store(self, chunks: Sequence[WireChunk], pack: PackBuffer) -> bool:
        """Stores chunks that lie in a buffer as one pack; False if they must be sent."""
        if not self._way.is_open or pack.size_bytes < FROM_BYTES:
            return False
        if self._way.is_proven:
            return self._try(chunks, pack)
        # As long as nobody knows where it leads, one goes: the others do not wait for it.
        if not self._way.trial.acquire(blocking=False):
            return False
        try:
            return self._try(chunks, pack)
        finally:
            self._way.trial.release()

    def close(self) -> None:
        """Closes idle connections."""
        self._hosts.close()

    def _try(self, chunks: Sequence[WireChunk], pack: PackBuffer) -> bool:
        try:
            if self._store(chunks, pack):
                self._way.worked()
                return True
        except (Broken, OSError, ValueError) as error:
            if not self._calls.is_broken_off:
                self._way.failed(error)
        except (ResourceExhausted, Unavailable, DeadlineExceeded):
            pass  # others of this key are at it, or the server is away: the way is as good as before
        except Error as error:  # whatever it is, UploadChunks meets it too and says it better
            self._way.failed(Broken(f"the server does not take packs ({type(error).__name__})"))
        return False

    def _store(self, chunks: Sequence[WireChunk], pack: PackBuffer) -> bool:
        if len(chunks) > self._connection.limits.max_digests:  # of files of a few hundred bytes
            return False
        pack.add(encode_footer(self._project_uid, list(packed(chunks))))
        pack_id = new_id()
        opening = pb.OpenPacksRequest(project_uid=self._project_uid, way=self._way.kind)
        new = opening.packs.add(pack_id=pack_id, size_bytes=pack.size_bytes)
        data = pack.blocks[: pack.size_bytes]
        if self._way.kind == pb.TRANSFER_WAY_URL:
            new.crc32 = crc32(data)
        (place,) = self._call(lambda: self._connection.stubs.transfers.OpenPacks, opening).places
        if self._way.kind == pb.TRANSFER_WAY_URL:
            self._put(place, data)
        else:
            self._writer.write_buffer(Path(place.path), pack)
        closing = pb.ClosePacksRequest(project_uid=self._project_uid, pack_ids=[pack_id])
        if not all(self._call(lambda: self._connection.stubs.transfers.ClosePacks, closing).stored):
            raise Broken("the server does not take what was written")
        return True

    def _call(self, method: Callable[[], Any], request: Message) -> Any:
        return self._connection.call(self._calls.breakable(method), request)

    def _put(self, place: pb.PackPlace, data: memoryview) -> None:
        url = urlsplit(place.url)

        def send(connection: HTTPConnection) -> None:
            assert connection.sock is not None
            stack.enter_context(self._calls.holding(_Put(connection.sock)))
            connection.putrequest("PUT", f"{url.path}?{url.query}", skip_accept_encoding=True)
            for header in place.headers:
                connection.putheader(header.name, header.value)
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # who refuses says so before it has read everything
                connection.send(data)

        with ExitStack() as stack:
            connection, response = self._hosts.ask(url, send)
            try:
                response.read(MOST_SAID)
            except (OSError, HTTPException) as error:
                connection.close()
                raise Broken(f"{url.hostname} broke off in the middle ({type(error).__name__})") from None
        if response.isclosed():
            self._hosts.give_back(url, connection)
        else:
            connection.close()
        if not 200 <= response.status < 300 and response.status != WRITTEN_BEFORE:
            raise Broken(f"{url.hostname} answers {response.status} to a PUT")


class _Put:
    """A request under way, as what can be broken off."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def cancel(self) -> None:
        """Ends it from another thread: the one that waits for it gets an error."""
        break_off(self._socket)
