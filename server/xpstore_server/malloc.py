"""What the server must tell the C library about memory."""

import contextlib
import ctypes

# malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_ARENAS = 2
_KEPT_BYTES = 32 << 20


def share_arenas() -> None:
    """Makes all threads share two heaps, and keeps freed memory for what comes next. Call it before there are threads.

    glibc gives each thread a heap of its own, and chunks of 1 MiB that pass from one to another leave holes in all of
    them: with it a stream of 3 GiB made the server grow by 350 MiB, without it by 40, at a third more speed. It also
    gives large pieces back to the system as soon as they are free, and every message then faults its pages in anew.
    """
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such heaps
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES // 2)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
