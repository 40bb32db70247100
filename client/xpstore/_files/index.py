"""How files were cut when they were saved last: one that is unchanged since need not be read again.

The index is one SQLite file, `files.db`, in the folder `XPSTORE_CACHE`, else `$XDG_CACHE_HOME/xpstore`, else
`~/.cache/xpstore`. It may be deleted at any time. An entry counts only while path, device, inode, size, modification
and change time are all what they were; a seal over each entry keeps a damaged index from ever standing for a file.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from blake3 import blake3

from xpstore._files.cuts import pack_chunks, unpack_chunks
from xpstore._machine.databases import connected
from xpstore._machine.file_status import FileStatus, identity_of, is_private, is_settled
from xpstore._machine.settings import cache_folder
from xpstore.format.tree import Cut

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")

# Enough for a tree of a million files: if it did not fit, each save of it would push out what the next one asks for.
MAX_BYTES = 512 << 20
MAX_ROWS = 1_500_000
# What goes when the index is full: so much that it is not full again at once.
EVICTED_SHARE = 0.2
TIMEOUT_SECONDS = 1.0
# Uses are noted so seldom that reading the index is hardly ever a write.
USE_SECONDS = 86_400
# SQLite before 3.32 takes 999 parameters.
PARAMETERS = 900
BATCH_ROWS = 10_000
# An entry's row beside its path (which the index of paths repeats) and its chunks, about.
ROW_BYTES = 160

# SQLITE_ERROR (no such table or column), SQLITE_CORRUPT, SQLITE_NOTADB.
_DAMAGES = (1, 11, 26)
_SCHEMA_VERSION = 1
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    DROP TABLE IF EXISTS file;
    CREATE TABLE file (
        path BLOB NOT NULL UNIQUE, identity TEXT NOT NULL, used_at INTEGER NOT NULL,
        digest BLOB NOT NULL, seal BLOB NOT NULL, chunks BLOB NOT NULL
    );
    PRAGMA user_version = {_SCHEMA_VERSION};
    COMMIT;
"""


class FileIndex:
    """The index of one folder. Nothing that goes wrong with it is raised: it then knows nothing, or learns nothing.

    Open one for each save and before reading: a file that changed after that moment, or just before it, is not
    remembered, because it could change again without a trace.

    Args:
        folder: where it is kept, made for its owner alone if missing; None for an index that knows nothing.

    Example:
        ```python
        index = FileIndex.open_default()
        (cut,) = index.get([(path, path.stat())])
        ```
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder.absolute() / "files.db"
        self._opened_ns = time.time_ns()

    @staticmethod
    def open_default() -> "FileIndex":
        """Opens the index of this user; where no folder can be found for it, one that knows nothing."""
        return FileIndex(cache_folder())

    def get_all(self, stats: Iterable[tuple[str | Path, FileStatus]]) -> Iterator[Cut | None]:
        """As `get`, for any number of files: of as many as it stores at a time something is in memory."""
        for some in _batches(stats, BATCH_ROWS):
            yield from self.get(some)

    def get(self, stats: Sequence[tuple[str | Path, FileStatus]]) -> list[Cut | None]:
        """Says how files were cut, None for each that is new or may have changed.

        Args:
            stats: files, with what `os.stat` says of them now.
        """
        if not stats:  # bytes are saved too: they need no index
            return []
        keys = [(_key(path), identity_of(status)) for path, status in stats]
        try:
            with self._connect() as connection:
                found = _find(connection, keys)
        except Exception as error:
            self._recover(error)
            return [None] * len(keys)
        return [found.get(path) for path, _ in keys]

    def put(self, entries: Iterable[tuple[str | Path, FileStatus, Cut]]) -> None:
        """Remembers how files were cut, ten thousand in one transaction.

        Args:
            entries: files with what `os.stat` said BEFORE they were read. The caller has checked that it says the same
                afterwards.
        """
        settled = (entry for entry in entries if is_settled(entry[1], self._opened_ns))
        for some in _batches(settled, BATCH_ROWS):
            if not self._put([_row(*entry) for entry in some]):
                return

    def _put(self, rows: list[tuple[bytes, str, bytes, bytes, bytes]]) -> bool:
        for _ in range(2):
            try:
                self._make_file()
                with self._connect() as connection:
                    _store(connection, rows)
                return True
            except Exception as error:
                if not self._recover(error):
                    return False
        return False

    def _make_file(self) -> None:
        if self._path is None:
            raise FileNotFoundError
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))

    @contextlib.contextmanager
    def _connect(self) -> "Iterator[sqlite3.Connection]":
        if self._path is None or not self._path.exists():
            raise FileNotFoundError
        if not (is_private(self._path.parent) and is_private(self._path)):
            raise PermissionError
        import sqlite3  # here, as `import xpstore` need not wait for it

        with connected:
            # isolation_level: transactions are begun by hand.
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=rw", uri=True, timeout=TIMEOUT_SECONDS, isolation_level=None
            )
            try:
                _prepare(connection)
                yield connection
            finally:
                connection.close()

    def _recover(self, error: Exception) -> bool:
        """Removes the file if it is damaged. Says whether it did."""
        if self._path is None or getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGES:
            return False
        try:
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        except OSError:
            return False
        return True


def _prepare(connection: "sqlite3.Connection") -> None:
    import sqlite3  # here, as `import xpstore` need not wait for it

    with contextlib.suppress(sqlite3.OperationalError):  # another process is at it: the mode stays in the file
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA journal_size_limit = 1048576")
    ((version,),) = connection.execute("PRAGMA user_version")
    if version != _SCHEMA_VERSION:
        connection.executescript(_SCHEMA)


def _key(path: str | Path) -> bytes:
    return os.fsencode(os.path.abspath(path))


def _seal(path: bytes, identity: str, digest: bytes, chunks: bytes) -> bytes:
    return blake3(b"\0".join((path, identity.encode(), digest, chunks))).digest(8)


def _row(path: str | Path, status: FileStatus, cut: Cut) -> tuple[bytes, str, bytes, bytes, bytes]:
    key, identity = _key(path), identity_of(status)
    chunks = pack_chunks(cut.chunks)
    return key, identity, cut.digest, _seal(key, identity, cut.digest, chunks), chunks


def _find(connection: "sqlite3.Connection", keys: Sequence[tuple[bytes, str]]) -> dict[bytes, Cut]:
    found, unnoted, now = dict[bytes, Cut](), list[bytes](), int(time.time())
    identities = dict(keys)
    for paths in _batches(identities, PARAMETERS):
        query = f"SELECT path, identity, digest, seal, chunks, used_at FROM file WHERE path IN ({_marks(paths)})"
        for path, identity, digest, seal, chunks, used_at in connection.execute(query, paths):
            if identity == identities[path] and seal == _seal(path, identity, digest, chunks):
                found[path] = Cut(digest, unpack_chunks(chunks))
                if abs(now - used_at) > USE_SECONDS:
                    unnoted.append(path)
    _note_use(connection, unnoted, now)
    return found


def _note_use(connection: "sqlite3.Connection", paths: list[bytes], now: int) -> None:
    import sqlite3  # here, as `import xpstore` need not wait for it

    with contextlib.suppress(sqlite3.OperationalError):  # locked or read-only: what was found is good all the same
        for some in _batches(paths, PARAMETERS):
            connection.execute(f"UPDATE file SET used_at = ? WHERE path IN ({_marks(some)})", [now, *some])


def _store(connection: "sqlite3.Connection", rows: list[tuple[bytes, str, bytes, bytes, bytes]]) -> None:
    now = int(time.time())
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "INSERT OR REPLACE INTO file (path, identity, digest, seal, chunks, used_at) VALUES (?, ?, ?, ?, ?, ?)",
        ((*row, now) for row in rows if len(row[4]) <= MAX_BYTES // 2),
    )
    _evict(connection)
    connection.execute("COMMIT")


def _evict(connection: "sqlite3.Connection") -> None:
    ((pages, free, page_bytes, rows),) = connection.execute(
        "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count),"
        " (SELECT page_size FROM pragma_page_size), (SELECT count(*) FROM file)"
    )
    excess_bytes, excess_rows = (pages - free) * page_bytes - MAX_BYTES, rows - MAX_ROWS
    if excess_bytes <= 0 and excess_rows <= 0:
        return
    excess_bytes += int(MAX_BYTES * EVICTED_SHARE)
    excess_rows += int(MAX_ROWS * EVICTED_SHARE)
    oldest = connection.execute("SELECT rowid, 2 * length(path) + length(chunks) FROM file ORDER BY used_at, rowid")
    doomed = list[tuple[int]]()
    for rowid, size_bytes in oldest:
        if excess_bytes <= 0 and excess_rows <= 0:
            break
        doomed.append((rowid,))
        excess_bytes -= size_bytes + ROW_BYTES
        excess_rows -= 1
    connection.executemany("DELETE FROM file WHERE rowid = ?", doomed)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
