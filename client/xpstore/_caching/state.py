"""What a client knows of the cache meanwhile: leases and copies, what it counted, and whether the server is away."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from xpstore._caching.lease import Leases
from xpstore._results.copies import LocalCopies
from xpstore._session.client import ClientBase
from xpstore.errors import DeadlineExceeded, Error, ResourceExhausted, ServerFault, Unavailable

Response = TypeVar("Response")
log = logging.getLogger("xpstore")

# How long a call waits for a server that cannot be reached; an embedded one may have to start.
REACH_SECONDS = 3.0
START_SECONDS = 10.0
# How long for an answer: a server with a thousand clients may be slow, and what they would do without it slower.
ANSWER_SECONDS = 15.0
# How long calls do not even try after that.
AWAY_SECONDS = 30.0
# The server's trouble, not the caller's: computing goes on without it.
TROUBLES = (Unavailable, DeadlineExceeded, ServerFault, ResourceExhausted)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the cache did for one client in this process.

    Attributes:
        hits: results that were not computed.
        computed: results that were computed and stored.
        uncached: results that were computed and not stored, such as with the server away.
        saved_seconds: what computing the hits took when they were computed.
        verified: hits that were computed again and compared.
        different: those of them that were not what came out, and were replaced.
    """

    hits: int = 0
    computed: int = 0
    uncached: int = 0
    saved_seconds: float = 0.0
    verified: int = 0
    different: int = 0


class Away(Exception):
    """The server cannot help now; `error` says why."""

    def __init__(self, error: Error) -> None:
        super().__init__(str(error))
        self.error = error


class CacheState:
    """What one client knows in one process: `client.kept(CacheState)`."""

    def __init__(self, client: ClientBase) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._trouble: Error | None = None
        self._warned: set[str] = set()
        self.leases = Leases(client)
        client.on_close(self.leases.close)
        self.counts = Counts()

    @cached_property
    def copies(self) -> LocalCopies:
        """The copies of results on this machine."""
        return LocalCopies.here()

    def ask(self, method: Callable[..., Response], request: Any, *, extra_seconds: float = 0.0) -> Response:
        """Makes a call of the cache.

        Args:
            method: of a stub.
            request: its request.
            extra_seconds: how long the server itself may take.

        Raises:
            Away: the server is away, or was a moment ago.
            Error: the request is refused.
        """
        self.check()
        client = self._client
        reach_seconds = START_SECONDS if client.is_embedded else REACH_SECONDS
        answer_seconds = extra_seconds + min(client.timeout_seconds, ANSWER_SECONDS)
        try:
            response = client.call(method, request, timeout_seconds=reach_seconds, answer_seconds=answer_seconds)
        except TROUBLES as error:
            raise self.away(error) from None
        self._trouble = None
        return response

    def check(self) -> None:
        """Raises Away while the server is taken to be away."""
        if self._trouble is not None and time.monotonic() < self._away_until:
            raise Away(self._trouble)

    def away(self, error: Error) -> Away:
        """Remembers for a while that the server is away, and says so once. Other troubles may be of one call alone."""
        if not isinstance(error, Unavailable | DeadlineExceeded):
            self.warn(f"trouble {error.reason}", f"The cache does not work, results are computed here: {error}")
            return Away(error)
        is_news, self._trouble = self._trouble is None, error
        self._away_until = time.monotonic() + AWAY_SECONDS
        if is_news:
            log.warning("The cache cannot be reached, results are computed here and not stored: %s", error)
        return Away(error)

    @property
    def was_away(self) -> bool:
        """Whether the server did not answer when it was asked last."""
        return self._trouble is not None

    def warn(self, topic: str, message: str) -> None:
        """Says something, once for each topic."""
        with self._lock:
            if topic in self._warned:
                return
            self._warned.add(topic)
        log.warning("%s", message)

    def count(self, *, saved_us: int = 0, **more: int) -> None:
        """Adds to the counts."""
        with self._lock:
            before = self.counts
            sums = {name: getattr(before, name) + number for name, number in more.items()}
            self.counts = replace(before, saved_seconds=before.saved_seconds + saved_us / 1_000_000, **sums)
