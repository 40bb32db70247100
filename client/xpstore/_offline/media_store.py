"""Media that wait for a server, in a file of their own beside the artifacts that do (`store.py`).

A training loop logs many, and must not wait for the disk: in SQLite's write-ahead mode what is stored is in the page
cache when a call returns. It stays when the program is killed; when the power fails the last may be lost, and nothing
that was stored before.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from xpstore._machine.databases import before_fork, connected
from xpstore._offline.store import (
    BUSY_SECONDS,
    COLUMNS,
    MEDIA_FILE_NAME,
    ArtifactStore,
    Waiting,
    add_version,
    prepare,
    remove_versions,
    typed,
)
from xpstore.format.messages import WireChunk


class MediaStore(ArtifactStore):
    """What waits for one server."""

    file_name = MEDIA_FILE_NAME
    file_pragma, pragma = "journal_mode = WAL", "synchronous = NORMAL"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # The last connection to be closed has the disk write all of it: 15 ms, which only the last use shall take.
        self._database: sqlite3.Connection | None = None
        self._file = (0, 0)

    def keep(self, version: Waiting, chunks: Sequence[WireChunk]) -> None:
        """Stores a version with all that it needs, in one transaction.

        Raises:
            ResourceExhausted: the bound or the disk is met; nothing is stored.
        """
        with self._write() as database:
            self._put(database, chunks)
            add_version(database, version, [chunk.digest for chunk in chunks])

    def some(self, number: int, most: int) -> list[Waiting]:
        """The first versions behind a number, in their order."""
        with self._open() as database:
            query = f"SELECT {COLUMNS} FROM version WHERE number > ? ORDER BY number LIMIT ?"
            return [Waiting(*row) for row in database.execute(query, (number, most))]

    def remove_all(self, versions: Iterable[Waiting]) -> None:
        """Lets go of versions, and of the chunks that no other needs."""
        with self._write() as database:
            remove_versions(database, [version.number for version in versions])

    def close(self) -> None:
        """Closes the file until its next use."""
        with connected, contextlib.suppress(sqlite3.Error):
            database, self._database = self._database, None
            before_fork.discard(self.close)
            if database is not None:
                database.close()

    @contextlib.contextmanager
    def _open(self, *, is_made: bool = False) -> Iterator[sqlite3.Connection]:
        with connected, typed(self.path):
            if self.path.exists():
                yield self._opened()
            elif is_made:
                # Only here: to open and close a file by hand gives up all locks that SQLite has on it in this process.
                self.close()
                self._make_file()
                yield self._opened()
            else:
                with super()._open() as empty:
                    yield empty

    def _opened(self) -> sqlite3.Connection:
        """The connection to the file that is there, which somebody may have removed since the last use."""
        status = os.stat(self.path)
        if self._database is None or self._file != (status.st_dev, status.st_ino):
            self.close()
            # Used under `connected`, whichever thread that is.
            database = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                prepare(database, str(self.path), self.file_pragma, self.pragma)
            except BaseException:
                database.close()
                raise
            self._database, self._file = database, (status.st_dev, status.st_ino)
            before_fork.add(self.close)
        return self._database
