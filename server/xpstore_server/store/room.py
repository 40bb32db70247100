"""Room on a disk: a part stays free for deletions, so that a full disk can be emptied.

Whatever writes asks first (`Disk.check`, `Disk.taken`), deletions do not. Should another program take the last byte, a
deletion finds the `Reserve`: a file whose bytes are given up for it, and taken again when there is room.
"""

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xpstore_server.store.errors import StoreFull, StoreRefused, StoreUnavailable

log = logging.getLogger("xpstore")

KEPT_BYTES = 64 << 20
# A deletion of many chunks touches a page for each, as many as the database has if it is small.
RESERVE_BYTES = (4 << 20, 64 << 20)
# SQLite makes two small files when it opens a database.
LEAST_BYTES = 1 << 20

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file system says of itself."""

    total_bytes: int
    free_bytes: int  # for this user


def measure(folder: Path) -> Measured:
    found = os.statvfs(folder)
    return Measured(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class Disk:
    """The disk that a folder is on.

    Args:
        what: whose it is, as messages say it.
        folder: any on it.
        kept_mib: how much stays free for deletions; default 64, of a small disk an eighth.
        measure: says how much is free.
    """

    def __init__(
        self, what: str, folder: Path, kept_mib: int | None = None, measure: Callable[[Path], Measured] = measure
    ) -> None:
        self.what = what
        self.folder = folder
        self._measure = measure
        self._lock = threading.Lock()
        self._under_way = 0
        self.total_bytes = measure(folder).total_bytes
        self.kept_bytes = min(KEPT_BYTES, self.total_bytes // 8) if kept_mib is None else kept_mib << 20

    @property
    def free_bytes(self) -> int:
        return self._measure(self.folder).free_bytes

    def has_room(self, size_bytes: int = 0) -> bool:
        """Whether what stays free is free, once so much is written."""
        return self.free_bytes - size_bytes >= self.kept_bytes

    def full(self) -> str:
        """What to say of a disk without room."""
        free, kept = (f"{size / (1 << 20):.1f} MiB" for size in (self.free_bytes, self.kept_bytes))
        return f"disk full: {self.what} has {free} left, and {kept} stay free for deletions."

    @contextlib.contextmanager
    def taken(self, size_bytes: int) -> Iterator[None]:
        """Holds room for what the block writes: others that begin meanwhile count it.

        Raises:
            StoreFull: there is none.
        """
        with self._lock:
            self._under_way += size_bytes
            has_room = self.has_room(self._under_way)
        try:
            if not has_room:
                raise StoreFull(self.full())
            yield
        finally:
            with self._lock:
                self._under_way -= size_bytes


class Reserve:
    """A file beside a database, whose bytes are given up when a deletion finds no room.

    Args:
        database: the file of the database.
        disk: that it is on.
    """

    def __init__(self, database: Path, disk: Disk) -> None:
        self.path = database.with_name(f"{database.name}.reserve")
        self._database = database
        self._disk = disk
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """How much it should hold."""
        least, most = RESERVE_BYTES
        with contextlib.suppress(OSError):
            least = max(least, self._database.stat().st_size)
        return min(least, most, self._disk.total_bytes // 16)

    def take(self) -> None:
        """Takes what it lacks, if the disk has that and more."""
        with self._lock, contextlib.suppress(OSError):
            missing = self.size_bytes - self.held_bytes
            if missing > 0 and self._disk.has_room(missing):
                file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                try:
                    os.posix_fallocate(file, 0, self.size_bytes)
                finally:
                    os.close(file)

    def give_up(self) -> bool:
        """Makes room of it. Returns whether there was any."""
        with self._lock:
            held = self.held_bytes
            with contextlib.suppress(OSError):
                os.truncate(self.path, 0)
            return held > 0

    @property
    def held_bytes(self) -> int:
        """How much it holds."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0


def translated(error: OSError, what: str) -> StoreFull | StoreRefused | StoreUnavailable:
    """The typed error of a file that could not be written or read."""
    if error.errno in _FULL:
        return StoreFull(f"disk full: {what}: {error.strerror}.")
    if error.errno in _REFUSED:
        return StoreRefused(f"{what}: {error.strerror} ({errno.errorcode[error.errno]}).")
    return StoreUnavailable(f"{what}: {error.strerror}")


class Room:
    """What is free for a server: where its database is, if that is a file, and where its packs are, if in a folder.

    Args:
        database: the file of an SQLite database; its folder is there.
        kept_mib: as of `Disk`.

    Attributes:
        disks: that are looked at; that of a folder of packs is to be added.
        full: why nothing is written to the database, as of the last look; "" if there is room.
        reserve: what deletions may use, of SQLite.
    """

    def __init__(self, database: Path | None, kept_mib: int | None = None) -> None:
        self.disks: list[Disk] = []
        self.full = ""
        self.reserve: Reserve | None = None
        self._database: Disk | None = None
        self._told: set[str] = set()
        if database is not None:
            self._database = Disk("the database's disk", database.parent, kept_mib)
            self.disks.append(self._database)
            self.reserve = Reserve(database, self._database)

    def prepare(self) -> None:
        """Makes room for SQLite to open its files, which it cannot on a disk without any."""
        if self.reserve is not None and self._database is not None and self._database.free_bytes < LEAST_BYTES:
            self.reserve.give_up()

    def look(self) -> None:
        """Sees how much is free, says in the log what changed, and takes the reserve again if it can."""
        for disk in self.disks:
            self._tell(disk)
        if self._database is not None:
            self.full = "" if self._database.has_room() else self._database.full()
        if self.reserve is not None:
            self.reserve.take()

    def _tell(self, disk: Disk) -> None:
        is_full, is_told = not disk.has_room(), disk.what in self._told
        if is_full and not is_told:
            log.error("nothing is written but deletions: %s (%s)", disk.full(), disk.folder)
            self._told.add(disk.what)
        elif is_told and not is_full:
            log.warning("%s has room again (%s)", disk.what, disk.folder)
            self._told.discard(disk.what)
