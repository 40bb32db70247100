"""Locks on files that last as long as their process, whatever way it ends."""

import sys

if sys.platform == "win32":
    import msvcrt

    def take(descriptor: int) -> bool:
        """Takes the lock of an open file, unless another process has it."""
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def share(descriptor: int) -> bool:
        """Windows has no locks to share."""
        return False

else:
    import fcntl

    def take(descriptor: int) -> bool:
        """Takes the lock of an open file, unless another process has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def share(descriptor: int) -> bool:
        """Takes a lock that any number of processes may have at once, unless one has it for itself."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
