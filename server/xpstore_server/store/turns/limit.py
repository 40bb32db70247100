"""How long statements of SQLite may take: it asks every few thousand steps whether to go on."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from xpstore_server.store.turns.jobs import Job

# A fraction of a millisecond: asking costs nothing that could be measured.
STEPS = 10_000
# How much longer than it works a statement may take in all, as other programs have the processor and the disk too.
TIMES_IN_ALL = 4
_NAME = "limit"


class Limit:
    """The bound of what a connection does now."""

    def __init__(self) -> None:
        self.ends_at = self.works_until = math.inf
        self.job: Job[Any] | None = None

    def is_over(self) -> bool:
        """Whether the statement is to be ended."""
        is_late = time.thread_time() > self.works_until or time.monotonic() > self.ends_at
        return is_late or (self.job is not None and self.job.is_left)


def put_on(connection: Any, record: Any) -> None:
    """Bounds a new connection of the driver."""
    limit = record.info[_NAME] = Limit()
    connection.set_progress_handler(limit.is_over, STEPS)


@contextmanager
def bounded(connection: Connection, seconds: float, job: Job[Any] | None = None) -> Iterator[None]:
    """Ends what works for longer, or is of a job that nobody waits for any more, with an error of the driver's.

    Args:
        connection: that is used in this thread.
        seconds: of the thread's work; of time it is `TIMES_IN_ALL` times as much.
        job: whose statements they are.
    """
    limit: Limit = connection.info[_NAME]
    limit.works_until, limit.ends_at, limit.job = (
        time.thread_time() + seconds,
        time.monotonic() + TIMES_IN_ALL * seconds,
        job,
    )
    try:
        yield
    finally:
        limit.ends_at = limit.works_until = math.inf
        limit.job = None
