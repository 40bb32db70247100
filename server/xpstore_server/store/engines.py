"""Engines of SQLAlchemy by URL: of an SQLite file, or of PostgreSQL."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from xpstore_server.store.errors import InvalidStoreURL

_SETTING = "XPSTORE_DATABASE_URL"


def parse_url(database_url: str) -> URL:
    """Reads a database URL. No message shows it: it may hold a password."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise InvalidStoreURL(f"{_SETTING}: write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidStoreURL(f"{_SETTING}: {url.get_backend_name()!r} is not supported; use sqlite or postgresql")
    if url.get_backend_name() == "sqlite" and not url.database:
        raise InvalidStoreURL(f"{_SETTING}: an in-memory SQLite database would lose everything; name a file")
    if url.get_backend_name() == "sqlite" and "?" in database_url:  # `url.query` has no word without a value
        raise InvalidStoreURL(f"{_SETTING}: write %3F for a ? in the path of an SQLite file")
    return url


# Magic numbers of network file systems (statfs(2)): SQLite's WAL needs shared memory and locks that they lack.
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "lustre", "ceph"}


def sqlite_engine(url: URL, connections: int) -> Engine:
    path = Path(str(url.database)).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(path.parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise InvalidStoreURL(f"{_SETTING}: {path} is on {kind}: SQLite needs a local disk; use PostgreSQL there")
    engine = create_engine(url, pool_size=connections, connect_args={"timeout": 30.0, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver's own transaction handling is off: it would begin too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        for pragma in (
            "auto_vacuum=INCREMENTAL",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a transaction that reads first and writes later could be refused.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def postgres_engine(url: URL, connections: int) -> Engine:
    from psycopg import Cursor, pq  # here, as SQLite needs it not

    class BinaryCursor(Cursor[Any]):
        """Takes results in binary: bytes would come as twice as much text."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.format = pq.Format.BINARY

    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return create_engine(
        url,
        pool_size=connections,
        max_overflow=8,
        pool_timeout=30,
        connect_args={"connect_timeout": 10, "application_name": "xpstore-server", "cursor_factory": BinaryCursor},
    )


def file_system(folder: Path) -> str:
    """The type of the file system a folder is on, "" where the system does not say."""
    try:
        mounts = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    for line in mounts:
        _, point, type_, *_ = line.split()
        if len(point) >= len(best) and (str(folder) + "/").startswith(point.rstrip("/") + "/"):
            best, kind = point, type_
    return kind
