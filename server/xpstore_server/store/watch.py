"""Notices when PostgreSQL falls silent, and frees the threads that wait for it.

A host that lost its power, or a firewall that forgot a connection, sends no end: a thread that waits for an answer
would wait for hours, and where a relay between acknowledges what is sent TCP's own time-outs see nothing. So one thread
looks at every answer that is late, and asks the database itself, on a new connection:

- It answers, and that connection's backend is not at work: the answer was lost. The connection is broken off.
- It answers, and the backend is at work: right so, up to the bound of the unit; what takes longer is cancelled.
- It does not answer, twice: it is silent. All that waits is broken off, and until it answers again units fail at once.

What is broken off ends with an error in the thread that waits; the pool then opens new connections only.
"""

import contextlib
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar
from weakref import WeakSet

import psycopg

from xpstore_server.store.errors import StoreUnavailable

log = logging.getLogger("xpstore")

T = TypeVar("T")

TICK_SECONDS = 0.5
LATE_SECONDS = 1.5  # nearly all statements take milliseconds, and looking at a late one costs one connection
PAUSE_SECONDS = 1.0  # between two looks at what is late
PROBE_SECONDS = 2  # the least that psycopg takes
PROBES = 2  # without an answer, until the database counts as silent: one may be lost on a crowded machine

# One that waits for its client is not at work: it never got the whole question, or nobody takes its answer.
_AT_WORK = """
SELECT pid FROM pg_stat_activity
WHERE pid = ANY(%s) AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
"""
# The age keeps a later backend, to which the system gave the same id, from being ended.
_END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = %s AND usename = current_user AND backend_start < clock_timestamp() - make_interval(secs => %s)
"""
_CANCEL = "SELECT pg_cancel_backend(%s)"


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that tells since when it waits, and that can be broken off while it does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made_at = time.monotonic()
        self.backend = 0  # the process id of what serves it; 0 behind a pooler, where that changes
        self.bound_seconds = math.inf  # of one statement
        self.asked_at = 0.0
        self.heard_at = 0.0
        self.answered_at = 0.0
        self._is_waiting = False
        self._lock = threading.Lock()

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **options: Any) -> T:
        self.asked_at = self.heard_at = time.monotonic()
        self._is_waiting = True
        try:
            result = super().wait(self._listening(gen), *arguments, **options)
            self.answered_at = time.monotonic()
            return result
        finally:
            with self._lock:
                self._is_waiting = False

    def _listening(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        """Notes each moment at which something went through, so that a long answer on a thin line is not late."""
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready:
                    self.heard_at = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def late(self, now: float) -> float | None:
        """When the statement was begun whose answer is late, None if none is."""
        most_seconds = LATE_SECONDS if self.bound_seconds else 0.0
        return self.asked_at if self._is_waiting and now - self.heard_at > most_seconds else None

    def hurry(self) -> None:
        """Nobody wants the answer any more: the watch ends the statement at its next turn."""
        if self.backend:  # else the connection would have to go with it, and its bound will do
            self.bound_seconds = 0.0

    def break_off(self, asked_at: float) -> bool:
        """Ends the wait for the answer of that statement with an error, if it still lasts."""
        with self._lock:  # while it is held the socket is this connection's
            if not self._is_waiting or self.asked_at != asked_at:
                return False
            with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
            return True


class Watch:
    """Watches the connections of one process to one database."""

    def __init__(self, connect: Callable[[int], WatchedConnection]) -> None:
        """`connect` opens a connection for the watch itself, within that many seconds."""
        self._connect = connect
        self._connections: WeakSet[WatchedConnection] = WeakSet()
        self._lock = threading.Lock()
        self._failed_probes = 0
        self._silent_since: float | None = None
        self._doubted: dict[WatchedConnection, float] = {}  # not at work at the last look
        self._stranded: list[WatchedConnection] = []  # broken off, their backends perhaps still there
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="db-watch", daemon=True)
        self._thread.start()

    def add(self, connection: WatchedConnection) -> None:
        with self._lock:
            self._connections.add(connection)

    def check(self) -> None:
        """Raises StoreUnavailable while the database is silent, so that no thread waits for it."""
        since = self._silent_since
        if since is not None:
            raise StoreUnavailable(f"The database has been silent for {time.monotonic() - since:.0f} s.")

    def suspect(self) -> None:
        """A connection got no answer in its time: as good as all probes without one."""
        self._failed_probes = PROBES
        self._silent(time.monotonic())
        self._changed.set()

    def close(self) -> None:
        self._stopped.set()
        self._changed.set()
        self._thread.join(PROBE_SECONDS * 2)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait(TICK_SECONDS)
            self._changed.clear()
            try:
                self._turn()
            except Exception:
                log.exception("the watch over the database's connections failed, and goes on")

    def _turn(self) -> None:
        while not self._stopped.is_set():
            now = time.monotonic()
            late = {one: asked for one in self._all() if (asked := one.late(now)) is not None}
            if not late and self._silent_since is None:
                self._doubted.clear()
                self._failed_probes = 0
                return
            if self._answers(now, late):
                self._failed_probes = 0
                self._heard()
                self._stopped.wait(PAUSE_SECONDS)
            else:
                self._failed_probes += 1
                if self._failed_probes >= PROBES:
                    self._silent(now)
                    self._stopped.wait(TICK_SECONDS)

    def _all(self) -> list[WatchedConnection]:
        with self._lock:
            return list(self._connections)

    def _answers(self, started: float, late: dict[WatchedConnection, float]) -> bool:
        try:
            with contextlib.closing(self._connect(PROBE_SECONDS)) as probe, _ended_after(probe, PROBE_SECONDS):
                self._settle(probe, started, late)
        except psycopg.Error as error:
            is_said = error.sqlstate is not None or "FATAL:" in str(error)  # no, but said by the database
            return is_said or any(one.answered_at > started for one in self._all())
        return True

    def _settle(self, probe: WatchedConnection, started: float, late: dict[WatchedConnection, float]) -> None:
        """The database answers: ends what waits for a lost answer, and cancels what takes longer than it may."""
        ids = [one.backend for one in late if one.backend]
        at_work = {row[0] for row in probe.execute(_AT_WORK, [ids])} if ids else set()
        doubted, self._doubted = self._doubted, {}
        for one, asked_at in late.items():
            is_overdue = started - asked_at > one.bound_seconds
            if one.backend in at_work:
                if is_overdue:
                    if one.bound_seconds:
                        log.warning("a statement took more than %.0f s and is cancelled", one.bound_seconds)
                    probe.execute(_CANCEL, [one.backend])
            elif is_overdue or (one.backend and doubted.get(one) == asked_at):
                self._break_off(one, asked_at)
            else:  # its answer may just be coming: a second look decides
                self._doubted[one] = asked_at
        while self._stranded:  # what they hold, locks too, would stay until the database notices by itself
            one = self._stranded[-1]
            if one.backend:
                probe.execute(_END, [one.backend, max(0.0, time.monotonic() - one.made_at - 5)])
            self._stranded.pop()

    def _break_off(self, one: WatchedConnection, asked_at: float) -> None:
        if one.break_off(asked_at):
            log.warning("an answer of the database was lost, and its connection is given up")
            self._stranded.append(one)

    def _heard(self) -> None:
        since, self._silent_since = self._silent_since, None
        if since is not None:
            log.warning("the database answers again after %.0f s", time.monotonic() - since)

    def _silent(self, now: float) -> None:
        if self._silent_since is None:
            self._silent_since = now
            log.error("the database is silent: what waits for it is broken off, and calls fail until it answers")
        for one in self._all():
            asked_at = one.late(time.monotonic())
            if asked_at is not None:
                self._break_off(one, asked_at)


@contextlib.contextmanager
def _ended_after(connection: WatchedConnection, seconds: float) -> Generator[None]:
    """Breaks off the connection's statement when the time is over."""
    timer = threading.Timer(seconds, lambda: connection.break_off(connection.asked_at))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
