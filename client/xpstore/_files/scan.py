"""What there is to save: files of this machine, bytes in memory, and directories that are empty.

A tree may have a million files: it is held as text and packed numbers, of which an object is made where one is needed.
"""

import io
import os
import stat
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from xpstore._files.leftovers import is_partial
from xpstore._machine.file_status import FileStatus, Status, is_same, until_settled_ns
from xpstore.errors import InvalidArgument

# Of a source: what it is, and of a file what `Status` has.
_ROW = struct.Struct("<BQQqqq")
_OTHER, _DIRECTORY, _FILE, _EXECUTABLE = range(4)
_NO_ROW = bytes(_ROW.size)


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of a tree before it is uploaded: a file on disk, bytes in memory, or an empty directory.

    `status` is what the file system said of a file before it was read.
    """

    path: str
    location: Path | str | bytes | None
    size_bytes: int
    executable: bool = False
    status: FileStatus | None = None

    def is_unchanged(self) -> bool:
        """Whether the file system says of the file what it said before it was read."""
        location = self.location
        return isinstance(location, (Path, str)) and self.status is not None and _is_still(location, self.status)

    def again(self) -> "Source":
        """What the file system says of the file now; raises as `scan` does."""
        assert isinstance(self.location, (Path, str))
        return _source(self.path, self.location, _stat(self.location, self.path))

    def settle(self) -> None:
        """Waits until a change of the file from now on leaves a trace, if it was changed just now."""
        if self.status is not None and (wait_ns := until_settled_ns(self.status, time.time_ns())):
            time.sleep(wait_ns / 1e9)

    def read(self) -> bytes | None:
        """The bytes; None of a file that has fewer or more by now than the file system said, or comes in parts."""
        if isinstance(self.location, bytes):
            return self.location
        assert self.location is not None
        try:
            file = os.open(self.location, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise _unreadable(self.location, error) from None
        try:
            data = os.read(file, self.size_bytes + 1)
        finally:
            os.close(file)
        return data if len(data) == self.size_bytes else None

    def open(self) -> BinaryIO:
        """Opens the bytes."""
        if isinstance(self.location, bytes):
            return io.BytesIO(self.location)
        assert self.location is not None
        try:
            return open(self.location, "rb", buffering=0)
        except OSError as error:
            raise _unreadable(self.location, error) from None


class Sources:
    """The sources of one tree, in order, each made when it is asked for. Keeps 41 bytes of it and its path as text.

    Args:
        sources: what is not below the folder, such as bytes in memory: of these the objects themselves are kept.
        folder: what the paths of files start from.
    """

    def __init__(self, sources: Iterable[Source] = (), folder: str = "") -> None:
        self._prefix = os.path.join(folder, "")
        self._paths: list[str] = []
        self._rows = bytearray()
        self._others: dict[int, Source] = {}
        for source in sources:
            self._others[len(self)] = source
            self._append(source.path, _NO_ROW)

    def add_file(self, path: str) -> None:
        """Appends a file of the folder; raises as `scan` does."""
        self._append(path, self._look(len(self), path))

    def add_directory(self, path: str) -> None:
        """Appends an empty directory of the folder; raises as `scan` does."""
        _check_text(self._prefix + path, path)
        self._append(path, _ROW.pack(_DIRECTORY, 0, 0, 0, 0, 0))

    def look_again(self, place: int) -> None:
        """Takes what the file system says of a file now; raises as `scan` does."""
        if (other := self._others.get(place)) is not None:
            self._others[place] = other.again()
        else:
            start = _ROW.size * place
            self._rows[start : start + _ROW.size] = self._look(place, self._paths[place])

    def _append(self, path: str, row: bytes) -> None:
        self._paths.append(path)
        self._rows += row

    def _look(self, place: int, path: str) -> bytes:
        location = self._prefix + path
        status = _stat(location, path)
        try:
            return _ROW.pack(_EXECUTABLE if status.st_mode & stat.S_IXUSR else _FILE, *_kept(status))
        except struct.error:  # some file systems have inodes of 128 bits
            self._others[place] = _source(path, location, status)
            return _NO_ROW

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Source]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, place: int) -> Source:
        path, (kind, *numbers) = self._paths[place], _ROW.unpack_from(self._rows, _ROW.size * place)
        if kind == _OTHER:
            return self._others[place]
        if kind == _DIRECTORY:
            return Source(path, None, 0)
        status = Status(*numbers)
        return Source(path, self._prefix + path, status.st_size, kind == _EXECUTABLE, status)

    @property
    def paths(self) -> Sequence[str]:
        """The path of each."""
        return self._paths

    @property
    def size_bytes(self) -> int:
        """Sum of their sizes."""
        return sum(self.sizes())

    def sizes(self) -> Iterator[int]:
        """Yields the size of each."""
        for place, (kind, _, _, size, _, _) in enumerate(_ROW.iter_unpack(self._rows)):
            yield self._others[place].size_bytes if kind == _OTHER else size

    def executables(self) -> Iterator[bool]:
        """Yields whether each has its executable bit set."""
        for place, (kind, *_) in enumerate(_ROW.iter_unpack(self._rows)):
            yield self._others[place].executable if kind == _OTHER else kind == _EXECUTABLE

    def files(self) -> Iterator[tuple[int, str | Path, FileStatus]]:
        """Yields each that is a file on disk: its place, where it is, and what the file system said of it."""
        for place, (kind, *numbers) in enumerate(_ROW.iter_unpack(self._rows)):
            if kind >= _FILE:
                yield place, self._prefix + self._paths[place], Status(*numbers)
            elif kind == _OTHER:
                other = self._others[place]
                if isinstance(other.location, (Path, str)) and other.status:
                    yield place, other.location, other.status

    def touched(self) -> Iterator[int]:
        """Yields the places of files of which the file system says something else now."""
        return (place for place, location, status in self.files() if not _is_still(location, status))


def scan(source: str | os.PathLike[str] | bytes, name: str = "data") -> Sources:
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
        return Sources([Source(name, source, len(source))])
    if not os.fspath(source):
        raise InvalidArgument("source = '': is empty; '.' is the current directory")
    root = _absolute(Path(source))
    if os.path.isdir(root):  # unlike Path's, it raises nothing: what is wrong with the path is said below
        return _walk(str(root))
    if is_partial(root.name):
        raise InvalidArgument(
            f"source = {str(root)!r}: is what a download left, or has under way; rename it to save it"
        )
    found = Sources(folder=str(root.parent))
    found.add_file(root.name)
    return found


@dataclass(slots=True)
class _Folder:
    """A folder that is being walked through.

    Attributes:
        prefix: what the paths of what is in it start with.
        identity: its device and inode.
        names: what is left of it, the next one last. A folder is in it twice: as "a" it is looked at, and listed where
            it is if there is nothing in it; as "a/" it is walked through. "a.b" comes in between.
        folders: the names of the folders in it.
        seen: folders that were looked at and not yet walked through.
    """

    prefix: str
    identity: tuple[int, int]
    names: list[str]
    folders: set[str]
    seen: "dict[str, _Folder]" = field(default_factory=dict)


def _walk(root: str) -> Sources:
    found, above = Sources(folder=root), [_look_into(root, "", [])]
    while above:  # not by recursion: Python bounds that, and paths may be deeper
        folder = above[-1]
        if not folder.names:
            above.pop()
            continue
        name = folder.names.pop()
        if name.endswith("/"):
            if name in folder.seen:
                above.append(folder.seen.pop(name))
        elif name not in folder.folders:
            found.add_file(folder.prefix + name)
        else:
            inner = _look_into(root, f"{folder.prefix}{name}/", above)
            if inner.names:
                folder.seen[f"{name}/"] = inner
            else:
                found.add_directory(folder.prefix + name)
    return found


def _look_into(root: str, prefix: str, above: list[_Folder]) -> _Folder:
    location = os.path.join(root, prefix) if prefix else root
    names, folders = list[str](), set[str]()
    try:
        status = os.stat(location)
        with os.scandir(location) as entries:
            for entry in entries:
                if not is_partial(entry.name):
                    names.append(entry.name)
                    if entry.is_dir():
                        folders.add(entry.name)
    except OSError as error:
        raise _unreadable(location.rstrip("/") or location, error) from None
    identity = status.st_dev, status.st_ino
    if any(folder.identity == identity for folder in above):
        raise InvalidArgument(f"source = {location.rstrip('/')!r}: this link leads back to a directory above it")
    names += [f"{name}/" for name in folders]
    names.sort(reverse=True)  # code points are in the order of their UTF-8
    return _Folder(prefix, identity, names, folders)


def _absolute(path: Path) -> Path:
    """Read later, perhaps, and by a thread: by then the program may be in another folder."""
    try:
        return path.absolute()
    except OSError as error:  # the folder that it is in is gone
        raise _unreadable(path, error) from None


def _stat(location: Path | str, path: str) -> os.stat_result:
    """What the file system says of a file that can be saved."""
    try:
        status = os.stat(location)
    except (OSError, ValueError) as error:  # the latter for NUL
        raise _unreadable(location, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidArgument(f"source = {str(location)!r}: is neither a file nor a directory")
    _check_text(location, path)
    return status


def _source(path: str, location: Path | str, status: os.stat_result) -> Source:
    return Source(path, location, status.st_size, bool(status.st_mode & stat.S_IXUSR), status)


def _kept(status: os.stat_result) -> Status:
    return Status(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _is_still(location: Path | str, status: FileStatus) -> bool:
    try:
        return is_same(os.stat(location), status)
    except OSError:
        return False


def _check_text(location: Path | str, path: str) -> None:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"source = {str(location)!r}: the name is not valid Unicode") from None


def _unreadable(location: Path | str, error: OSError | ValueError) -> InvalidArgument:
    reason = getattr(error, "strerror", None) or error
    return InvalidArgument(f"source = {str(location)!r}: cannot be read ({reason})")


def filled(stream: BinaryIO, view: memoryview) -> tuple[memoryview, bool]:
    """Reads until a buffer is full or the file ends. Returns what was read, and whether it ended."""
    size = 0
    while size < len(view):
        count: int = stream.readinto(view[size:])  # type: ignore[attr-defined]  # of raw files and BytesIO
        if not count:
            return view[:size], True
        size += count
    return view, False
