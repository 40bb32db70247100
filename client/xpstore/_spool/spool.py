"""The spool: what a process logs is in a file before the call returns, and goes to the server from there.

Each client of a process writes segments of its own, `1.log`, `2.log` and so on, in a folder named by its random writer
id. They are memory-mapped: storing a record is a copy into the page cache, which the kernel keeps when the process is
killed. A power loss may take what the disk has not got yet; `XPSTORE_SPOOL_FSYNC_SECONDS` bounds that. The folder's
`lock` is held for life: whoever gets it later ships what is left (`backlog.py`).

Writer folders lie in one folder for each server, below `XPSTORE_SPOOL`, else `$XDG_STATE_HOME/xpstore/spool`, else
`~/.local/state/xpstore/spool`: on a local disk, for its owner alone. No API key is ever in it.
"""

import contextlib
import json
import logging
import os
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from xpstore._machine.settings import setting, spool_folder
from xpstore._spool.record import (
    FIRST_SERIES,
    FLOAT_POINT,
    HAS_STEP,
    INT_POINT,
    IS_INT,
    NUMBER_MASK,
    NUMBERED,
    POINT,
    POINT_BYTES,
    REFERENCE,
    SLOT_BYTES,
    RecordType,
    Target,
    pieces,
)
from xpstore._spool.segment import Segment, make_folder, make_segment, server_folder, size_bytes
from xpstore._values.checks import to_name, to_step
from xpstore.errors import InvalidArgument, ResourceExhausted, Unavailable
from xpstore.format.messages import Buffer

log = logging.getLogger("xpstore")

# Segments grow, so that a process that logs little takes little of the bound.
FIRST_SEGMENT_BYTES = 6_553 * SLOT_BYTES  # 256 KiB
SEGMENT_BYTES = 209_715 * SLOT_BYTES  # 8 MiB
# How much of a segment is got ready at a time: the first store into a page costs up to 50 us, together far less.
READY_BYTES = 64 << 10
POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14
DEFAULT_LIMIT_MIB = 1024
# How often to look whether there is room again.
FULL_SECONDS = 1.0
REPORT_SECONDS = 60.0


@dataclass(slots=True)
class _Counter:
    next: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """A series that this segment defines."""

    reference: int
    counter: _Counter


class _Full(Exception):
    pass


@dataclass(slots=True)
class Position:
    """A place in a spool: all records before it are complete."""

    segment: int
    offset: int


@dataclass(slots=True)
class _Losses:
    """What was not taken, and when that was last said."""

    count: int = 0
    reported_at: float = field(default=-REPORT_SECONDS)


class Spool:
    """Where one client of one process writes. Any thread may.

    Args:
        server: what tells this server from others: its address.
        header: what an adopter should know, see `backlog.py`.
        is_strict: raise instead of dropping when the disk bound is met.

    Raises:
        InvalidArgument: a setting is malformed.
    """

    def __init__(self, writer_id: str, server: str, header: dict[str, Any], *, is_strict: bool) -> None:
        self.writer_id = writer_id
        self.root = Path(os.devnull)
        self._fault: Exception | None = None
        self._limit_bytes = int(setting("XPSTORE_SPOOL_MIB", DEFAULT_LIMIT_MIB) * (1 << 20))
        self.is_strict = is_strict
        self._lock = threading.Lock()
        self._losses = _Losses()
        self._full_until = 0.0
        self._is_closed = False
        self._series: dict[tuple[str, str, str | None], _Known] = {}
        self._targets: dict[str, int] = {}
        self._counters: dict[str, _Counter] = {}
        self._next_reference = FIRST_SERIES
        self._segment: Segment | None = None
        self._memory: Any = b""
        self._offset = self._ready = 0
        self._retired: list[Segment] = []
        self._ends: dict[int, int] = {}
        self.folder, self._lock_descriptor = self._claim(server, header)

    def _claim(self, server: str, header: dict[str, Any]) -> tuple[Path, int]:
        """Makes this writer's folder, in a temporary one if need be; without any, nothing that is logged has room."""
        reason: Exception | None = None
        for root in (spool_folder, _temporary_folder, _memory_folder):
            try:
                self.root = root()
                claimed = make_folder(server_folder(self.root, server), self.writer_id, header)
            except (OSError, InvalidArgument) as error:
                reason = reason or error
                continue
            if reason is not None:
                log.warning("The spool is in %s, where nobody will look for it later: %s", self.root, reason)
            return claimed
        self._fault = reason
        return self.root / self.writer_id, os.open(os.devnull, os.O_RDONLY)

    @property
    def dropped_count(self) -> int:
        """How many records were not taken because the disk bound was met."""
        return self._losses.count

    def point(self, target: Target, name: str, phase: str | None, value: float, step: int | None) -> None:
        """Takes one point whose value is a float, or an int of 64 bits."""
        if type(step) is not int or not 0 <= step < 1 << 62:
            step = to_step("step", step) if step is not None else None
        time_us = time.time_ns() // 1000
        kind = FLOAT_POINT if type(value) is float else INT_POINT
        form = IS_INT if kind is INT_POINT else 0
        if step is None:
            step = 0
        else:
            form |= HAS_STEP
        with self._lock:
            # Before the look-up: a new segment knows no series.
            if self._offset + SLOT_BYTES > self._ready and not self._make_room(SLOT_BYTES):
                return
            known = self._series.get((target.model_id, name, phase)) or self._define(target, name, phase, SLOT_BYTES)
            if known is None:
                return
            counter, offset = known.counter, self._offset
            tag = known.reference << 2 | form
            body = kind.pack(counter.next & NUMBER_MASK, tag, POINT_BYTES, step, value, time_us)
            POINT.pack_into(self._memory, offset, crc32(body), body)
            self._offset = offset + SLOT_BYTES
            counter.next += 1

    def of_series(
        self, tag: RecordType, target: Target, name: str, phase: str | None, form: int, *payload: Buffer
    ) -> None:
        """Takes a record of a series that is more than a point: the payload follows the reference."""
        with self._lock:
            known = self._define(target, name, phase, SLOT_BYTES + REFERENCE.size + sum(map(len, payload)))
            if known is not None:
                reference = known.reference << 2 | form if tag == RecordType.ARRAYS else known.reference
                self._append(known.counter.next, tag, REFERENCE.pack(reference), *payload)
                known.counter.next += 1

    def of_model(self, tag: RecordType, target: Target, payload: bytes) -> None:
        """Takes any other record of a model."""
        with self._lock:
            if not self._make_room(2 * SLOT_BYTES + len(payload), target):
                return
            counter = self._counters.setdefault(target.project, _Counter())
            reference = REFERENCE.pack(self._define_target(target))
            self._append(counter.next, tag, reference, payload)
            counter.next += tag in NUMBERED

    def _append(self, number: int, tag: RecordType, *payload: Buffer) -> None:
        offset = self._offset
        for piece in pieces(number, tag, *payload):
            self._memory[offset : offset + len(piece)] = piece
            offset += len(piece)
        self._offset = offset

    def _define(self, target: Target, name: str, phase: str | None, size: int) -> _Known | None:
        """The series, defined in a segment that has room for a record of this size too; None if none has."""
        key = (target.model_id, name, phase)
        name = to_name("name", name)
        phase = to_name("phase", phase) if phase is not None else None
        # JSON may need six bytes for a character.
        definition_bytes = 4 * SLOT_BYTES + 6 * (len(name) + len(phase or ""))
        if not self._make_room(definition_bytes + size, target):
            return None
        if key in self._series:
            return self._series[key]
        reference = self._next_reference
        described = json.dumps([reference, self._define_target(target), name, phase])
        self._append(0, RecordType.SERIES, described.encode())
        self._next_reference += 1
        known = _Known(reference, self._counters.setdefault(target.project, _Counter()))
        self._series[key] = known
        return known

    def _define_target(self, target: Target) -> int:
        reference = self._targets.get(target.model_id)
        if reference is None:
            reference = self._targets[target.model_id] = self._next_reference
            self._next_reference += 1
            self._append(0, RecordType.MODEL, REFERENCE.pack(reference), target.packed())
        return reference

    def _make_room(self, size: int, target: Target | None = None) -> bool:
        """Whether there is room for so many bytes, and for the definition of a target where it has none yet."""
        is_known = target is None or target.model_id in self._targets
        definition_bytes = 0 if target is None or is_known else 2 * SLOT_BYTES + len(target.packed())
        end = self._offset + size + definition_bytes
        if end <= self._ready:
            return True
        if self._is_closed:  # while this thread was on its way here
            raise Unavailable("This client is closed.")
        try:
            if self._segment is None or end > self._segment.size:
                size += 2 * SLOT_BYTES + len(target.packed()) if target else 0
                self._rotate(size)
                end = size
            self._get_ready(end)
        except (_Full, OSError) as error:
            self._lose(self._fault or error)
            return False
        return True

    def _get_ready(self, end: int) -> None:
        """Maps the next pages, up to a place at least."""
        assert self._segment is not None
        start = self._ready
        self._ready = min(-(-max(end, start + 1) // READY_BYTES) * READY_BYTES, self._segment.size)
        with contextlib.suppress(OSError, ValueError, AttributeError):  # an older kernel, or another
            self._segment.memory.madvise(POPULATE_WRITE, start, self._ready - start)

    def _lose(self, error: Exception) -> None:
        now = time.monotonic()
        self._losses.count += 1
        if not isinstance(error, _Full):
            self._full_until = now + FULL_SECONDS
        if self.is_strict:
            raise ResourceExhausted(f"The spool {self.root} has no room: {error}") from None
        if now >= self._losses.reported_at + REPORT_SECONDS:
            self._losses.reported_at = now
            told = "The spool %s has no room, new records are dropped (%d so far): %s"
            log.warning(told, self.root, self._losses.count, error)

    def _rotate(self, size: int) -> None:
        if time.monotonic() < self._full_until:
            raise _Full(f"it may hold {self._limit_bytes >> 20} MiB (XPSTORE_SPOOL_MIB)")
        number = self._segment.number + 1 if self._segment else 1
        usual = min(FIRST_SEGMENT_BYTES << (number - 1), SEGMENT_BYTES) if number < 10 else SEGMENT_BYTES
        size = max(usual, -(-size // SLOT_BYTES) * SLOT_BYTES)
        if size_bytes(self.root) + size > self._limit_bytes:
            self._full_until = time.monotonic() + FULL_SECONDS
            raise _Full(f"it may hold {self._limit_bytes >> 20} MiB (XPSTORE_SPOOL_MIB)")
        segment = make_segment(self.folder / f"{number}.log", number, size)
        if self._segment is not None:
            self._ends[self._segment.number] = self._offset
            self._retired.append(self._segment)
        self._segment, self._memory, self._offset, self._ready = segment, segment.memory, 0, 0
        self._series, self._targets = {}, {}

    def tail(self) -> Position:
        """Where the next record will be."""
        with self._lock:
            return Position(self._segment.number if self._segment else 1, self._offset)

    def end_of(self, segment: int) -> int:
        """How much of a segment is written."""
        with self._lock:
            return self._ends.get(segment, self._offset)

    def room_was_made(self) -> None:
        """A segment was deleted: there may be room again."""
        self._full_until = 0.0

    def sync_retired(self) -> None:
        """Has the disk write the segments that are full, and lets go of them."""
        while segment := self._take_retired():
            if segment.path.exists():
                os.fsync(segment.descriptor)
            segment.memory.close()
            os.close(segment.descriptor)

    def _take_retired(self) -> Segment | None:
        with self._lock:  # whoever takes one closes it: the sender may be here while `close` is called
            return self._retired.pop() if self._retired else None

    def sync(self) -> None:
        """Has the disk write everything."""
        self.sync_retired()
        segment = self._segment
        if segment is not None:
            os.fsync(segment.descriptor)

    def close(self) -> None:
        """Lets go of everything: files that are left can be adopted. Nothing is written any more."""
        with self._lock:
            self._is_closed, self._memory, self._ready = True, b"", -1
            for segment in [*self._retired, *([self._segment] if self._segment else [])]:
                segment.memory.close()
                os.close(segment.descriptor)
            self._segment, self._retired = None, []
            os.close(self._lock_descriptor)

    def abandon(self) -> None:
        """Lets go of what a forked child got of its parent's, whose lock lives on in the parent's own descriptor."""
        self._lock = threading.Lock()
        self.close()


def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="xpstore-spool-"))


def _memory_folder() -> Path:
    """Where a container that may write to no disk still may, on Linux."""
    return Path(tempfile.mkdtemp(prefix="xpstore-spool-", dir="/dev/shm"))
