"""Which hits are checked: a share of those of each function, chosen at random."""

import random
import threading
from collections.abc import Callable

from xpstore._session.client import ClientBase


class Sample:
    """Chooses a share of what comes along: of each 100 one, say, at a random place among them.

    So of `n` at most `n * share + 1` are chosen, and each is as likely as any other, also where only one ever comes.

    Args:
        draw: gives a random number from 0 up to 1.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._passed = 0.0
        self._taken = 0
        self._next = draw()

    def takes(self, share: float) -> bool:
        """Whether the next one is chosen."""
        self._passed += share
        if self._passed <= self._next:
            return False
        self._taken += 1
        self._next = self._taken + self._draw()
        return True


class Samples:
    """The samples of hits of one client in this process, one for each function: `client.kept(Samples)`."""

    def __init__(self, client: ClientBase) -> None:
        # Not the generator of the module: programs seed it, and all workers would check the same hits.
        self.draw = random.SystemRandom().random
        self._lock = threading.Lock()
        self._samples: dict[str, Sample] = {}

    def takes(self, name: str, share: float) -> bool:
        """Whether a hit of a function is to be checked."""
        with self._lock:
            return self._samples.setdefault(name, Sample(self.draw)).takes(share)
