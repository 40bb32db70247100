"""The database: pools of readers and writers, and transactions that run whole or not at all.

A unit of work is a function of a transaction. It may run more than once (PostgreSQL asks for that on a
serialization failure or deadlock), so it must have no effect outside its transaction.
"""

import asyncio
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from sqlalchemy import (
    Connection,
    CursorResult,
    Engine,
    Executable,
    Insert,
    Table,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from xpstore_server.store.errors import InvalidStoreURL, StoreUnavailable

T = TypeVar("T")

READERS = 4
WRITERS = 8
OTHERS = 12  # threads of other pools that read or write in between
# Commits of a group share one fsync. The bound keeps the first unit of a group from waiting for long.
GROUP_SIZE = 128
RETRIES = 8
RETRIED_STATES = frozenset({"40001", "40P01"})


class Clock:
    """This process's clock in microseconds, never the same twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_us = 0

    def now_us(self) -> int:
        with self._lock:
            self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
            return self._last_us


_clock = Clock()
_NOW = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


class Transaction:
    """What a unit of work gets: statements, the database's clock, and inserts that give way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_sqlite = connection.dialect.name == "sqlite"

    def execute(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs one statement with the values of its parameters, once for each if several are given.

        Building a statement costs more than running it: those on hot paths are made once, at import.
        """
        return cast("CursorResult[Any]", self._connection.execute(statement, values))

    def now_us(self) -> int:
        """The database's clock, so that replicas agree. SQLite has one server: its own clock will do."""
        if self.is_sqlite:
            return _clock.now_us()
        return int(self._connection.execute(_NOW).scalar_one())

    def insert(self, table: Table, *rows: dict[str, Any]) -> None:
        """Inserts rows; a key that is taken raises IntegrityError."""
        if rows:
            self._connection.execute(_insert(table), _one_or_many(rows))

    def insert_ignore(self, table: Table, *rows: dict[str, Any]) -> int:
        """Inserts the rows whose unique keys are free and returns how many that were."""
        if not rows:
            return 0
        statement = _insert_ignore(table, self.is_sqlite)
        # Without the option psycopg's count of several rows is lost.
        options = {"preserve_rowcount": True}
        return self._connection.execute(statement, _one_or_many(rows), execution_options=options).rowcount

    def insert_many(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> int:
        """`insert_ignore` of rows as tuples of all columns in their order, ids by `as_key`, straight to the driver.

        For the rows of a pack's chunks the way through SQLAlchemy takes four times as long.
        """
        if not rows:
            return 0
        options = {"preserve_rowcount": True}
        sql = _insert_many(table, self.is_sqlite)
        return self._connection.exec_driver_sql(sql, list(rows), execution_options=options).rowcount

    def upsert_many(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts rows as tuples like `insert_many`; one whose primary key is there takes the place of that row."""
        if rows:
            self._connection.exec_driver_sql(_upsert_many(table, self.is_sqlite), list(rows))

    def as_key(self, id_: str) -> str:
        """An id as the driver takes it: SQLite keeps 32 digits, PostgreSQL reads any form."""
        return id_.replace("-", "")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What fails inside is undone alone, and the transaction goes on."""
        with self._connection.begin_nested():
            yield


@cache
def _insert(table: Table) -> Insert:
    return table.insert()


@cache
def _insert_ignore(table: Table, is_sqlite: bool) -> Insert:
    insert = sqlite.insert if is_sqlite else postgresql.insert
    return insert(table).on_conflict_do_nothing()


@cache
def _insert_many(table: Table, is_sqlite: bool) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    marks = ", ".join(["?" if is_sqlite else "%s"] * len(table.c))
    return f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'


@cache
def _upsert_many(table: Table, is_sqlite: bool) -> str:
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    others = [f'"{column.name}"' for column in table.c if not column.primary_key]
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    insert = _insert_many(table, is_sqlite).removesuffix(" DO NOTHING")
    return f"{insert} ({keys}) DO UPDATE SET {changes}"


def _one_or_many(rows: tuple[dict[str, Any], ...]) -> dict[str, Any] | list[dict[str, Any]]:
    return rows[0] if len(rows) == 1 else list(rows)  # the machinery for many makes one row slower


Unit = Callable[[Transaction], T]
Entry = tuple[Callable[[Transaction], Any], Future[Any]]


class Database:
    """A database by URL: `sqlite:///path/to/file` or `postgresql+psycopg://...`."""

    def __init__(self, database_url: str) -> None:
        url = parse_url(database_url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self.is_sqlite else _postgres_engine(url)
        # A read of PostgreSQL is as consistent without BEGIN and ROLLBACK (each statement has its own snapshot at READ
        # COMMITTED), and saves two round trips of three.
        self._reading = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readers = ThreadPoolExecutor(READERS, "db-read")
        self._writers = GroupWriter(self.engine) if self.is_sqlite else PoolWriter(self.engine)

    def read(self, unit: Unit[T]) -> T:
        """Runs `unit` in the calling thread, in a transaction that is rolled back."""
        with _translated(), self._reading.connect() as connection:
            return unit(Transaction(connection))

    def write(self, unit: Unit[T]) -> T:
        """Runs `unit` in a write transaction and returns once it is durable."""
        return self._writers.submit(unit).result()

    async def read_async(self, unit: Unit[T]) -> T:
        """`read` from an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read, unit)

    async def call_async(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs what reads and writes by itself from an event loop, in the pool of `read_async`."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *arguments)

    async def write_async(self, unit: Unit[T]) -> T:
        """`write` from an event loop. A caller that goes away does not undo what it asked for."""
        return await asyncio.shield(asyncio.wrap_future(self._writers.submit(unit)))

    def close(self) -> None:
        self._readers.shutdown()
        self._writers.close()
        self.engine.dispose()


class PoolWriter:
    """Writers of a database that takes many at once: whole units are retried when it asks for that."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(WRITERS, "db-write")

    def submit(self, unit: Unit[T]) -> Future[T]:
        return self._pool.submit(self._run, unit)

    def _run(self, unit: Unit[T]) -> T:
        for attempt in range(RETRIES):
            try:
                with _translated(), self._engine.begin() as connection:
                    return unit(Transaction(connection))
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in RETRIED_STATES:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**attempt))
        raise StoreUnavailable("The database could not serialize this write. Repeat it.")

    def close(self) -> None:
        self._pool.shutdown()


class GroupWriter:
    """The one writer of SQLite. What waits is committed together: each unit in a savepoint, one fsync for all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(writes=True)
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[T]) -> Future[T]:
        if self._closed:
            raise StoreUnavailable("The server is shutting down.")
        future: Future[T] = Future()
        self._queue.put((unit, future))
        return future

    def _run(self) -> None:
        while group := self._next_group():
            if len(group) == 1:
                self._commit_alone(*group[0])
                continue
            try:
                self._commit(group)
            except BaseException:
                # One unit may have broken the transaction of all: each alone shows which.
                for unit, future in group:
                    if not future.done():
                        self._commit_alone(unit, future)

    def _commit_alone(self, unit: Unit[Any], future: Future[Any]) -> None:
        try:
            with _translated(), self._engine.begin() as connection:
                result = unit(Transaction(connection))
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _commit(self, group: list[Entry]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        with _translated(), self._engine.begin() as connection:
            for unit, future in group:
                try:
                    with connection.begin_nested():
                        done.append((future, unit(Transaction(connection))))
                except OperationalError:
                    raise
                except Exception as error:
                    future.set_exception(error)
        for future, result in done:
            future.set_result(result)

    def _next_group(self) -> list[Entry]:
        group: list[Entry] = []
        entry = self._queue.get()
        while entry is not None:
            if entry[1].set_running_or_notify_cancel():
                group.append(entry)
            if len(group) == GROUP_SIZE:
                return group
            if group and self._queue.empty():
                return group
            entry = self._queue.get()
        if group:
            self._queue.put(None)  # finish these first, then see the end again
        return group

    def close(self) -> None:
        self._closed = True
        self._queue.put(None)
        self._thread.join()


class _translated:
    """Turns "the database is away" into StoreUnavailable; every other error passes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in RETRIED_STATES:
            return
        if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
            raise StoreUnavailable(f"The database does not answer ({type(error).__name__}).") from error


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


def _sqlite_engine(url: URL) -> Engine:
    path = Path(str(url.database)).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(path.parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise InvalidStoreURL(f"{_SETTING}: {path} is on {kind}: SQLite needs a local disk; use PostgreSQL there")
    engine = create_engine(url, pool_size=READERS + OTHERS, connect_args={"timeout": 30.0, "check_same_thread": False})

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


def _postgres_engine(url: URL) -> Engine:
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
        pool_size=READERS + WRITERS + OTHERS,
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
