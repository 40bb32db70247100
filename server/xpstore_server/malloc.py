"""What the server must tell the C library about memory."""

import contextlib
import ctypes
import os
from pathlib import Path

# malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_LARGE_BYTES = 16 << 20
# More than streams have under way: with 32 MiB their pages came and went, for a twentieth of the CPU of an upload.
_KEPT_BYTES = 128 << 20
_GROWN_BYTES = 16 << 20
_SECONDS = 10
_STATM = Path("/proc/self/statm")


def share_arenas() -> None:
    """Makes all threads share two heaps, and keeps freed memory for what comes next. Call it before there are threads.

    glibc gives each thread a heap of its own, and chunks of 1 MiB that pass from one to another leave holes in all of
    them: with it a stream of 3 GiB made the server grow by 350 MiB, without it by 40, at a third more speed. It also
    gives large pieces back to the system as soon as they are free, and every message then faults its pages in anew.
    """
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such heaps
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


class Trimmer:
    """Gives memory back to the system that was freed and is not used again: glibc keeps what lies between other pieces.

    Looked at every second; 100 MiB take 5 ms, in which other threads wait for memory.
    """

    def __init__(self) -> None:
        self._first_bytes = _resident_bytes()
        self._seen = 0
        with contextlib.suppress(OSError, AttributeError):
            self._trim = ctypes.CDLL(None).malloc_trim

    def look(self) -> None:
        """Trims when the process has been larger than at its start for some seconds, and again after as many."""
        self._seen = self._seen + 1 if _resident_bytes() > self._first_bytes + _GROWN_BYTES else 0
        if self._seen >= _SECONDS and hasattr(self, "_trim"):
            self._trim(0)
            self._seen = 0


def _resident_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # another system
        return 0
