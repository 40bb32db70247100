"""Who runs the write transactions: one thread that groups them on SQLite, a pool on PostgreSQL."""

import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from xpstore_server.store.errors import StoreUnavailable
from xpstore_server.store.failures import READ_ONLY, RETRIED_STATES, meaning, sqlstate
from xpstore_server.store.transaction import Transaction, Unit

T = TypeVar("T")
Entry = tuple[Callable[[Transaction], Any], Future[Any]]

WRITERS = 8
# Commits of a group share one fsync. The bound keeps the first unit of a group from waiting for long.
GROUP_SIZE = 128
RETRIES = 8


class PoolWriter:
    """Writers of a database that takes many at once: whole units are retried when it asks for that.

    A unit whose commit got no answer may have happened: it ends as StoreUnavailable, and each call may be repeated.
    """

    def __init__(self, begin: Callable[[float], AbstractContextManager[Connection]], renew: Callable[[], None]) -> None:
        """`begin` opens a transaction with a bound for each statement in seconds; `renew` gives up idle connections."""
        self._begin = begin
        self._renew = renew
        self._pool = ThreadPoolExecutor(WRITERS, "db-write")

    def submit(self, unit: Unit[T], bound_seconds: float) -> Future[T]:
        return self._pool.submit(self._run, unit, bound_seconds)

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
        self._pool.shutdown()


class GroupWriter:
    """The one writer of SQLite. What waits is committed together: each unit in a savepoint, one fsync for all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(writes=True)
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="db-write", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[T], bound_seconds: float) -> Future[T]:
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
            with translated(), self._engine.begin() as connection:
                result = unit(Transaction(connection))
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _commit(self, group: list[Entry]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        with translated(), self._engine.begin() as connection:
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


class translated:
    """Turns what a driver says of the database into the store's errors; what it says of a statement passes."""

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        failure = None if error is None else meaning(error)
        if failure is not None:
            raise failure from error

    def __enter__(self) -> None:
        pass
