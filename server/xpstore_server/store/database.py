"""The database: pools of readers and writers, and transactions that run whole or not at all."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from xpstore_server.store.engines import parse_url, postgres_engine, sqlite_engine
from xpstore_server.store.transaction import Transaction, Unit
from xpstore_server.store.writers import WRITERS, GroupWriter, PoolWriter, translated

T = TypeVar("T")

READERS = 4
OTHERS = 12  # threads of other pools that read or write in between


class Database:
    """A database by URL: `sqlite:///path/to/file` or `postgresql+psycopg://...`."""

    def __init__(self, database_url: str) -> None:
        url = parse_url(database_url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = (
            sqlite_engine(url, READERS + OTHERS) if self.is_sqlite else postgres_engine(url, READERS + WRITERS + OTHERS)
        )
        # A read of PostgreSQL is as consistent without BEGIN and ROLLBACK (each statement has its own snapshot at READ
        # COMMITTED), and saves two round trips of three.
        self._reading = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readers = ThreadPoolExecutor(READERS, "db-read")
        self._writers = GroupWriter(self.engine) if self.is_sqlite else PoolWriter(self.engine)

    def read(self, unit: Unit[T]) -> T:
        """Runs `unit` in the calling thread, in a transaction that is rolled back."""
        with translated(), self._reading.connect() as connection:
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
