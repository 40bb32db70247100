"""What the file system says of a file: whether it is the same as before, and whose it is."""

import os
from pathlib import Path
from typing import NamedTuple

# Two changes that close together may leave the same time on a file: the kernel's clock ticks up to every 10 ms, and a
# time of whole seconds is that of a file system which keeps no finer ones (FAT: even seconds).
TICK_NS = 100_000_000
COARSE_TICK_NS = 2_500_000_000
# Twice the longest tick: what is read at once waits no longer than it must.
READ_TICK_NS = 20_000_000


class Status(NamedTuple):
    """What of `os.stat_result` tells a file from what it was: a tenth of its size."""

    st_dev: int
    st_ino: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int


FileStatus = os.stat_result | Status


def identity_of(status: FileStatus) -> str:
    """What the file system says of a file: the same as long as the file is."""
    # As text: a device or inode may have more bits than SQLite's integers.
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def is_same(status: FileStatus, other: FileStatus) -> bool:
    """Whether the file system says the same of a file: as `identity_of` does, in less time."""
    return (
        status.st_mtime_ns == other.st_mtime_ns
        and status.st_ctime_ns == other.st_ctime_ns
        and status.st_size == other.st_size
        and status.st_ino == other.st_ino
        and status.st_dev == other.st_dev
    )


def until_settled_ns(status: FileStatus, at_ns: int) -> int:
    """How long to wait at a time until a change of a file leaves a trace."""
    margin = READ_TICK_NS if status.st_ctime_ns % 1_000_000_000 else COARSE_TICK_NS
    # A time that is ahead was set by hand, or by a clock that is not this one: nothing is known of it.
    past = [time_ns for time_ns in (status.st_mtime_ns, status.st_ctime_ns) if time_ns <= at_ns]
    return max(0, max(past, default=at_ns - margin) + margin - at_ns)


def is_settled(status: FileStatus, at_ns: int) -> bool:
    """Whether a file had not changed for so long at a time that a change after it leaves a trace."""
    margin = TICK_NS if status.st_mtime_ns % 1_000_000_000 else COARSE_TICK_NS
    return max(status.st_mtime_ns, status.st_ctime_ns) + margin < at_ns


def is_private(path: Path) -> bool:
    """Whether nobody but this user can write there: who could might put something else in place."""
    status = path.stat()
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
