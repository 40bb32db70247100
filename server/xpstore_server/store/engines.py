"""Engines of SQLAlchemy by URL: of an SQLite file, or of PostgreSQL."""

import os
import re
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from xpstore_server.locations import path_in
from xpstore_server.store.errors import InvalidStoreURL
from xpstore_server.store.turns.limit import put_on

_SETTING = "XPSTORE_DATABASE_URL"
_WRITES = "writes"  # of a connection whose next transaction will
_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
# Scheme and user, then all hosts, then the rest. SQLAlchemy ends a password at the first @ too.
_PARTS = re.compile(r"(?P<head>[^:/@]*://(?:[^:/@]*(?::[^@]*)?@)?)(?P<hosts>[^/?]*)(?P<tail>.*)", re.DOTALL)
_ONE_HOST = re.compile(r"(?P<name>\[[^\]]+\]|[^:\[\]\s]+)(?::(?P<port>\d+))?")


def parse_url(database_url: str) -> URL:
    """Reads a database URL. No message shows it: it may hold a password."""
    database_url = database_url.strip()
    parts = _PARTS.fullmatch(database_url)
    if parts is not None and "@" in parts["hosts"] + parts["tail"] and not database_url.startswith("sqlite"):
        raise InvalidStoreURL(f"{_SETTING}: there is a second @: write %40 for an @ in a user, password or name")
    hosts = parts["hosts"].split(",") if parts is not None else []
    if parts is not None and len(hosts) > 1:
        database_url = parts["head"] + parts["tail"]
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise InvalidStoreURL(f"{_SETTING}: write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidStoreURL(f"{_SETTING}: {url.get_backend_name()!r} is not supported; use sqlite or postgresql")
    if url.drivername not in _DRIVERS:
        raise InvalidStoreURL(
            f"{_SETTING}: the driver of {url.drivername!r} is not the one that is here; "
            f"write {url.get_backend_name()}://"
        )
    if url.get_backend_name() == "sqlite":
        return _sqlite_url(url, database_url)
    return _with_hosts(url, hosts) if len(hosts) > 1 else url


def _sqlite_url(url: URL, database_url: str) -> URL:
    if url.host is not None or url.username is not None:
        raise InvalidStoreURL(f"{_SETTING}: write sqlite:/// and then the file, so sqlite:////data/xpstore.db")
    rest = database_url.partition("://")[2].removeprefix("/")
    try:
        name = path_in("", rest) if rest else ""
    except ValueError as error:
        raise InvalidStoreURL(f"{_SETTING}: {error}") from None
    if name in ("", ":memory:"):
        raise InvalidStoreURL(f"{_SETTING}: an in-memory SQLite database would lose everything; name a file")
    if name.startswith("file:"):
        raise InvalidStoreURL(f"{_SETTING}: {name!r} is not the path of a file; write sqlite:///FILE")
    return url.set(database=str(Path(name).resolve()), query={})


def sqlite_file(database_url: str) -> Path | None:
    """The file of an SQLite database; None if it is another one."""
    url = parse_url(database_url)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def _with_hosts(url: URL, hosts: list[str]) -> URL:
    """The URL with several hosts as libpq takes them. Without a word on it, the one that takes writes is looked for."""
    found = [_ONE_HOST.fullmatch(host) for host in hosts]
    if not all(found) or "host" in url.query or "port" in url.query:
        raise InvalidStoreURL(f"{_SETTING}: write several hosts as HOST:PORT,HOST:PORT")
    names = ",".join(one["name"].strip("[]") for one in found if one)
    ports = ",".join(one["port"] or "5432" for one in found if one)
    wanted = {"target_session_attrs": "read-write", **url.query}
    return url.update_query_dict({**wanted, "host": names, "port": ports})


# Magic numbers of network file systems (statfs(2)): SQLite's WAL needs shared memory and locks that they lack.
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "lustre", "ceph"}


def sqlite_engine(url: URL, connections: int) -> Engine:
    path = Path(str(url.database))
    if path.is_dir():
        raise InvalidStoreURL(f"{_SETTING}: {path} is a folder; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(path.parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise InvalidStoreURL(f"{_SETTING}: {path} is on {kind}: SQLite needs a local disk; use PostgreSQL there")
    arguments = {"timeout": 30.0, "check_same_thread": False}
    engine = create_engine(url, pool_size=connections, hide_parameters=True, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The driver's own transaction handling is off: it would begin too late for BEGIN IMMEDIATE.
        connection.isolation_level = None
        put_on(connection, record)
        for pragma in (
            "auto_vacuum=INCREMENTAL",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=30000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    # No event of the engine: with one of any kind each statement takes a fifth longer.
    engine.dialect.do_begin = _begin  # type: ignore[assignment, method-assign]
    return engine


def begin_writing(connection: Connection) -> RootTransaction:
    """Begins a transaction that will write.

    On SQLite it takes the write lock at once: one that reads first and writes later could be refused.
    """
    connection.info[_WRITES] = True
    return connection.begin()


def _begin(connection: Any) -> None:
    connection.dbapi_connection.execute("BEGIN IMMEDIATE" if connection.info.pop(_WRITES, False) else "BEGIN")


def file_system(folder: Path) -> str:
    """The type of the file system a folder is on, "" where the system does not say."""
    try:
        mounts = Path("/proc/mounts").read_bytes().splitlines()
    except OSError:
        return ""
    place = os.fsencode(folder) + b"/"
    best, kind = b"", ""
    for line in mounts:
        _, escaped, type_, *_ = line.split()
        # Spaces and the like are three octal digits behind a backslash (proc(5)).
        point = re.sub(rb"\\([0-7]{3})", lambda digits: bytes([int(digits[1], 8)]), escaped)
        if len(point) >= len(best) and place.startswith(point.rstrip(b"/") + b"/"):
            best, kind = point, os.fsdecode(type_)
    return kind
