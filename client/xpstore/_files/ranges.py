"""Ranges of files on their way down, going on by themselves after a broken connection."""

from collections.abc import Iterator

from xpstore._service.connection import Connection
from xpstore.errors import DataLoss
from xpstore.v1 import artifact_pb2 as pb


def read_range(
    connection: Connection, version_id: str, path: str, offset: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Yields a range of a file; goes on where it was when the connection breaks.

    Args:
        connection: to the server.
        version_id: of which version.
        path: which file.
        offset: first byte.
        length: how many bytes, all of them within the file; default to its end.

    Raises:
        DataLoss: the server's stored bytes are damaged, or it sends another range than was asked for.
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
                if response.WhichOneof("part") == "header":
                    end = _end(response.header, offset, end)
                    continue
                offset += len(response.data)
                if end is None or offset > end:
                    raise DataLoss(f"The server sent more of {path!r} than was asked for.")
                yield response.data
                attempt.renew()
            if offset != end:
                raise DataLoss(f"The server sent {path!r} up to byte {offset}, not {end}.")


def _end(header: pb.ReadFileHeader, offset: int, end: int | None) -> int:
    """Where the range ends that a header announces."""
    announced = header.offset + header.length
    if header.offset != offset or announced != (header.size_bytes if end is None else end):
        raise DataLoss(
            f"The server announced bytes {header.offset} to {announced} of {header.path!r}, not from {offset}."
        )
    return announced
