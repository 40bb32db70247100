"""Partial files by their names, which tell that they are ours, and of which file they are: found, taken over, removed.

    .<8 bytes of the digest of the file's name><4 bytes of the digest of its content><4 random bytes>.part

Each process writes partial files of its own and no others. It holds a lock on each, so that others leave it alone;
where locks do nothing, another process may take one away, and who wrote it goes on with a copy (`partial.py`).
"""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator

from blake3 import blake3

from xpstore._machine import locks

# What may still go on where it broke off; after this nobody is expected to want it.
KEPT_SECONDS = 7 * 86_400

_NAME = re.compile(r"\.[0-9a-f]{32}\.part")
_FILE_DIGITS, _CONTENT_DIGITS, _OWN_BYTES = 16, 8, 4
# Links are not followed, and a pipe of that name is not waited for.
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
CREATE_FLAGS = _FLAGS | os.O_CREAT | os.O_EXCL


def is_partial(name: str) -> bool:
    """Whether a file of this name is what a download left, or has under way: never content."""
    return _NAME.fullmatch(name) is not None


def partial_path(target: str | os.PathLike[str], digest: bytes = b"") -> str:
    """A name beside a file for a new partial file of it; `digest` is that of the bytes it shall have."""
    content = digest.hex()[:_CONTENT_DIGITS] or "0" * _CONTENT_DIGITS
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{_of_file(name)}{content}{os.urandom(_OWN_BYTES).hex()}.part")


def _of_file(name: str) -> str:
    return blake3(os.fsencode(name)).hexdigest()[:_FILE_DIGITS]


def create(path: str) -> int:
    """Makes a partial file: this user's alone until it is whole, or others could write to it after it was verified."""
    file = os.open(path, CREATE_FLAGS, 0o600)
    locks.take(file)
    return file


def is_at(path: str, file: int) -> bool:
    """Whether an open file is, or still is, the one at a path."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except OSError:
        return False


def open_left(path: str) -> int | None:
    """Opens a partial file that nobody is at, if it is one of this user's making that nobody else can write to."""
    try:
        file = os.open(path, _FLAGS)
    except OSError:
        return None
    if _is_own(os.fstat(file)) and locks.take(file) and is_at(path, file):
        return file
    os.close(file)
    return None


def _is_own(status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return False
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def discard(path: str) -> None:
    """Removes a partial file, unless somebody is at it or it is somebody else's."""
    if (file := open_left(path)) is not None:
        os.close(file)  # before: Windows does not remove what is open
        with contextlib.suppress(OSError):
            os.unlink(path)


class Leftovers:
    """Partial files that were in a folder before this download.

    Attributes:
        is_in_nothing: whether nothing at all was in the folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._by_file: dict[str, list[str]] = {}
        self.is_in_nothing = False
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            self.is_in_nothing = True
            for entry in entries:
                self.is_in_nothing = False
                if is_partial(entry.name):
                    self._by_file.setdefault(entry.name[1 : 1 + _FILE_DIGITS], []).append(entry.path)

    def __bool__(self) -> bool:
        return bool(self._by_file)

    def take(self, target: str, digest: bytes) -> Iterator[str]:
        """Yields the partial files of this content of a file; those of other contents are discarded."""
        content = digest.hex()[:_CONTENT_DIGITS]
        for path in self._of(target):
            if os.path.basename(path)[1 + _FILE_DIGITS :].startswith(content):
                yield path
            else:
                discard(path)

    def discard(self, target: str) -> None:
        """Removes the partial files of a file, whatever they were to become."""
        for path in self._of(target):
            discard(path)

    def _of(self, target: str) -> Iterable[str]:
        return self._by_file.pop(_of_file(os.path.basename(target)), ()) if self._by_file else ()

    def discard_old(self) -> None:
        """Removes those that nobody took, if they are old."""
        for paths in self._by_file.values():
            for path in paths:
                with contextlib.suppress(OSError):
                    if time.time() - os.lstat(path).st_mtime > KEPT_SECONDS:
                        discard(path)
