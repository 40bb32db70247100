"""Who runs the write transactions: one thread that groups them on SQLite, a pool on PostgreSQL. Callers take turns."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from xpstore_server.store.engines import begin_writing
from xpstore_server.store.errors import StoreFull, StoreTooLong, StoreUnavailable
from xpstore_server.store.failures import READ_ONLY, RETRIED_STATES, meaning, sqlstate
from xpstore_server.store.transaction import Transaction, Unit
from xpstore_server.store.turns.jobs import Job, Pool, Turns
from xpstore_server.store.turns.limit import bounded

T = TypeVar("T")

WRITERS = 9
OF_ONE = 8  # of one caller at once: there is always one for others
# Commits of a group share one fsync. Units are drawn one by one, each caller's in its turn, until so much time is over:
# then all that was done is durable, and whoever came meanwhile is next.
SLICE_SECONDS = 0.02
GROUP_SIZE = 128
# Who took so long last begins a group: those before would wait for it, done and not durable.
LONG_SECONDS = 0.01
# Where ids are random, as clients in other languages make them, a hundred models change thousands of pages. Those that
# do not fit into the cache are read and written several times, and so are those of several commits where each is
# followed by a checkpoint: a fifth of all.
CACHE_KIB = 32 << 10
WAL_PAGES = 4_000  # of 4 KiB
CALLERS = 1_000  # whose last units are known
RETRIES = 8


class PoolWriter:
    """Writers of a database that takes many at once: whole units are retried when it asks for that.

    A unit whose commit got no answer may have happened: it ends as StoreUnavailable, and each call may be repeated.
    """

    def __init__(self, begin: Callable[[float], AbstractContextManager[Connection]], renew: Callable[[], None]) -> None:
        """`begin` opens a transaction with a bound for each statement in seconds; `renew` gives up idle connections."""
        self._begin = begin
        self._renew = renew
        self._pool = Pool(WRITERS, "db-write", OF_ONE)

    def submit(self, caller: str, unit: Unit[T], bound_seconds: float) -> Job[T]:
        return self._pool.submit(caller, self._run, unit, bound_seconds)

    def _run(self, unit: Unit[T], bound_seconds: float) -> T:
        with translated():
            for attempt in range(RETRIES):
                try:
                    with self._begin(bound_seconds) as connection:
                        return unit(Transaction(connection))
                except DBAPIError as error:
                    if sqlstate(error) == READ_ONLY and not attempt:
                        self._renew()  # of several hosts another may be the one that takes writes by now
                    elif sqlstate(error) not in RETRIED_STATES:
                        raise
                    time.sleep(random.uniform(0, 0.01 * 2**attempt))
        raise StoreUnavailable("The database could not serialize this write. Repeat it.")

    def close(self) -> None:
        self._pool.close()


class GroupWriter:
    """The one writer of SQLite. What waits is committed together: each unit in a savepoint, one fsync for all."""

    def __init__(self, engine: Engine, make_room: Callable[[], bool]) -> None:
        """`make_room` frees what was kept for a write that finds none, and says whether there was any."""
        self._engine = engine
        self._make_room = make_room
        self._turns = Turns()
        self._seconds = dict[str, float]()  # of each caller's last unit
        self._connection: Connection | None = None  # kept: to take one from the pool takes as long as a statement
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, caller: str, unit: Unit[T], bound_seconds: float) -> Job[T]:
        job = Job(caller, _write, (unit, bound_seconds))
        self._turns.put(job)
        return job

    def _run(self) -> None:
        job: Job[Any] | None = None
        while (job := job or self._turns.get()) is not None:
            if self._turns.is_empty:
                self._commit_alone(job)
                job = None  # it keeps nothing while it waits
            else:
                job = self._commit_group(job)
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        if self._connection is None:
            self._connection = self._engine.connect()
            for pragma in (f"cache_size={-CACHE_KIB}", f"wal_autocheckpoint={WAL_PAGES}"):
                Transaction(self._connection).at_driver(f"PRAGMA {pragma}")
        with begin_writing(self._connection):
            yield self._connection

    def _timed(self, job: Job[Any], connection: Connection) -> Any:
        began = time.monotonic()
        try:
            return job(connection)
        finally:
            if len(self._seconds) >= CALLERS:
                self._seconds.clear()
            self._seconds[job.caller] = time.monotonic() - began

    def _commit_alone(self, job: Job[Any]) -> None:
        for is_first in (True, False):
            try:
                with translated(), self._begun() as connection:
                    result = self._timed(job, connection)
            except StoreFull as error:
                if is_first and self._make_room():
                    continue
                job.future.set_exception(error)
            except BaseException as error:
                job.future.set_exception(error)
            else:
                job.future.set_result(result)
            return

    def _commit_group(self, job: Job[Any] | None) -> Job[Any] | None:
        """Commits this job and others that wait. Returns the one that is next, if it has been drawn."""
        after: Job[Any] | None = None
        taken: list[Job[Any]] = []
        done: list[tuple[Future[Any], Any]] = []
        ends_at = time.monotonic() + SLICE_SECONDS
        try:
            with translated(), self._begun() as connection:
                while job is not None:
                    taken.append(job)
                    self._do(job, connection, done)
                    is_over = time.monotonic() >= ends_at or len(taken) == GROUP_SIZE
                    job = None if is_over else self._turns.get(wait=False)
                    if job is not None and self._seconds.get(job.caller, 0) > LONG_SECONDS:
                        after, job = job, None
        except BaseException:
            # One unit may have broken the transaction of all: each alone shows which.
            for each in taken:
                if not each.future.done():
                    self._commit_alone(each)
            return after
        for future, result in done:
            future.set_result(result)
        return after

    def _do(self, job: Job[Any], connection: Connection, done: list[tuple[Future[Any], Any]]) -> None:
        try:
            with connection.begin_nested():
                done.append((job.future, self._timed(job, connection)))
        except OperationalError as error:
            if isinstance(failure := meaning(error), StoreTooLong):
                job.future.set_exception(failure)  # and not as long again
            raise
        except Exception as error:
            job.future.set_exception(error)

    def close(self) -> None:
        self._turns.close()
        self._thread.join()


def _write(unit: Unit[T], bound_seconds: float, connection: Connection) -> T:
    with bounded(connection, bound_seconds):
        return unit(Transaction(connection))


class translated:
    """Turns what a driver says of the database into the store's errors; what it says of a statement passes."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        failure = None if error is None else meaning(error)
        if failure is not None:
            raise failure from error

    def __enter__(self) -> None:
        pass
