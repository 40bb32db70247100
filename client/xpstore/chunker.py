"""The cut: how a stream of bytes becomes chunks. Nothing else depends on it; identity does not."""

from collections.abc import Iterator
from typing import BinaryIO


def cut(stream: BinaryIO, chunk_bytes: int) -> Iterator[bytes]:
    """Yields a stream as chunks of `chunk_bytes`, the last one shorter."""
    while data := stream.read(chunk_bytes):
        # A raw or network stream may give less than asked for: fill up, so that the cut does not depend on that.
        while len(data) < chunk_bytes and (more := stream.read(chunk_bytes - len(data))):
            data += more
        yield data
