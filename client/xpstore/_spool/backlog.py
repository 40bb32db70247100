"""What a writer has logged and the server does not have yet: its own sender's, or that of whoever adopts it.

Beside its segments a writer's folder has `lock`, with what an adopter should know, and `state.json`: the place up to
which the server has everything, the next number in each project, and what models made offline have become there. It
is written after the server's answer. Were it lost, the server would skip what it has.
"""

import contextlib
import json
import logging
import mmap
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xpstore._machine import locks
from xpstore._spool.record import CRC, HEAD, NUMBER_MASK, SLOT_BYTES, repaired, size_in_slots
from xpstore._spool.slice import Dictionary, Slice
from xpstore._spool.spool import Position, Spool

log = logging.getLogger("xpstore")


@dataclass(slots=True)
class State:
    """How far a writer's records were shipped.

    Attributes:
        segment: number of the first segment that has something left.
        offset: where in it.
        next: next number in each project.
        became: uids and ids that the server gave to what was made offline, "" where that was deleted since.
    """

    segment: int = 1
    offset: int = 0
    next: dict[str, int] = field(default_factory=dict)
    became: dict[str, str] = field(default_factory=dict)


class Backlog:
    """The records of one writer, read in order.

    Args:
        folder: the writer's.
        spool: the writer itself, if it lives and this is its process; else the caller has the lock.
    """

    def __init__(self, folder: Path, spool: Spool | None = None, lock: int | None = None) -> None:
        self.writer_id = folder.name
        self._folder = folder
        self._spool = spool
        self._lock = lock
        self.state = _read_state(folder)
        self._data: Any = b""
        self._data_of = 0
        self._dictionary = Dictionary()

    def read(self, limit_bytes: int) -> Slice | None:
        """The next records that the server does not have, None if there are none now.

        Args:
            limit_bytes: where to stop, whole slots; one record is read at least.
        """
        while True:
            end = self._open()
            offset = self.state.offset
            if end is not None and offset < end:
                return self._cut(offset, end, limit_bytes)
            if end is not None and not self._is_over():
                return None
            if end is None and self._is_last():
                return None
            self._next_segment()

    def read_on(self, read_bytes: int, limit_bytes: int) -> Slice | None:
        """What follows the first bytes of what `read` returned, or None: it may be in the next segment."""
        end, offset = self._open(), self.state.offset + read_bytes
        return self._cut(offset, end, limit_bytes) if end is not None and offset < end else None

    def _cut(self, offset: int, end: int, limit_bytes: int) -> Slice:
        _, _, size = HEAD.unpack_from(self._data, offset + CRC.size)
        first_bytes = size_in_slots(size) * SLOT_BYTES
        # A record that fills most of a batch goes alone.
        stop = offset + (first_bytes if first_bytes > limit_bytes // 2 else limit_bytes)
        return Slice(memoryview(self._data)[offset : min(end, stop)], self._dictionary)

    def _open(self) -> int | None:
        """Opens the present segment and returns where it ends, None if there is no such file."""
        number = self.state.segment
        if self._data_of != number:
            path = self._folder / f"{number}.log"
            try:
                self._data = _mapped(path) if self._spool else self._repaired(path)
            except FileNotFoundError:
                return None
            self._data_of = number
            self._dictionary = Dictionary()
            self._dictionary.learn_all(self._data[: self.state.offset])
        return self._spool.end_of(number) if self._spool else len(self._data)

    def _repaired(self, path: Path) -> bytes:
        data, damaged = repaired(path.read_bytes())
        if damaged:
            log.warning("%d bytes of %s are damaged, or the process ended in them: skipped", damaged * SLOT_BYTES, path)
        return data

    def _is_over(self) -> bool:
        """Whether nothing more comes into the present segment."""
        return self._spool is None or self._spool.tail().segment > self.state.segment

    def _is_last(self) -> bool:
        if self._spool is not None:
            return self._spool.tail().segment <= self.state.segment
        return not any(number > self.state.segment for number in self._numbers())

    def _numbers(self) -> Iterator[int]:
        for path in self._folder.glob("*.log"):
            with contextlib.suppress(ValueError):
                yield int(path.stem)

    def _next_segment(self) -> None:
        done = self._folder / f"{self.state.segment}.log"
        self.state.segment += 1
        self.state.offset = 0
        self.save()
        done.unlink(missing_ok=True)
        if self._spool is not None:
            self._spool.room_was_made()

    def expanded(self, project: str, number: int) -> int:
        """The whole number of a record, of which the record has the lowest 32 bits."""
        known = self.state.next.get(project, 0)
        return known + (number - known & NUMBER_MASK)

    def advance(self, *slices: Slice) -> None:
        """The server has these slices, or will never have them."""
        for slice_ in slices:
            for share in slice_.shares:
                self.state.next[share.project] = self.expanded(share.project, share.first) + share.count
            self.state.offset += slice_.size_bytes
        self.save()

    def note(self, made: str, becomes: str) -> None:
        """Notes what the server made of something, for ever: it must not become another thing later."""
        self.state.became[made] = becomes
        self.save(is_synced=True)

    def save(self, *, is_synced: bool = False) -> None:
        """Writes the state.

        Raises:
            OSError: the disk does not take what must be on it, as the server would not know it again.
        """
        try:
            self._write_state(is_synced)
        except OSError as error:
            if is_synced:
                raise
            log.debug("The disk does not take how far the spool was sent: %s", error)

    def _write_state(self, is_synced: bool) -> None:
        new = self._folder / "state.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, json.dumps(asdict(self.state)).encode())
            if is_synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(self._folder / "state.json")

    def has_reached(self, position: Position, but_bytes: int = 0) -> bool:
        """Whether everything before a place is shipped, but for its last bytes."""
        return (self.state.segment, self.state.offset + but_bytes) >= (position.segment, position.offset)

    def remove(self) -> None:
        """Deletes the folder: everything is shipped."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def release(self) -> None:
        """Gives the lock of an adopted folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _mapped(path: Path) -> mmap.mmap:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)


def _read_state(folder: Path) -> State:
    try:
        state = json.loads((folder / "state.json").read_bytes())
        if "bindings" in state:  # what earlier clients called it
            state["became"] = state.pop("bindings")
        return State(**state)
    except (OSError, ValueError, TypeError):
        return State(segment=_first_segment(folder))


def _first_segment(folder: Path) -> int:
    """Where to begin without a state: earlier segments were shipped and deleted."""
    return min((int(path.stem) for path in folder.glob("*.log") if path.stem.isdecimal()), default=1)


def adopt(server: Path, *, owner: str | None) -> Iterator[Backlog]:
    """Takes over what writers that are gone have left for a server.

    Args:
        server: the server's folder.
        owner: whose to take: none of other owners, none that was logged offline. None takes all.
    """
    try:
        with os.scandir(server) as entries:
            folders = sorted(Path(entry.path) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return
    for folder in folders:
        if backlog := _adopt(folder, owner):
            yield backlog


def _adopt(folder: Path, owner: str | None) -> Backlog | None:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # shipped and deleted just now
        return None
    try:
        if locks.take(descriptor) and os.fstat(descriptor).st_nlink and _is_wanted(descriptor, owner):
            backlog, descriptor = Backlog(folder, lock=descriptor), -1
            return backlog
        return None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def is_running(folder: Path) -> bool:
    """Whether the writer of a folder still holds its lock."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # everything is shipped, and the folder deleted
        return False
    try:
        return not locks.take(descriptor)
    finally:
        os.close(descriptor)


def _is_wanted(descriptor: int, owner: str | None) -> bool:
    if owner is None:
        return True
    try:
        header = json.loads(os.pread(descriptor, 1 << 16, 0))
        return bool(header["owner"] == owner and not header["is_offline"])
    except (ValueError, KeyError, TypeError):
        return False
