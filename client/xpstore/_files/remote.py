"""A file of an artifact as a seekable file object that fetches what is read."""

import io
from collections.abc import Iterator
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
    return _Opened(connection, version_id, path, size_bytes)


class _Opened(io.BufferedReader):
    """Pickled, it is the file of the same version at the same position."""

    def __init__(self, connection: Connection, version_id: str, path: str, size_bytes: int, position: int = 0) -> None:
        super().__init__(RemoteFile(connection, version_id, path, size_bytes), BUFFER_BYTES)
        self._made_of = connection, version_id, path, size_bytes
        self.seek(position)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _Opened, (*self._made_of, self.tell())


class FsspecFile(io.BufferedReader):
    """The same for fsspec: pickled, it is the file of the same version at the same position.

    Args:
        file_system: has the connection as `_client`.
        name: its path in the file system.
        version_id: of which version.
        inner: where it is in that.
        size_bytes: its size.
        block_bytes: how much is read ahead.
        position: where the next read starts.

    Attributes:
        path: its path in the file system.
        size: its size in bytes.
        blocksize: how much is read ahead.
    """

    def __init__(
        self,
        file_system: Any,
        name: str,
        version_id: str,
        inner: str,
        size_bytes: int,
        block_bytes: int,
        position: int = 0,
    ) -> None:
        self._source = _Source(file_system._client, version_id, inner, size_bytes)
        super().__init__(self._source, block_bytes)
        self._made_of = file_system, name, version_id, inner, size_bytes, block_bytes
        self.path, self.size, self.blocksize = name, size_bytes, block_bytes
        self.seek(position)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return FsspecFile, (*self._made_of, self.tell())

    @property
    def closed(self) -> bool:
        """Whether it is closed. Assigned by `blockcache::`, which has closed it then."""
        return bool(super().closed)

    @closed.setter
    def closed(self, is_closed: bool) -> None: ...

    def _fetch_range(self, start: int, end: int) -> bytes:
        return b"".join(self._source.fetch(start, end - start))

    @property
    def cache(self) -> Any:
        """What `blockcache::` keeps blocks in on this machine."""
        return self._source.cache

    @cache.setter
    def cache(self, cache: Any) -> None:
        cache.multi_fetcher = None  # asks by the name, which may stand for another version by now
        self._source.cache = cache


class _Source(RemoteFile):
    cache: Any = None

    def readinto(self, buffer: Any) -> int:
        if self.cache is None:
            return super().readinto(buffer)
        view = memoryview(buffer).cast("B")
        data = self.cache._fetch(self._position, min(self._position + len(view), self._size_bytes))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def fetch(self, start: int, length: int) -> Iterator[bytes]:
        return read_range(self._connection, self._version_id, self._path, start, length)
