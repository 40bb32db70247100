"""Who may read a server's files: its own user alone."""

import contextlib
import logging
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

log = logging.getLogger("xpstore")

# Of group and others: to read, write or enter.
OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO
WRITE_OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH
# What SQLite keeps beside a database, and this server.
BESIDE = ("", "-wal", "-shm", "-journal", ".server.lock", ".reserve")


def files_of(database: Path) -> list[Path]:
    """A database and what lies beside it."""
    return [database.with_name(database.name + ending) for ending in BESIDE]


def narrow(paths: Iterable[Path]) -> None:
    """Takes from others what they may do with files of this user, as older releases made them; tells the rest."""
    for path, status in wide(paths):
        try:
            if status.st_uid != os.geteuid():
                raise PermissionError(0, "it belongs to another user")
            path.chmod(stat.S_IMODE(status.st_mode) & ~OF_OTHERS)
        except OSError as error:
            log.warning("others may read %s: %s", path, error.strerror)
        else:
            log.warning("others could read %s; only its owner can now", path)


def wide(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    """Those of files and folders that are there and that others may use."""
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            if status.st_mode & OF_OTHERS:
                yield path, status
