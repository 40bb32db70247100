"""Chunks by way of the server, which always works."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

from blake3 import blake3

from xpstore._files.decoding import decoded
from xpstore._service.connection import Connection
from xpstore.errors import DataLoss, NotFound, Unavailable
from xpstore.format.messages import Malformed, WireChunk, decode_chunks
from xpstore.v1 import artifact_pb2 as pb

# Messages without anything in them, in a row, after which a server is taken to say nothing for ever.
EMPTY_MESSAGES = 1_000
CHUNKS_FIELD = pb.ReadChunksResponse.CHUNKS_FIELD_NUMBER
# By their digests.
Chunks = dict[bytes, bytes | memoryview]


class ServerReads:
    """Reads of one version through its server.

    Args:
        connection: to the server.
        version_id: whose chunks they are.
        is_wanted: whether anybody waits for them still.
        verifies: whether each chunk is held to its digest.
    """

    def __init__(
        self, connection: Connection, version_id: str, is_wanted: Callable[[], bool], *, verifies: bool
    ) -> None:
        self._connection = connection
        self._version_id = version_id
        self._is_wanted = is_wanted
        self._verifies = verifies

    def fetch(self, sizes: Mapping[bytes, int]) -> Chunks:
        """Fetches chunks of these sizes, after a broken connection those that did not arrive."""
        chunks: Chunks = {}
        bad: set[bytes] = set()
        for attempt in self._connection.attempts(is_wanted=self._is_wanted):
            with attempt:
                while missing := [digest for digest in sizes if digest not in chunks]:
                    before = len(bad)
                    for chunk in self._stream(missing):
                        if chunk.digest not in sizes or chunk.digest in chunks:
                            raise DataLoss(f"The server sent the chunk {chunk.digest.hex()}, which was not asked for.")
                        try:
                            chunks[chunk.digest] = self._raw(chunk, sizes[chunk.digest])
                        except DataLoss:
                            if chunk.digest in bad:
                                raise
                            bad.add(chunk.digest)  # one bad read of the server's store: asked for once more
                        attempt.renew()
                    if len(bad) == before:
                        break
        if len(chunks) < len(sizes):
            raise DataLoss("The server did not send all chunks that were asked for.")
        return chunks

    def _raw(self, chunk: WireChunk, size_bytes: int) -> bytes | memoryview:
        raw = decoded(chunk.digest, chunk.codec, chunk.data, size_bytes)
        if len(raw) != size_bytes or (self._verifies and blake3(raw).digest() != chunk.digest):
            raise DataLoss(f"The chunk {chunk.digest.hex()} arrived with other bytes than it was saved with.")
        return raw

    def _stream(self, digests: list[bytes]) -> Iterator[WireChunk]:
        request = pb.ReadChunksRequest(version_id=self._version_id, digests=digests)
        with closing(self._connection.stream(self._connection.stubs.read_chunks, request)) as messages, _needed():
            for number, message in enumerate(messages):
                if not self._is_wanted():
                    raise Unavailable("The download was broken off.")
                if number > len(digests) + EMPTY_MESSAGES:
                    raise DataLoss("The server sends messages without chunks.")
                try:
                    yield from decode_chunks(CHUNKS_FIELD, message)
                except Malformed as fault:
                    raise DataLoss(f"The server sent bytes that are no message: {fault}.") from None


@contextmanager
def _needed() -> Iterator[None]:
    """The version needs the chunks that are asked for: if the server has no such one, its bytes are lost."""
    try:
        yield
    except NotFound as error:
        if error.metadata.get("resource") != "chunk":
            raise
        raise DataLoss(f"The server has lost the chunk {error.metadata.get('value')} of this version.") from None
