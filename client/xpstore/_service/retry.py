"""Waiting for a server that is away."""

import random
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xpstore.client import Client

FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 2.0
LAST_ATTEMPT_SECONDS = 0.05
# One stream of bytes over a slow line; keepalive notices a dead one much sooner.
STREAM_SECONDS = 900.0

_random = random.SystemRandom()  # the program's own random numbers stay what its seed makes them


class Patience:
    """How long to wait for a server that is away: as long as a call may take, since the start or the last progress."""

    def __init__(self, client: "Client", seconds: float | None = None) -> None:
        self._client = client
        self._seconds = seconds or client.timeout_seconds
        self.renew()

    def renew(self) -> None:
        """There was progress: the server may be away for the whole time again."""
        self._deadline = time.monotonic() + self._seconds
        self._backoff = FIRST_BACKOFF_SECONDS

    @property
    def remaining_seconds(self) -> float:
        """What is left, enough for one attempt at least."""
        return max(self._deadline - time.monotonic(), LAST_ATTEMPT_SECONDS)

    def wait(self) -> bool:
        """Waits before the next attempt; False if there is no time for one."""
        spare = self._deadline - time.monotonic() - LAST_ATTEMPT_SECONDS
        if spare <= 0:
            return False
        time.sleep(min(_random.uniform(self._backoff / 2, self._backoff), spare))
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS)
        self._client.revive(self.remaining_seconds)
        return True
