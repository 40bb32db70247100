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
_NAME = "limit"


class Limit:
    """The bound of what a connection does now."""

    def __init__(self) -> None:
        self.ends_at = math.inf
        self.job: Job[Any] | None = None

    def is_over(self) -> bool:
        """Whether the statement is to be ended."""
        return time.monotonic() > self.ends_at or (self.job is not None and self.job.is_left)


def put_on(connection: Any, record: Any) -> None:
    """Bounds a new connection of the driver."""
    limit = record.info[_NAME] = Limit()
    connection.set_progress_handler(limit.is_over, STEPS)


@contextmanager
def bounded(connection: Connection, seconds: float, job: Job[Any] | None = None) -> Iterator[None]:
    """Ends what takes longer, or is of a job that nobody waits for any more, with an error of the driver's."""
    limit: Limit = connection.info[_NAME]
    limit.ends_at, limit.job = time.monotonic() + seconds, job
    try:
        yield
    finally:
        limit.ends_at, limit.job = math.inf, None
