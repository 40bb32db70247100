"""The embedded service's home: one server for each, held by a file lock; `server.json` says where it listens."""

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

# The exit code (EX_TEMPFAIL) of a server that finds its home taken: the client that started it looks for the other one.
HOME_IN_USE = 75


class HomeInUse(Exception):
    """Another server holds this home or database."""


class UnsafeFolder(Exception):
    """Another user of this machine could put things into a folder that must be private."""


@contextlib.contextmanager
def held(lock_path: Path) -> Iterator[None]:
    """Holds an exclusive lock on a file for as long as the block runs."""
    lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(lock_path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeInUse(f"Another server is running on {lock_path.parent}.") from None
        yield


def make_private(folder: Path) -> None:
    """Makes a folder for this user alone. One that is there must be: names in a shared /tmp can be taken by anyone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise UnsafeFolder(f"{folder} must be a folder that only you can write to: remove it, or chmod 700 it.")


def announce(home: Path, address: str) -> None:
    """Says where the server listens, by rename, so that nobody reads half of it."""
    from xpstore import __version__  # here, as it loads gRPC, which must not delay taking the lock

    partial = home / f"server.json.{os.getpid()}"
    partial.write_text(json.dumps({"address": address, "pid": os.getpid(), "version": __version__}))
    partial.rename(home / "server.json")


def retract(home: Path) -> None:
    """Takes the announcement back. Called while the lock is held, so it is this server's own."""
    (home / "server.json").unlink(missing_ok=True)
