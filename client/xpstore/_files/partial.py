"""A file being downloaded: written to a name of its own, verified, renamed. A large one goes on where it broke off."""

import contextlib
import os
import stat

from blake3 import blake3

from xpstore._files.folder import Spot
from xpstore._files.leftovers import Leftovers, create, discard, is_at, open_left, partial_path
from xpstore._files.local_faults import laying
from xpstore.errors import Conflict, DataLoss
from xpstore.v1 import artifact_pb2 as pb

# Below this a file is fetched again as fast as what is there of it is checked.
RESUMED_FROM_BYTES = 8 << 20
READ_BYTES = 1 << 20
# Of writes of 2 MiB Linux makes pages as large, which took up to five times the CPU to come by.
WRITE_BYTES = 512 << 10
# How often it may be taken away while it is put in place.
ATTEMPTS = 10


def is_there(place: Spot, entry: pb.ManifestEntry) -> bool:
    """Whether a file is in place already, with these bytes; its executable bit is then set as it should be."""
    status = place.status
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != entry.size_bytes:
        return False
    try:
        digest = blake3()
        with open(place.path, "rb", buffering=0) as file:
            while data := file.read(READ_BYTES):
                digest.update(data)
        if digest.digest() != entry.digest:
            return False
        if entry.executable and (mode := executable_too(status.st_mode)) != stat.S_IMODE(status.st_mode):
            os.chmod(place.path, mode)
    except OSError:
        return False
    return True


class PartialFile:
    """The bytes of one file so far, in order.

    Args:
        target: where it goes.
        entry: what it shall be, the first of it.
        mode: the permissions of a new file there.
        leftovers: partial files that were there before.

    Attributes:
        entry: what it shall be.
    """

    def __init__(self, target: str, entry: pb.ManifestEntry, mode: int, leftovers: Leftovers) -> None:
        self._target = target
        self.entry = entry
        self._mode = executable_too(mode) if entry.executable else mode
        self._is_resumable = entry.size_bytes >= RESUMED_FROM_BYTES
        self._is_resuming = False
        self._is_kept = self._is_resumable
        self._digest = blake3()
        # What is written and counted; the open file stands there, but while something is read of it.
        self._covered = 0
        self._file: int | None = None
        self._path = partial_path(target, entry.digest)
        for left in leftovers.take(target, entry.digest):
            if not (self._is_resumable and not self._is_resuming and self._take_over(left)):
                discard(left)

    def _take_over(self, left: str) -> bool:
        """Makes what an earlier download left this one's: of several that try, one finds it to be renamed."""
        file = open_left(left)
        if file is None:
            return False
        try:
            os.rename(left, self._path)
        except OSError:  # somebody else was faster
            os.close(file)
            return False
        if not is_at(self._path, file):
            os.close(file)
            return False
        self._file, self._is_resuming = file, True
        return True

    def has(self, digest: bytes, size_bytes: int) -> bool:
        """Whether the next chunk is in it already; asked for each chunk in order until one is not."""
        if not self._is_resuming or self._file is None:
            return False
        with laying(self._target, self.entry.size_bytes):
            data = _read(self._file, size_bytes)
            if len(data) == size_bytes and blake3(data).digest() == digest:
                self._count(data)
                return True
            os.lseek(self._file, self._covered, os.SEEK_SET)
        # What is behind is overwritten and never cut off: where locks do nothing, its writer may still be at it, and
        # whatever two processes write there is the same.
        self._is_resuming = False
        return False

    def write(self, data: bytes | memoryview) -> None:
        """Appends the next chunk.

        Raises:
            ResourceExhausted: the disk is full; what is there is removed.
            InvalidArgument: it cannot be written, for another reason.
        """
        try:
            with laying(self._target, self.entry.size_bytes):
                _write(self._mine(), data)
        except BaseException as error:
            # Not kept on a full disk: what did not fit would stay there, unseen.
            self._is_kept = self._is_kept and not isinstance(error, Exception)
            raise
        self._count(data)

    def _count(self, data: bytes | memoryview) -> None:
        self._covered += len(data)
        self._digest.update(data)

    def _mine(self) -> int:
        """The file so far, which is nobody else's."""
        if self._file is None:
            self._file = create(self._path)
        elif self._is_resumable and not is_at(self._path, self._file):
            self._leave_to_others()
        return self._file

    def _leave_to_others(self) -> None:
        """Goes on with a copy: a process that cannot see the lock has taken it over, or removed it."""
        assert self._file is not None
        before, digest, left = self._file, blake3(), self._covered
        self._path = partial_path(self._target, self.entry.digest)
        self._file = create(self._path)
        try:
            os.lseek(before, 0, os.SEEK_SET)
            while left and (data := os.read(before, min(left, READ_BYTES))):
                digest.update(data)
                _write(self._file, data)
                left -= len(data)
        finally:
            os.close(before)
        if digest.digest() != self._digest.digest():
            raise Conflict(f"{self._target!r}: another program writes to what is on its way there: try again")

    @property
    def is_sound(self) -> bool:
        """Whether all that was written has the digest of the file."""
        return self._digest.digest() == self.entry.digest

    def finish(self) -> None:
        """Puts the file in place.

        Raises:
            DataLoss: it does not have the digest it was saved with; nothing is left of it.
            ResourceExhausted: the disk is full.
            InvalidArgument: it cannot be put there.
        """
        try:
            if not self.is_sound:
                raise DataLoss(f"{self.entry.path!r} arrived with another digest than it was saved with.")
            with laying(self._target, self.entry.size_bytes):
                self._put_in_place()
        except BaseException:
            self._is_kept = False
            self.leave()
            raise

    def _put_in_place(self) -> None:
        for _ in range(ATTEMPTS):
            file = self._mine()
            if self._is_resumable and os.fstat(file).st_size != self._covered:
                os.ftruncate(file, self._covered)
            os.chmod(self._path, self._mode)
            try:
                os.replace(self._path, self._target)
            except FileNotFoundError:  # it was taken away since, or the folder: the next copy tells
                self._leave_to_others()
            else:
                os.close(file)
                return
        raise Conflict(f"{self._target!r}: what is on its way there was taken away {ATTEMPTS} times: try again")

    def leave(self) -> None:
        """Stops: what is there of a large file stays for the next try."""
        if self._file is None:
            return
        is_mine = is_at(self._path, self._file)
        os.close(self._file)
        if is_mine and not (self._is_kept and self._covered):
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def _read(file: int, size_bytes: int) -> bytes:
    parts: list[bytes] = []
    while size_bytes and (data := os.read(file, size_bytes)):
        parts.append(data)
        size_bytes -= len(data)
    return b"".join(parts)


def _write(file: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view[:WRITE_BYTES]) :]


def executable_too(mode: int) -> int:
    """Permissions with the executable bit, for those who may read it."""
    return stat.S_IMODE(mode) | (mode & 0o444) >> 2
