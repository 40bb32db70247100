"""The index of files as a save uses it."""

import sqlite3
import time
from pathlib import Path

from blake3 import blake3

from xpstore._files.index import FileIndex
from xpstore.format.tree import Cut

# Longer than what a change must be away from a read to be trusted.
SETTLED_SECONDS = 0.15


def lay(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o644)
    time.sleep(SETTLED_SECONDS)
    return path


def cut_of(path: Path) -> Cut:
    digest = blake3(path.read_bytes()).digest()
    return Cut(digest, [(digest, path.stat().st_size)] if path.stat().st_size else [])


def remember(folder: Path, *paths: Path) -> None:
    """What a save does: opens the index, asks for the stat, reads, tells."""
    index = FileIndex(folder)
    index.put([(path, path.stat(), cut_of(path)) for path in paths])


def recall(folder: Path, path: Path) -> Cut | None:
    (cut,) = FileIndex(folder).get([(path, path.stat())])
    return cut


def rows(folder: Path) -> int:
    connection = sqlite3.connect(folder / "files.db")
    ((count,),) = connection.execute("SELECT count(*) FROM file")
    connection.close()
    return int(count)
