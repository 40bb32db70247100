"""Jobs that need the server, done where nobody waits for them."""

import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

import xpstore._spool.recorder  # noqa: F401  # what it does at the end of a program must come after what is done here
from xpstore._machine.ending import is_interrupted
from xpstore._session.client import ClientBase
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore.integrations._guard import Guard

log = logging.getLogger("xpstore")

MOST_JOBS = 100_000
RETRY_SECONDS = 1.0
# How long a program that ends waits for what is left, and how long if the server does not answer.
EXIT_SECONDS = 10.0
AWAY_SECONDS = 2.0
LOOK_SECONDS = 0.05


class Background:
    """Jobs of one integration, done one after the other in a thread. While the server is away they wait in memory.

    Args:
        owner: whose, for people.
        guard: what is told of a job that fails.
        client: whose server they need.
    """

    def __init__(self, owner: str, guard: Guard, client: ClientBase) -> None:
        self._owner = owner
        self._guard = guard
        self._client = client
        self._start_anew()
        _all.add(self)

    def _start_anew(self) -> None:
        self._changed = threading.Condition()
        self._jobs: deque[Callable[[], object]] = deque()
        self._is_working = self._is_away = self._is_full = False

    def add(self, job: Callable[[], object]) -> None:
        """Has a job done after those before it. Beyond 100,000 that wait they are dropped, with a warning."""
        with self._changed:
            is_full = len(self._jobs) >= MOST_JOBS
            if not is_full:
                self._jobs.append(job)
                if not self._is_working:
                    self._is_working = True
                    threading.Thread(target=self._work, name="xpstore-integration", daemon=True).start()
            elif not self._is_full:
                log.warning("%s drops what comes now: %d records wait for the server.", self._owner, MOST_JOBS)
            self._is_full = is_full

    def do(self, job: Callable[[], object]) -> None:
        """Does a job at once if none waits."""
        if self._jobs:
            self.add(job)
        else:
            with self._guard:
                job()

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Waits until all jobs are done, by default for ten seconds, two if the server is away; whether they are."""
        start = time.monotonic()
        with self._changed:
            while self._jobs and not is_interrupted():
                seconds = timeout_seconds or (AWAY_SECONDS if self._is_away else EXIT_SECONDS)
                if time.monotonic() - start > seconds:
                    break
                self._changed.wait(LOOK_SECONDS)
            return not self._jobs

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._is_working = False
                    self._changed.notify_all()
                    return
                job = self._jobs[0]
            try:
                job()
            except (Unavailable, DeadlineExceeded) as error:
                if not self._client.is_closed and self._client.offline is None:
                    self._wait(error)
                    continue
                self._guard.tell(error)
            except Exception as error:  # whatever it is, the next job is done
                self._guard.tell(error)
            self._is_away = False
            with self._changed:
                self._jobs.popleft()

    def _wait(self, error: Exception) -> None:
        if not self._is_away:
            log.warning("%s waits for the server, and training goes on: %s", self._owner, error)
        self._is_away = True
        time.sleep(RETRY_SECONDS)

    def finish(self) -> None:
        """At the end of the program: waits a little, and says what is lost."""
        if not self.flush():
            log.warning("%s could not record all: %d records that waited are lost.", self._owner, len(self._jobs))


_all: "weakref.WeakSet[Background]" = weakref.WeakSet()


@atexit.register  # later than the recorder's, so called before it
def _finish() -> None:
    for background in list(_all):
        background.finish()


def _begin_in_child() -> None:
    for background in list(_all):
        background._start_anew()  # what waits is the parent's


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
