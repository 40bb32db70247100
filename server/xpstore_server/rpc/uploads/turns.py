"""Who of those that upload is read: a few streams at a time, so that what all of them hold in memory is bounded.

A stream that is not read holds what its connection lets it send ahead. One that is read and slow while others wait is
parked: it goes on when its next message is there and it is its turn again. When too many wait, the one that has been
parked longest is ended: all that it sent is kept, and it can go on later.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Iterator

from xpstore_server.core import limits
from xpstore_server.core.errors import DeadlineExceeded, ResourceExhausted, ServiceError

# How long a client is told to wait where others must end first.
RETRY_SECONDS = 2.0


class Turn:
    """The turn of one stream.

    Attributes:
        principal: whose stream it is.
        is_held: whether it may be read.
        end: called with an error when it must end.
    """

    def __init__(self, turns: "Turns", principal: str) -> None:
        self._turns = turns
        self.principal = principal
        self.is_held = False
        self.end: Callable[[ServiceError], None] = lambda error: None

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits who could go on in its place."""
        return self._turns.is_wanted(self)

    async def take(self) -> None:
        """Returns when this stream may be read.

        Raises:
            ResourceExhausted: too many wait already.
        """
        await self._turns.take(self)

    def park(self) -> None:
        """Lets another stream go first; `take` before the next message is used."""
        self._turns.park(self)

    def give_back(self) -> None:
        """Ends it, wherever it is."""
        self._turns.give_back(self)


class Turns:
    """The turns of all streams of a server.

    Args:
        of_one: how many streams of one principal are read at a time.
        in_all: how many of all.
        waiting: how many more may wait, in all.
    """

    def __init__(
        self,
        of_one: int,
        in_all: int = limits.UPLOADS_IN_ALL,
        waiting: int = limits.UPLOADS_WAITING,
    ) -> None:
        self._of_one = of_one
        self._in_all = max(in_all, of_one)
        self._most_waiting = waiting
        self._held: Counter[str] = Counter()
        self._waiting: deque[tuple[Turn, asyncio.Future[None]]] = deque()
        self._parked: dict[Turn, None] = {}

    @contextlib.contextmanager
    def turn(self, principal: str) -> Iterator[Turn]:
        """A turn, which is given back."""
        turn = Turn(self, principal)
        try:
            yield turn
        finally:
            turn.give_back()

    async def take(self, turn: Turn) -> None:
        if turn.is_held:
            return
        was_parked = turn in self._parked
        self._parked.pop(turn, None)
        if self._is_free(turn.principal):
            self._hold(turn)
            return
        if not was_parked:
            self._make_room()
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, granted))
        try:
            await granted
        except asyncio.CancelledError:
            self._leave_queue(turn)
            raise

    def is_wanted(self, turn: Turn) -> bool:
        is_full = self._held.total() >= self._in_all
        return any(
            other.principal == turn.principal or (is_full and self._held[other.principal] < self._of_one)
            for other, _ in self._waiting
        )

    def park(self, turn: Turn) -> None:
        self._let_go(turn)
        self._parked[turn] = None
        self._serve()

    def give_back(self, turn: Turn) -> None:
        self._parked.pop(turn, None)
        self._leave_queue(turn)
        self._let_go(turn)
        self._serve()

    def _make_room(self) -> None:
        if len(self._waiting) + len(self._parked) < self._most_waiting:
            return
        if not self._parked:
            raise ResourceExhausted(
                "Too many uploads wait for their turn. Try again in a moment.",
                retry_seconds=RETRY_SECONDS,
                limit="max_uploads",
                expected=self._of_one,
            )
        slowest = next(iter(self._parked))
        del self._parked[slowest]
        slowest.end(too_slow())

    def _is_free(self, principal: str) -> bool:
        return self._held.total() < self._in_all and self._held[principal] < self._of_one

    def _hold(self, turn: Turn) -> None:
        turn.is_held = True
        self._held[turn.principal] += 1

    def _let_go(self, turn: Turn) -> None:
        if turn.is_held:
            turn.is_held = False
            self._held[turn.principal] -= 1
            if not self._held[turn.principal]:
                del self._held[turn.principal]

    def _leave_queue(self, turn: Turn) -> None:
        self._waiting = deque(pair for pair in self._waiting if pair[0] is not turn)

    def _serve(self) -> None:
        for pair in list(self._waiting):
            turn, granted = pair
            if self._is_free(turn.principal):
                self._waiting.remove(pair)
                self._hold(turn)
                if not granted.done():
                    granted.set_result(None)


def too_slow() -> DeadlineExceeded:
    """The error of a stream that ends so that others can go on."""
    return DeadlineExceeded(
        "Others wait for their turn to upload, and little came of this stream. What came is kept: resume later.",
        retry_seconds=RETRY_SECONDS,
        limit="max_uploads",
    )
