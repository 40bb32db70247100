"""Repeating what needs a server while it is away."""

import random
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Protocol, Self

from xpstore._service.gate import BrokenByFork
from xpstore.errors import DeadlineExceeded, Error, Unavailable

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 2.0
LAST_ATTEMPT_SECONDS = 0.05

_random = random.SystemRandom()  # the program's own random numbers stay what its seed makes them


class Server(Protocol):
    """What may have to be started before the next attempt."""

    def revive(self, timeout_seconds: float) -> None:
        """Starts it again if it is this client's to start."""


class Attempts:
    """Attempts at one thing, until one ends well or with another error than that the server is away.

    They last as long as a call may take, since the start or the last progress.

    Args:
        server: what is attempted needs it.
        seconds: how long.
        repeated: errors that another attempt may mend.
        is_wanted: whether anybody still waits for it.

    Example:
        ```python
        for attempt in connection.attempts():
            with attempt:
                return call()
        ```
    """

    def __init__(
        self,
        server: Server,
        seconds: float,
        repeated: tuple[type[Error], ...] = (Unavailable, DeadlineExceeded),
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self._server = server
        self._seconds = seconds
        self._repeated = repeated
        self._is_wanted = is_wanted
        self._is_over = False
        self._deadline = time.monotonic() + seconds
        self._backoff = FIRST_BACKOFF_SECONDS

    def renew(self) -> None:
        """There was progress: the server may be away for the whole time again."""
        self._deadline = time.monotonic() + self._seconds
        self._backoff = FIRST_BACKOFF_SECONDS

    def give_up(self) -> None:
        """This attempt was the last: no other would do better."""
        self._repeated = ()

    @property
    def remaining_seconds(self) -> float:
        """What is left, enough for one attempt at least."""
        return max(self._deadline - time.monotonic(), LAST_ATTEMPT_SECONDS)

    def __iter__(self) -> Iterator[Self]:
        while not self._is_over:
            yield self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._is_over = True
            return False
        if isinstance(error, BrokenByFork):  # which is over
            self.renew()
            return self._is_wanted()
        if not isinstance(error, Error) or not (isinstance(error, self._repeated) or self._is_asked_to_wait(error)):
            return False
        return self._is_wanted() and self._wait(error.retry_seconds or 0.0)

    def _is_asked_to_wait(self, error: Error) -> bool:
        """Whether the server is busy. Room on its disk is none that comes by waiting."""
        return bool(self._repeated) and error.retry_seconds is not None and error.metadata.get("limit") != "disk"

    def _wait(self, least_seconds: float) -> bool:
        """Waits before the next attempt; False if there is no time for one."""
        spare = self._deadline - time.monotonic() - LAST_ATTEMPT_SECONDS
        if spare <= 0:
            return False
        seconds = max(self._backoff, least_seconds)
        time.sleep(min(_random.uniform(seconds / 2, seconds), spare))
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS)
        self._server.revive(self.remaining_seconds)
        return True
