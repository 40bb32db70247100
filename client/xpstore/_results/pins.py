"""Copies that were given out as paths: they stay where they are while the process lives."""

import contextlib
import os
from pathlib import Path

from xpstore._machine import locks

# Descriptors that keep copies given out as paths from being evicted; beyond these the oldest may go.
PINS = 64

_pins: dict[str, int] = {}


def pin(folder: Path) -> None:
    """Holds a shared lock on a copy while this process lives."""
    if str(folder) in _pins:
        return
    with contextlib.suppress(OSError):  # Windows has no descriptors of folders
        descriptor = os.open(folder, os.O_RDONLY)
        locks.share(descriptor)
        _pins[str(folder)] = descriptor
        if len(_pins) > PINS:
            os.close(_pins.pop(next(iter(_pins))))


def is_free(folder: Path) -> bool:
    """Whether no process has been given a path in this copy."""
    if str(folder) in _pins:  # where locks do nothing, this process at least keeps what it gave out
        return False
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        return locks.take(descriptor)
    finally:
        os.close(descriptor)
