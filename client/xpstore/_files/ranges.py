"""Ranges of files on their way down, going on by themselves after a broken connection."""

from collections.abc import Iterator

from xpstore._service.retry import Patience
from xpstore.client import Client
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore.v1 import artifact_pb2 as pb


def read_range(
    client: Client, version_id: str, path: str, offset: int = 0, length: int | None = None
) -> Iterator[bytes]:
    """Yields a range of a file; goes on where it was when the connection breaks.

    Raises:
        DataLoss: the server's stored bytes are damaged.
    """
    end = None if length is None else offset + length
    patience = Patience(client)
    while end is None or offset < end:
        request = pb.ReadFileRequest(version_id=version_id, path=path, offset=offset)
        if end is not None:
            request.length = end - offset
        try:
            for response in client.stream(client.stubs.artifacts.ReadFile, request):
                if response.WhichOneof("part") == "data":
                    offset += len(response.data)
                    yield response.data
                    patience.renew()
            return
        except (Unavailable, DeadlineExceeded):
            if not patience.wait():
                raise
