"""Ranges of files on their way down, going on by themselves after a broken connection."""

from collections.abc import Iterator

from xpstore._service.connection import Connection
from xpstore.v1 import artifact_pb2 as pb


def read_range(
    connection: Connection, version_id: str, path: str, offset: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Yields a range of a file; goes on where it was when the connection breaks.

    Raises:
        DataLoss: the server's stored bytes are damaged.
    """
    end = None if length is None else offset + length
    for attempt in connection.attempts():
        with attempt:
            if end is not None and offset >= end:
                return
            request = pb.ReadFileRequest(version_id=version_id, path=path, offset=offset)
            if end is not None:
                request.length = end - offset
            for response in connection.stream(connection.stubs.artifacts.ReadFile, request):
                if response.WhichOneof("part") == "data":
                    offset += len(response.data)
                    yield response.data
                    attempt.renew()
