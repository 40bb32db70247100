"""The admin's key in a file: made for its owner alone, never taken from a file that somebody else may have written."""

import contextlib
import logging
import os
import secrets
import stat
from pathlib import Path

from xpstore_server.core import access
from xpstore_server.locations import shown
from xpstore_server.rights import OF_OTHERS, WRITE_OF_OTHERS
from xpstore_server.settings import StartError

log = logging.getLogger("xpstore")

SETTING = "XPSTORE_ADMIN_KEY_FILE"
CURE = "remove the file, and xpstore-server makes a key"


def read_or_make_key(path: Path) -> str:
    """Returns the key in a file, or puts a fresh one there that only its owner can read.

    Raises:
        StartError: others could have put the key there, or it is none.
    """
    if not path.exists():
        _make(path)
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise StartError(f"{shown(path)} ({SETTING}) is no file")
        # Files of secrets that an orchestrator lays down are root's, and often everybody's to read.
        if status.st_mode & WRITE_OF_OTHERS or status.st_uid not in (os.geteuid(), 0):
            raise StartError(f"{shown(path)} ({SETTING}) can be written by others: chmod 600 it, and make it your own")
        key = file.read(access.LONGEST + 1).decode("ascii", "replace").strip()
    if not access.is_possible(key):
        raise StartError(f"{shown(path)} ({SETTING}) holds no API key, or one that is cut off or mistyped: {CURE}")
    if not access.is_strong(key):
        raise StartError(
            f"{shown(path)} ({SETTING}) holds a key that can be guessed, with {access.LEAST_LENGTH} random characters "
            f"it could not: {CURE}"
        )
    if status.st_mode & OF_OTHERS:
        log.warning("others may read the admin's key in %s: chmod 600 it", shown(path))
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A name that nobody can guess, and no link that somebody has laid there, in a folder that others can write to.
    partial_path = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with open(os.open(partial_path, flags, 0o600), "w") as file:
            file.write(access.new_key() + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(partial_path, path)  # of two servers that start at once one key wins, and nobody reads half of it
    finally:
        partial_path.unlink(missing_ok=True)
