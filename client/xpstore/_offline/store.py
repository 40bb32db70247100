"""Artifacts that wait for a server: their chunks, and what each version shall be, in one SQLite file.

`.artifacts.sqlite` lies in a server's folder of the spool, for all programs of this user: so a program finds what one
before it has stored, and what both have is there once. A version appears whole or not at all, and stays when the
program is killed or the power fails. Chunks of a version that never came to be stay until something is sent.

Not for network file systems without locks: SQLite needs them, as the spool does.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from xpstore._machine.databases import connected
from xpstore._machine.settings import setting
from xpstore.errors import DataLoss, Error, InvalidArgument, NotFound, ResourceExhausted, Unavailable
from xpstore.format.messages import WireChunk
from xpstore.v1.artifact_pb2 import CODEC_ZSTD

FILE_NAME = ".artifacts.sqlite"
MEDIA_FILE_NAME = ".media.sqlite"
SETTING = "XPSTORE_SPOOL_ARTIFACTS_MIB"
DEFAULT_LIMIT_MIB = 10 << 10
# How long a transaction waits for those of other programs, which write at most a batch of an upload each.
BUSY_SECONDS = 60.0
# A chunk may have 1 MiB: of 16 KiB pages few are chained, and a small file wastes little.
PAGE_BYTES = 16 << 10
CACHE_KIB = 16 << 10

_VERSION = 1
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE chunk (digest BLOB NOT NULL UNIQUE, codec INTEGER, raw_bytes INTEGER, data BLOB NOT NULL);
    CREATE TABLE version (
        number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, writer TEXT NOT NULL, owner TEXT NOT NULL,
        project TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, fingerprint TEXT NOT NULL, record BLOB NOT NULL
    );
    CREATE INDEX version_name ON version (project, name, number);
    CREATE INDEX version_fingerprint ON version (project, fingerprint, number);
    CREATE TABLE need (number INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (number, digest)) WITHOUT ROWID;
    CREATE INDEX need_digest ON need (digest);
    CREATE TABLE became (made TEXT PRIMARY KEY, becomes TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""
COLUMNS = "id, writer, owner, project, name, type, fingerprint, record, number"
# SQLITE_FULL, SQLITE_BUSY, SQLITE_LOCKED; SQLITE_CORRUPT, SQLITE_NOTADB.
_FULL, _BUSY, _DAMAGES = 13, (5, 6), (11, 26)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A version that waits.

    Attributes:
        id: its id, which this client made.
        writer: the writer of the spool who made it.
        owner: digest of the key it was made with; "" if it was made offline.
        project: what tells its project from others here.
        name: of the artifact.
        type: of the artifact.
        fingerprint: of the call it is the result of; "" for a plain save.
        record: all else (`record.py`).
        number: greater than those of earlier ones; 0 before it is stored.
    """

    id: str
    writer: str
    owner: str
    project: str
    name: str
    type: str
    fingerprint: str
    record: bytes
    number: int = 0


class ArtifactStore:
    """What waits for one server.

    Args:
        folder: the server's, in the spool. Nothing is made before something is stored.
    """

    file_name = FILE_NAME
    # Set once for the file, and for each connection: what is stored stays when the power fails.
    file_pragma, pragma = "journal_mode = DELETE", "synchronous = FULL"

    def __init__(self, folder: Path) -> None:
        self.path = folder / self.file_name
        self._limit_bytes = int(setting(SETTING, DEFAULT_LIMIT_MIB) * (1 << 20))

    # Chunks

    def has(self, digests: Sequence[bytes]) -> list[bool]:
        """Says for each digest whether its chunk is here."""
        with self._open() as database:
            find = "SELECT 1 FROM chunk WHERE digest = ?"
            return [database.execute(find, (digest,)).fetchone() is not None for digest in digests]

    def put(self, chunks: Iterable[WireChunk]) -> int:
        """Stores chunks, each once, in one transaction. Returns how many are new.

        Raises:
            ResourceExhausted: the bound or the disk is met; none of them is stored.
        """
        with self._write() as database:
            return self._put(database, chunks)

    def _put(self, database: sqlite3.Connection, chunks: Iterable[WireChunk]) -> int:
        insert = "INSERT OR IGNORE INTO chunk VALUES (?, ?, ?, ?)"
        before = database.total_changes
        database.executemany(insert, (tuple(chunk) for chunk in chunks))
        count = database.total_changes - before
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        if pages * PAGE_BYTES + self._elsewhere_bytes() > self._limit_bytes:
            raise self.full("what is being stored")
        return count

    def chunks(self, digests: Iterable[bytes]) -> list[WireChunk]:
        """Returns chunks as they are stored.

        Raises:
            NotFound: one is not here.
        """
        found = []
        with self._open() as database:
            for digest in digests:
                row = database.execute("SELECT * FROM chunk WHERE digest = ?", (digest,)).fetchone()
                if row is None:
                    raise NotFound(f"The spool has no chunk {digest.hex()}: it was sent, or removed.")
                found.append(WireChunk(*row))
        return found

    def raw(self, digests: Iterable[bytes]) -> list[bytes]:
        """Returns the bytes of chunks, verified; raises as `chunks` does, and DataLoss for one that is damaged."""
        return [_decoded(chunk) for chunk in self.chunks(digests)]

    # Versions

    def add(self, version: Waiting, needs: Sequence[bytes]) -> list[bytes]:
        """Stores a version if all its chunks are here. Returns those that are not."""
        with self._write() as database:
            find = "SELECT 1 FROM chunk WHERE digest = ?"
            missing = [digest for digest in needs if database.execute(find, (digest,)).fetchone() is None]
            if not missing:
                add_version(database, version, needs)
        return missing

    def get(self, id_: str) -> Waiting | None:
        """The version of an id, None if it is not here."""
        return next(self._find("id = ?", id_), None)

    def newest(self, project: str, name: str) -> Iterator[Waiting]:
        """The versions of a name, newest first."""
        return self._find("project = ? AND name = ? ORDER BY number DESC", project, name)

    def result(self, project: str, fingerprint: str) -> Waiting | None:
        """The newest result of a call."""
        query = "project = ? AND fingerprint = ? ORDER BY number DESC LIMIT 1"
        return next(self._find(query, project, fingerprint), None)

    def after(self, number: int) -> Waiting | None:
        """The first version behind a number."""
        return next(self._find("number > ? ORDER BY number LIMIT 1", number), None)

    def count(self, writer: str) -> int:
        """How many versions of a writer wait."""
        with self._open() as database:
            count = "SELECT COUNT(*) FROM version WHERE writer = ?"
            return int(database.execute(count, (writer,)).fetchone()[0])

    def needs(self, number: int) -> list[bytes]:
        """The digests of all chunks that a version needs."""
        with self._open() as database:
            rows = database.execute("SELECT digest FROM need WHERE number = ?", (number,))
            return [digest for (digest,) in rows]

    def update(self, number: int, record: bytes) -> None:
        """Changes what a version shall be."""
        with self._write() as database:
            database.execute("UPDATE version SET record = ? WHERE number = ?", (record, number))

    def remove(self, version: Waiting, becomes: str | None) -> None:
        """Lets go of a version, and of the chunks that no other needs.

        Args:
            version: the version.
            becomes: the id that it has on the server; None if it never will be there.
        """
        with self._write() as database:
            if becomes is not None and becomes != version.id:
                database.execute("INSERT OR REPLACE INTO became VALUES (?, ?)", (version.id, becomes))
            remove_versions(database, [version.number])

    # What the server made of what was made here

    def became(self, made: str) -> str | None:
        """What has become of something that was made here, as `note` was told; None if nothing was noted."""
        with self._open() as database:
            row = database.execute("SELECT becomes FROM became WHERE made = ?", (made,)).fetchone()
            return None if row is None else str(row[0])

    def note(self, became: Mapping[str, str]) -> None:
        """Notes what the server made of things, for ever: they must not become others later."""
        with self._write() as database:
            database.executemany("INSERT OR IGNORE INTO became VALUES (?, ?)", became.items())

    # Room

    @property
    def room_bytes(self) -> int:
        """How many bytes may be added before the bound is met."""
        return self._limit_bytes - self._elsewhere_bytes() - _size_bytes(self.path)

    def full(self, what: str) -> ResourceExhausted:
        """The error of what has no room."""
        held = (self._elsewhere_bytes() + _size_bytes(self.path)) / (1 << 20)
        bound = self._limit_bytes / (1 << 20)
        return ResourceExhausted(
            f"{SETTING} = {bound:g}: there is no room for {what} in {str(self.path.parent.parent)!r}, where artifacts "
            f"that wait for a server take {held:.1f} MiB. Send them with `xpstore sync`, or set it to more."
        )

    def _elsewhere_bytes(self) -> int:
        """What waits for other servers, and in other files: the bound is one for all."""
        root = self.path.parent.parent
        paths = (path for name in (FILE_NAME, MEDIA_FILE_NAME) for path in root.glob(f"*/{name}"))
        return sum(_size_bytes(path) for path in paths if path != self.path)

    # The file

    def _find(self, where: str, *values: object) -> Iterator[Waiting]:
        with self._open() as database:
            rows = database.execute(f"SELECT {COLUMNS} FROM version WHERE {where}", values).fetchall()
        yield from (Waiting(*row) for row in rows)

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._open(is_made=True) as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # SQLite has done so itself, on a full disk
                    database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _open(self, *, is_made: bool = False) -> Iterator[sqlite3.Connection]:
        """Opens the file; one that is not there yet is like an empty one."""
        with connected, _typed(self.path):
            if is_made:
                self._make_file()
            name = str(self.path) if self.path.exists() else ":memory:"
            with contextlib.closing(sqlite3.connect(name, BUSY_SECONDS, isolation_level=None)) as database:
                _prepare(database, name, self.file_pragma, self.pragma)
                yield database

    def _make_file(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def add_version(database: sqlite3.Connection, version: Waiting, needs: Iterable[bytes]) -> None:
    """Stores a version whose chunks are all here."""
    values = (version.id, version.writer, version.owner, version.project, version.name, version.type)
    insert = f"INSERT INTO version ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"
    number = database.execute(insert, (*values, version.fingerprint, version.record)).lastrowid
    database.executemany("INSERT OR IGNORE INTO need VALUES (?, ?)", ((number, digest) for digest in needs))


def remove_versions(database: sqlite3.Connection, numbers: Iterable[int]) -> None:
    """Removes versions, and the chunks that no other needs."""
    mine = "SELECT digest FROM need WHERE number = ?"
    others = "SELECT 1 FROM need WHERE need.digest = chunk.digest AND number != ?"
    for number in numbers:
        database.execute(f"DELETE FROM chunk WHERE digest IN ({mine}) AND NOT EXISTS ({others})", (number, number))
        database.execute("DELETE FROM need WHERE number = ?", (number,))
        database.execute("DELETE FROM version WHERE number = ?", (number,))
    if database.execute("SELECT 1 FROM version LIMIT 1").fetchone() is None:
        database.execute("DELETE FROM chunk")  # those of versions that never came to be


def _prepare(database: sqlite3.Connection, name: str, file_pragma: str, pragma: str) -> None:
    database.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    database.execute(f"PRAGMA {pragma}")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise InvalidArgument(f"{name!r} was made by a newer client: update this one.")
    if version == 0:
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        database.execute("PRAGMA auto_vacuum = FULL")  # what is sent gives its bytes back
        database.execute(f"PRAGMA {file_pragma}")
        try:
            database.executescript(_SCHEMA)
        except sqlite3.OperationalError:
            if database.execute("PRAGMA user_version").fetchone()[0] == 0:  # else another program was faster
                raise


def _decoded(chunk: WireChunk) -> bytes:
    raw = bytes(chunk.data)
    if chunk.codec == CODEC_ZSTD:
        import zstandard  # here, as `import xpstore` need not wait for it

        try:
            raw = zstandard.ZstdDecompressor().decompress(raw, max_output_size=chunk.raw_size_bytes)
        except zstandard.ZstdError:
            raw = b""
    if blake3(raw).digest() != chunk.digest:
        raise DataLoss(f"The chunk {chunk.digest.hex()} in the spool is damaged: this disk has changed it.")
    return raw


@contextlib.contextmanager
def _typed(path: Path) -> Iterator[None]:
    try:
        yield
    except Error:  # some are OSErrors
        raise
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == _FULL:
            raise ResourceExhausted(f"{str(path)!r}: the disk is full. Make room, or set XPSTORE_SPOOL.") from None
        if code in _BUSY:
            raise Unavailable(f"{str(path)!r}: another program writes to it all the time. Try again.") from None
        if code in _DAMAGES:
            raise DataLoss(
                f"{str(path)!r} is damaged ({error}): this disk, or another program, has changed it."
            ) from None
        raise InvalidArgument(f"{str(path)!r} cannot be used ({error}): set XPSTORE_SPOOL to another folder.") from None
    except OSError as error:
        raise InvalidArgument(f"{str(path)!r} cannot be used ({error}): set XPSTORE_SPOOL to another folder.") from None


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
