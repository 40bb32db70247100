"""SQLite files of this machine: opened for one use, by one thread at a time, and never across a fork."""

import os
import threading

# Held while a connection is open, and by whoever forks: SQLite's notes about its locks, copied into a child in the
# middle of a call, would mislead the connections that the child opens.
connected = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=connected.acquire, after_in_parent=connected.release, after_in_child=connected.release)
