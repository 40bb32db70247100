"""How late the event loop is: while it is, nobody is answered."""

import asyncio
import logging
import time
from collections.abc import Callable

log = logging.getLogger("xpstore")

TICK_SECONDS = 0.01
# An idle server is not woken that often.
IDLE_TICK_SECONDS = 0.5
TOLD_SECONDS = 0.05


class Lag:
    """Looks on the event loop how long after its time it is woken, and keeps the longest.

    Attributes:
        longest_seconds: that it was late.
        longest_work_seconds: of the processor that went by on the loop's thread between two looks. Where the machine is
            busy with other things the loop is late without it.
    """

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        """Looks seldom while nothing is under way."""
        self.longest_seconds = self.longest_work_seconds = 0.0
        self._is_busy = is_busy
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            tick = TICK_SECONDS if self._is_busy() else IDLE_TICK_SECONDS
            due, worked = time.monotonic() + tick, time.thread_time()
            await asyncio.sleep(tick)
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - due)
            if tick == TICK_SECONDS:
                self.longest_work_seconds = max(self.longest_work_seconds, time.thread_time() - worked)

    def stop(self) -> None:
        """Looks no more, and tells the log what it saw."""
        if self._task is not None:
            self._task.cancel()
        level = logging.INFO if self.longest_seconds > TOLD_SECONDS else logging.DEBUG
        fields = {
            "milliseconds": round(self.longest_seconds * 1000),
            "working_milliseconds": round(self.longest_work_seconds * 1000),
        }
        log.log(level, "the event loop was late", extra={"fields": fields})
