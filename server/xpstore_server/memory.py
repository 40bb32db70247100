"""The one thing the server must tell the C library about memory."""

import contextlib
import ctypes

_M_ARENA_MAX = -8  # malloc.h of glibc
_ARENAS = 2


def share_arenas() -> None:
    """Makes all threads share two heaps. Call it before there are threads.

    glibc gives each thread a heap of its own, and chunks of 1 MiB that pass from one to another leave holes in all of
    them: with it a stream of 3 GiB made the server grow by 350 MiB, without it by 40, at a third more speed.
    """
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such heaps
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
