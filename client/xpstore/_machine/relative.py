"""Relative paths in the environment: they are of the folder that the program was in when it imported this package."""

import contextlib
import os

NAMES = ("XPSTORE_HOME", "XPSTORE_CACHE", "XPSTORE_SPOOL", "XPSTORE_CONFIG", "XPSTORE_TLS_CA")


def fix_paths() -> None:
    """Writes relative paths of the environment out, so that neither this program nor what it starts changes them.

    Called once more for each client: one that a program set itself is of the folder that it is in then.
    """
    for name in NAMES:
        path = os.environ.get(name)
        if path and not path.startswith("~") and not os.path.isabs(path):
            with contextlib.suppress(OSError):  # the working folder is gone: whoever needs the path says so
                os.environ[name] = os.path.abspath(path)


fix_paths()
