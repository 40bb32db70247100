"""What the file system says of a file: whether it is the same as before, and whose it is."""

import os
from pathlib import Path

# Two changes that close together may leave the same time on a file: the kernel's clock ticks up to every 10 ms, and a
# time of whole seconds is that of a file system which keeps no finer ones (FAT: even seconds).
TICK_NS = 100_000_000
COARSE_TICK_NS = 2_500_000_000


def identity_of(status: os.stat_result) -> str:
    """What the file system says of a file: the same as long as the file is."""
    # As text: a device or inode may have more bits than SQLite's integers.
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def is_settled(status: os.stat_result, at_ns: int) -> bool:
    """Whether a file had not changed for so long at a time that a change after it leaves a trace."""
    margin = TICK_NS if status.st_mtime_ns % 1_000_000_000 else COARSE_TICK_NS
    return max(status.st_mtime_ns, status.st_ctime_ns) + margin < at_ns


def is_private(path: Path) -> bool:
    """Whether nobody but this user can write there: who could might put something else in place."""
    status = path.stat()
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
