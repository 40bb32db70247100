"""The database: pools of readers and writers, and transactions that run whole or not at all."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from xpstore_server.store.engines import parse_url, sqlite_engine
from xpstore_server.store.errors import StoreUnavailable
from xpstore_server.store.schema import check_schema
from xpstore_server.store.transaction import Transaction, Unit, fenced
from xpstore_server.store.turns.jobs import HEAVY, Job, Pool, current
from xpstore_server.store.turns.limit import bounded
from xpstore_server.store.writers import GroupWriter, PoolWriter, translated

T = TypeVar("T")

READERS = 6
# Of one caller at once: there are always some for others. What SQLite reads is made by threads of this process, which
# run one at a time for the most part; who waits for PostgreSQL lets others run.
OF_ONE, OF_ONE_AWAY = 2, 4
OTHERS = 12  # threads of other pools that read or write in between
CONNECTIONS = 24  # of a server to PostgreSQL: readers, writers, and those others

# Of one statement that a call waits for: of reads, of those whose cost their caller can choose, and of writes. Clients
# wait for 30 s if they are not told otherwise.
CALL_SECONDS = 60.0
SEARCH_SECONDS = 5.0
WRITE_SECONDS = 20.0
PATIENT_SECONDS = 3600.0  # of what nobody waits for, as sweeping a large store


class Database:
    """A database by URL: `sqlite:///path/to/file` or `postgresql://...`."""

    def __init__(self, database_url: str, connections: int = CONNECTIONS) -> None:
        """`connections` is how many PostgreSQL gets at most, beside one for `check` and one of the watch."""
        url = parse_url(database_url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        # Frees what was kept for a write that finds no room, and says whether there was any.
        self.make_room: Callable[[], bool] = lambda: False
        # Whose call this is, "" for what the server does by itself: callers take turns.
        self.caller: Callable[[], str] = lambda: ""
        self._readers = Pool(READERS, "db-read", OF_ONE if self.is_sqlite else OF_ONE_AWAY)
        self._checker = ThreadPoolExecutor(1, "db-check")
        self._checked: Future[None] | None = None
        self._watch = None
        if self.is_sqlite:
            self.engine = self._reading = sqlite_engine(url, READERS + OTHERS)
            self._checking: Engine = sqlite_engine(url, 1)
            self._writers: GroupWriter | PoolWriter = GroupWriter(self.engine, lambda: self.make_room())
            return
        from xpstore_server.store.postgres import postgres_engines  # here, as SQLite needs it not

        self.engine, self._checking, self._watch = postgres_engines(url, connections)
        # A read of PostgreSQL is as consistent without BEGIN and ROLLBACK (each statement has its own snapshot at READ
        # COMMITTED), and saves two round trips of three.
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writers = PoolWriter(self._begin, self.engine.dispose)

    def read(self, unit: Unit[T], seconds: float | None = None) -> T:
        """Runs `unit` in the calling thread, in a transaction that is rolled back.

        Args:
            seconds: what it may take, in place of what all reads may.
        """
        engine = self._reading if seconds is None else self.engine
        with translated(), engine.connect() as connection:
            if seconds is not None and not self.is_sqlite:
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            bound_seconds = seconds or (CALL_SECONDS if self.caller() else PATIENT_SECONDS)
            with self._bounded(connection, bound_seconds, current()):
                return fenced(unit)(Transaction(connection))

    def write(self, unit: Unit[T]) -> T:
        """Runs `unit` in a write transaction and returns once it is durable."""
        return self._submit(unit).future.result()

    async def read_async(self, unit: Unit[T], seconds: float | None = None, *, is_heavy: bool = False) -> T:
        """`read` from an event loop."""
        return await self.call_async(self.read, unit, seconds, is_heavy=is_heavy)

    async def call_async(self, function: Callable[..., T], *arguments: Any, is_heavy: bool = False) -> T:
        """Runs what reads and writes by itself from an event loop, in the pool of `read_async`.

        It takes its caller's turn. If the caller goes away it does not begin, or its read under way is ended.

        Args:
            is_heavy: it takes Python tens of milliseconds; of each caller one such runs at once.
        """
        job = self._readers.submit(self.caller() + HEAVY * is_heavy, function, *arguments)
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            job.leave()
            raise

    async def write_async(self, unit: Unit[T]) -> T:
        """`write` from an event loop. A caller that goes away does not undo what has begun."""
        return await asyncio.wrap_future(self._submit(unit).future)

    def _submit(self, unit: Unit[T]) -> Job[T]:
        caller = self.caller()
        return self._writers.submit(caller, fenced(unit), WRITE_SECONDS if caller else PATIENT_SECONDS)

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

    @contextmanager
    def _begin(self, bound_seconds: float) -> Iterator[Connection]:
        with self.engine.begin() as connection, self._bounded(connection, bound_seconds):
            yield connection

    @contextmanager
    def _bounded(self, connection: Connection, seconds: float, job: Job[Any] | None = None) -> Iterator[None]:
        """Ends statements that take longer, or that nobody waits for any more."""
        if self._watch is None:
            with bounded(connection, seconds, job):
                yield
            return
        self._watch.check()
        driver: Any = connection.connection.dbapi_connection
        driver.bound_seconds = seconds
        if job is None:
            yield
            return
        job.hurry_by(driver.hurry)
        try:
            yield
        finally:
            job.hurry_by(None)

    def close(self) -> None:
        self._readers.close()
        self._writers.close()
        self._checker.shutdown()
        for engine in (self.engine, self._checking):
            engine.dispose()
        if self._watch is not None:
            self._watch.close()
