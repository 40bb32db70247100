"""The database: pools of readers and writers, and transactions that run whole or not at all."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from xpstore_server.store.engines import parse_url, sqlite_engine
from xpstore_server.store.errors import StoreFull, StoreUnavailable
from xpstore_server.store.schema import check_schema
from xpstore_server.store.transaction import Transaction, Unit, fenced
from xpstore_server.store.writers import GroupWriter, PoolWriter, translated

T = TypeVar("T")

READERS = 4
OTHERS = 12  # threads of other pools that read or write in between
CONNECTIONS = 24  # of a server to PostgreSQL: readers, writers, and those others

# Of one statement. Clients wait for 30 s if they are not told otherwise: after twice that hardly anybody listens.
CALL_SECONDS = 60.0
PATIENT_SECONDS = 3600.0  # of what nobody waits for, as sweeping a large store


class _Bound(threading.local):
    """How long a statement of this thread may take."""

    seconds = PATIENT_SECONDS


class Database:
    """A database by URL: `sqlite:///path/to/file` or `postgresql://...`."""

    def __init__(self, database_url: str, connections: int = CONNECTIONS) -> None:
        """`connections` is how many PostgreSQL gets at most, beside one for `check` and one of the watch."""
        url = parse_url(database_url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self._bound = _Bound()
        # Frees what was kept for a write that finds no room, and says whether there was any.
        self.make_room: Callable[[], bool] = lambda: False
        self._readers = ThreadPoolExecutor(READERS, "db-read")
        self._checker = ThreadPoolExecutor(1, "db-check")
        self._checked: Future[None] | None = None
        self._watch = None
        if self.is_sqlite:
            self.engine = self._reading = sqlite_engine(url, READERS + OTHERS)
            self._checking: Engine = sqlite_engine(url, 1)
            self._writers: GroupWriter | PoolWriter = GroupWriter(self.engine)
            return
        from xpstore_server.store.postgres import postgres_engines  # here, as SQLite needs it not

        self.engine, self._checking, self._watch = postgres_engines(url, connections)
        # A read of PostgreSQL is as consistent without BEGIN and ROLLBACK (each statement has its own snapshot at READ
        # COMMITTED), and saves two round trips of three.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writers = PoolWriter(self._begin, self.engine.dispose)

    def read(self, unit: Unit[T]) -> T:
        """Runs `unit` in the calling thread, in a transaction that is rolled back."""
        with translated(), self._reading.connect() as connection:
            self._limit(connection, self._bound.seconds)
            return fenced(unit)(Transaction(connection))

    def write(self, unit: Unit[T]) -> T:
        """Runs `unit` in a write transaction and returns once it is durable."""
        try:
            return self._writers.submit(fenced(unit), self._bound.seconds).result()
        except StoreFull:
            if not self.make_room():
                raise
            return self._writers.submit(fenced(unit), self._bound.seconds).result()

    async def read_async(self, unit: Unit[T]) -> T:
        """`read` from an event loop."""
        return await self.call_async(self.read, unit)

    async def call_async(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs what reads and writes by itself from an event loop, in the pool of `read_async`."""
        call = copy_context().run  # whose call it is goes with it
        return await asyncio.get_running_loop().run_in_executor(self._readers, call, self._call, function, *arguments)

    async def write_async(self, unit: Unit[T]) -> T:
        """`write` from an event loop. A caller that goes away does not undo what it asked for."""
        try:
            return await asyncio.shield(asyncio.wrap_future(self._writers.submit(fenced(unit), CALL_SECONDS)))
        except StoreFull:
            if not self.make_room():
                raise
            return await asyncio.shield(asyncio.wrap_future(self._writers.submit(fenced(unit), CALL_SECONDS)))

    def check(self, timeout_seconds: float) -> None:
        """Asks on a connection of its own whether the database answers and still has the schema of this release.

        Raises StoreUnavailable after `timeout_seconds`, and StoreRefused for another schema.
        """
        if self._checked is None or self._checked.done():
            self._checked = self._checker.submit(self._check)
        try:
            self._checked.result(timeout_seconds)
        except TimeoutError:
            raise StoreUnavailable(f"The database does not answer within {timeout_seconds:g} s.") from None

    def _check(self) -> None:
        with translated(), self._checking.connect() as connection:
            check_schema(connection)

    def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        self._bound.seconds = CALL_SECONDS
        return function(*arguments)

    @contextmanager
    def _begin(self, bound_seconds: float) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            self._limit(connection, bound_seconds)
            yield connection

    def _limit(self, connection: Connection, seconds: float) -> None:
        if self._watch is not None:
            self._watch.check()
            connection.connection.dbapi_connection.bound_seconds = seconds  # type: ignore[union-attr]

    def close(self) -> None:
        self._readers.shutdown()
        self._writers.close()
        self._checker.shutdown()
        for engine in (self.engine, self._checking):
            engine.dispose()
        if self._watch is not None:
            self._watch.close()
