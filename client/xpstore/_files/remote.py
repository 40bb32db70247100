"""A file of an artifact as a seekable file object that fetches what is read."""

import io
from typing import Any

from xpstore._files.ranges import read_range
from xpstore._service.connection import Connection

BUFFER_BYTES = 1 << 20


class RemoteFile(io.RawIOBase):
    """Unbuffered: each read is one range. `open_remote` puts a buffer around it."""

    def __init__(self, connection: Connection, version_id: str, path: str, size_bytes: int) -> None:
        self._connection = connection
        self._version_id = version_id
        self._path = path
        self._size_bytes = size_bytes
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read starts."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves there, also beyond the end; returns the position."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size_bytes}
        if whence not in starts:
            raise ValueError(f"whence = {whence}: must be SEEK_SET, SEEK_CUR or SEEK_END")
        start = starts[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}: before the start of the file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, less only at the end of the file; returns how many bytes."""
        view = memoryview(buffer).cast("B")
        length = min(len(view), self._size_bytes - self._position)
        if length <= 0:
            return 0
        filled = 0
        for data in read_range(self._connection, self._version_id, self._path, self._position, length):
            view[filled : filled + len(data)] = data
            filled += len(data)
        self._position += filled
        return filled

    def readall(self) -> bytes:
        """Returns the rest of the file: one range, where the inherited method asks for 8 KiB at a time."""
        rest = bytearray(max(self._size_bytes - self._position, 0))
        del rest[self.readinto(rest) :]
        return bytes(rest)


def open_remote(connection: Connection, version_id: str, path: str, size_bytes: int) -> io.BufferedReader:
    """Opens a file of a version for reading."""
    return io.BufferedReader(RemoteFile(connection, version_id, path, size_bytes), BUFFER_BYTES)
