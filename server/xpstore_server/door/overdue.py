"""Ends what takes too long, looked at once a second: a timer for each call costs a tenth of a cheap one."""

import asyncio
import time
from typing import Any

LOOK_SECONDS = 1.0


class Limit:
    """One thing that may take so long.

    Attributes:
        is_over: whether its time is over; its task is then cancelled.
    """

    __slots__ = ("_cancels", "_task", "ends_at", "is_over")

    def __init__(self, task: "asyncio.Task[Any]", ends_at: float) -> None:
        self._task = task
        self._cancels = task.cancelling()
        self.ends_at = ends_at
        self.is_over = False

    def cancel(self) -> None:
        """Ends it."""
        self.is_over = True
        self._task.cancel()

    def is_cause(self, error: BaseException | None) -> bool:
        """Whether this is why its task was cancelled, and nobody else. The task may go on then."""
        is_alone = self.is_over and self._task.uncancel() <= self._cancels
        return is_alone and isinstance(error, asyncio.CancelledError)


class Overdue:
    """What is under way and must end in time."""

    def __init__(self) -> None:
        self._limits: set[Limit] = set()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> Limit:
        """The current task may take so long."""
        task = asyncio.current_task()
        assert task is not None, "called by a task"
        limit = Limit(task, time.monotonic() + seconds)
        self._limits.add(limit)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        return limit

    def end(self, limit: Limit) -> None:
        """It is done."""
        self._limits.discard(limit)

    def _look(self) -> None:
        now = time.monotonic()
        for limit in [limit for limit in self._limits if limit.ends_at <= now]:
            self._limits.discard(limit)
            limit.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK_SECONDS, self._look) if self._limits else None
