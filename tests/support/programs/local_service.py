"""One service on SQLite and this disk: what identity does is the same on every store."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.backends import sqlite_url
from support.programs.running import Json
from support.services import Server


@contextmanager
def local_service(folder: Path) -> Iterator[Json]:
    """Yields its `address`, `api_key` and the id of a `project`."""
    with Server(sqlite_url(folder / "xpstore.db"), (folder / "blobs").as_uri(), folder) as server:
        yield {"address": server.address, "api_key": server.api_key, "project": f"programs {secrets.token_hex(6)}"}
