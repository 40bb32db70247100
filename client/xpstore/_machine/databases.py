"""SQLite files of this machine: used by one thread at a time, and never open across a fork."""

import os
import threading
from collections.abc import Callable

# Held while a connection is in use, and by whoever forks: SQLite's notes about its locks, copied into a child in the
# middle of a call, would mislead the connections that the child opens.
connected = threading.RLock()
# Close the connections that are open between two uses.
before_fork: set[Callable[[], None]] = set()


def _before_fork() -> None:
    connected.acquire()
    for close in list(before_fork):
        close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=connected.release, after_in_child=connected.release)
