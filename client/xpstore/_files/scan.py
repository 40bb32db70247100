"""What there is to save: files of this machine, bytes in memory, and directories that are empty."""

import io
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from xpstore._files.leftovers import is_partial
from xpstore._machine.file_status import is_same, until_settled_ns
from xpstore.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a tree before it is uploaded: a file on disk, bytes in memory, or an empty directory.

    `status` is what the file system said of a file before it was read.
    """

    path: str
    location: Path | bytes | None
    size_bytes: int
    executable: bool = False
    status: os.stat_result | None = None

    def is_unchanged(self) -> bool:
        """Whether the file system says of the file what it said before it was read."""
        if not isinstance(self.location, Path) or self.status is None:
            return False
        try:
            return is_same(os.stat(self.location), self.status)
        except OSError:
            return False

    def again(self) -> "Source":
        """What the file system says of the file now; raises as `scan` does."""
        assert isinstance(self.location, Path)
        return _file(self.location, self.path)

    def settle(self) -> None:
        """Waits until a change of the file from now on leaves a trace, if it was changed just now."""
        if self.status is not None:
            time.sleep(until_settled_ns(self.status, time.time_ns()) / 1e9)

    def open(self) -> BinaryIO:
        """Opens the bytes."""
        if isinstance(self.location, bytes):
            return io.BytesIO(self.location)
        assert self.location is not None
        try:
            return open(self.location, "rb", buffering=0)
        except OSError as error:
            raise _unreadable(self.location, error) from None


def scan(source: str | os.PathLike[str] | bytes, name: str = "data") -> list[Source]:
    """Lists what a file, a directory or bytes consist of, in canonical order.

    Symbolic links are followed: what they point to is what is saved. Sockets, pipes and devices are refused. What a
    download has under way, or left behind, is passed over.

    Args:
        source: a path, or the bytes of a file.
        name: path of the only file, when `source` is bytes.

    Raises:
        InvalidArgument: the path is missing or unreadable, or has something that cannot be saved.
    """
    if isinstance(source, bytes):
        return [Source(name, source, len(source))]
    if not os.fspath(source):
        raise InvalidArgument("source = '': is empty; '.' is the current directory")
    root = _absolute(Path(source))
    if os.path.isdir(root):  # unlike Path's, it raises nothing: what is wrong with the path is said below
        return sorted(_walk(root), key=lambda entry: entry.path.encode())
    if is_partial(root.name):
        raise InvalidArgument(
            f"source = {str(root)!r}: is what a download left, or has under way; rename it to save it"
        )
    return [_file(root, root.name)]


def _walk(root: Path) -> Iterator[Source]:
    pending, above = [(root, "", 0)], list[tuple[int, int]]()
    while pending:  # not by recursion: Python bounds that, and paths may be deeper
        folder, prefix, depth = pending.pop()
        try:
            status = os.stat(folder)
            entries = [(entry, entry.is_dir()) for entry in os.scandir(folder) if not is_partial(entry.name)]
        except OSError as error:
            raise _unreadable(folder, error) from None
        del above[depth:]
        if (status.st_dev, status.st_ino) in above:
            raise InvalidArgument(f"source = {str(folder)!r}: this link leads back to a directory above it")
        above.append((status.st_dev, status.st_ino))
        if not entries and prefix:
            yield Source(_encodable(folder, prefix.rstrip("/")), None, 0)
        for entry, is_directory in entries:
            path = prefix + entry.name
            if is_directory:
                pending.append((Path(entry.path), path + "/", depth + 1))
            else:
                yield _file(Path(entry.path), path)


def _absolute(path: Path) -> Path:
    """Read later, perhaps, and by a thread: by then the program may be in another folder."""
    try:
        return path.absolute()
    except OSError as error:  # the folder that it is in is gone
        raise _unreadable(path, error) from None


def _file(location: Path, path: str) -> Source:
    try:
        status = location.stat()
    except (OSError, ValueError) as error:  # the latter for NUL
        raise _unreadable(location, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidArgument(f"source = {str(location)!r}: is neither a file nor a directory")
    return Source(_encodable(location, path), location, status.st_size, bool(status.st_mode & stat.S_IXUSR), status)


def _encodable(location: Path, path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"source = {str(location)!r}: the name is not valid Unicode") from None
    return path


def _unreadable(location: Path, error: OSError | ValueError) -> InvalidArgument:
    reason = getattr(error, "strerror", None) or error
    return InvalidArgument(f"source = {str(location)!r}: cannot be read ({reason})")
