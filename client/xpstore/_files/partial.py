"""A file being downloaded: written to a temporary name, verified, renamed. A large one goes on where it broke off."""

import contextlib
import os
from pathlib import Path
from typing import IO

from blake3 import blake3

from xpstore.errors import DataLoss
from xpstore.v1 import artifact_pb2 as pb

# Below this a file is fetched again as fast as what is there of it is checked.
RESUMED_FROM_BYTES = 8 << 20
READ_BYTES = 1 << 20


def is_there(target: Path, entry: pb.ManifestEntry) -> bool:
    """Whether a file is in place already, with these bytes; its executable bit is then set as it should be."""
    try:
        if target.is_symlink() or not target.is_file() or target.stat().st_size != entry.size_bytes:
            return False
        digest = blake3()
        with open(target, "rb", buffering=0) as file:
            while data := file.read(READ_BYTES):
                digest.update(data)
    except OSError:
        return False
    if digest.digest() != entry.digest:
        return False
    _set_executable(target, entry.executable)
    return True


class PartialFile:
    """The bytes of one file so far, in order."""

    def __init__(self, target: Path, entry: pb.ManifestEntry) -> None:
        self._target = target
        self._entry = entry
        self._is_resumable = entry.size_bytes >= RESUMED_FROM_BYTES
        self._digest = blake3()
        self._covered = 0
        self._file: IO[bytes] | None = None
        self._path = target.with_name(f".{os.urandom(16).hex()}.part")
        self._is_resuming = self._is_resumable and self._take_over()

    def _take_over(self) -> bool:
        """Opens the part that an earlier download of this file left, or makes it; False if one is at it now."""
        name = blake3(os.fsencode(self._target) + self._entry.digest).hexdigest()[:32]
        path = self._target.with_name(f".{name}.part")
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+b", 0)
        except OSError:
            return False
        try:
            import fcntl  # here: not on Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (ImportError, OSError):
            file.close()
            return False
        self._file, self._path = file, path
        return True

    def has(self, digest: bytes, size_bytes: int) -> bool:
        """Whether the next chunk is in it already; asked for each chunk in order until one is not."""
        if not self._is_resuming or self._file is None:
            return False
        self._file.seek(self._covered)
        data = self._file.read(size_bytes)
        if len(data) == size_bytes and blake3(data).digest() == digest:
            self._count(data)
            return True
        self._file.seek(self._covered)
        self._file.truncate()
        self._is_resuming = False
        return False

    def write(self, data: bytes | memoryview) -> None:
        """Appends the next chunk."""
        if self._file is None:
            self._file = open(self._path, "xb", 0)  # noqa: SIM115  # closed by finish or leave
        self._count(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def _count(self, data: bytes | memoryview) -> None:
        self._covered += len(data)
        self._digest.update(data)

    def finish(self) -> None:
        """Puts the file in place.

        Raises:
            DataLoss: it does not have the digest it was saved with; nothing is left of it.
        """
        if self._file is None:
            self._file = open(self._path, "xb", 0)  # noqa: SIM115  # closed by finish or leave
        try:
            if self._digest.digest() != self._entry.digest:
                raise DataLoss(f"{self._entry.path!r} arrived with another digest than it was saved with.")
            self._file.truncate(self._covered)
            _set_executable(self._path, self._entry.executable)
            self._path.replace(self._target)
        except BaseException:
            with contextlib.suppress(OSError):
                self._path.unlink()
            raise
        finally:
            self._file.close()

    def leave(self) -> None:
        """Stops: what is there of a large file stays for the next try."""
        if self._file is not None:
            self._file.close()
        if not (self._is_resumable and self._covered):
            self._path.unlink(missing_ok=True)


def _set_executable(path: Path, is_executable: bool) -> None:
    if is_executable:
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o444) >> 2)  # for those who may read it
