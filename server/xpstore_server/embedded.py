"""The embedded service's home: one server for each, held by a file lock; `server.json` says where it listens."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from xpstore_server import __version__


class HomeInUse(Exception):
    """Another server holds this home or database."""


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


def announce(home: Path, address: str) -> None:
    """Says where the server listens, by rename, so that nobody reads half of it."""
    home = home.expanduser().resolve()
    draft = home / f"server.json.{os.getpid()}"
    draft.write_text(json.dumps({"address": address, "pid": os.getpid(), "version": __version__}))
    draft.rename(home / "server.json")
