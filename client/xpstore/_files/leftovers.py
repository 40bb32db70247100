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
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from blake3 import blake3

from xpstore._machine import locks

# What may still go on where it broke off; after this nobody is expected to want it.
KEPT_SECONDS = 7 * 86_400

_NAME = re.compile(r"\.[0-9a-f]{32}\.part")
_FILE_DIGITS, _CONTENT_DIGITS, _OWN_BYTES = 16, 8, 4
# Links are not followed, and a pipe of that name is not waited for.
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_partial(name: str) -> bool:
    """Whether a file of this name is what a download left, or has under way: never content."""
    return _NAME.fullmatch(name) is not None


def partial_path(target: Path, digest: bytes = b"") -> Path:
    """A name beside a file for a new partial file of it; `digest` is that of the bytes it shall have."""
    content = digest.hex()[:_CONTENT_DIGITS] or "0" * _CONTENT_DIGITS
    return target.with_name(f".{_of_file(target.name)}{content}{os.urandom(_OWN_BYTES).hex()}.part")


def _of_file(name: str) -> str:
    return blake3(os.fsencode(name)).hexdigest()[:_FILE_DIGITS]


def create(path: Path) -> IO[bytes]:
    """Makes a partial file: this user's alone until it is whole, or others could write to it after it was verified."""
    descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    locks.take(descriptor)
    return os.fdopen(descriptor, "r+b", 0)


def is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is, or still is, the one at a path."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file.fileno()))
    except OSError:
        return False


def open_left(path: Path) -> IO[bytes] | None:
    """Opens a partial file that nobody is at, if it is one of this user's making that nobody else can write to."""
    try:
        file = os.fdopen(os.open(path, _FLAGS), "r+b", 0)
    except OSError:
        return None
    if _is_own(os.fstat(file.fileno())) and locks.take(file.fileno()) and is_at(path, file):
        return file
    file.close()
    return None


def _is_own(status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        return False
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def discard(path: Path) -> None:
    """Removes a partial file, unless somebody is at it or it is somebody else's."""
    if (file := open_left(path)) is not None:
        file.close()  # before: Windows does not remove what is open
        with contextlib.suppress(OSError):
            path.unlink()


class Leftovers:
    """Partial files that were in a folder before this download."""

    def __init__(self, folder: Path) -> None:
        self._by_file: dict[str, list[Path]] = {}
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if is_partial(entry.name):
                    self._by_file.setdefault(entry.name[1 : 1 + _FILE_DIGITS], []).append(Path(entry.path))

    def __bool__(self) -> bool:
        return bool(self._by_file)

    def take(self, target: Path, digest: bytes) -> Iterator[Path]:
        """Yields the partial files of this content of a file; those of other contents are discarded."""
        content = digest.hex()[:_CONTENT_DIGITS]
        for path in self._by_file.pop(_of_file(target.name), ()):
            if path.name[1 + _FILE_DIGITS :].startswith(content):
                yield path
            else:
                discard(path)

    def discard(self, target: Path) -> None:
        """Removes the partial files of a file, whatever they were to become."""
        for path in self._by_file.pop(_of_file(target.name), ()):
            discard(path)

    def discard_old(self) -> None:
        """Removes those that nobody took, if they are old."""
        for paths in self._by_file.values():
            for path in paths:
                with contextlib.suppress(OSError):
                    if time.time() - path.lstat().st_mtime > KEPT_SECONDS:
                        discard(path)
