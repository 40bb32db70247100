"""How much may be under way at once: calls, and the bytes of their requests."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import AsyncIterator

from xpstore_server.core import limits
from xpstore_server.core.errors import ResourceExhausted
from xpstore_server.door.rules import Rule

# How long a client is told to wait where others must end first.
RETRY_SECONDS = 1.0
BYTES_WAIT_SECONDS = 2.0
KEYS_AT_ONCE = 4
# A check is one small message, which comes with its call.
READ_AT_ONCE = 1  # of one address
STRANGERS = 32
STRANGERS_OF_ONE = 4


class Activity:
    """How many calls are under way and when the last one ended, for draining and for leaving when idle.

    Args:
        most_calls: of one key at once.
    """

    def __init__(self, most_calls: int) -> None:
        self.calls = 0
        self.idle_since = time.monotonic()
        self._most_calls = most_calls
        self._waiting = 0
        self._of_keys: Counter[str] = Counter()

    def idle_seconds(self) -> float:
        return 0.0 if self.calls else time.monotonic() - self.idle_since

    def begin(self, rule: Rule, principal: str) -> None:
        """One call more.

        Raises:
            ResourceExhausted: there are too many.
        """
        if rule.is_waiting:
            if self._waiting >= limits.WAITING_CALLS:
                raise _too_many("max_waiting_calls", limits.WAITING_CALLS, "Too many calls of all keys wait")
            self._waiting += 1
        else:
            if self._of_keys[principal] >= self._most_calls:
                raise _too_many("max_calls", self._most_calls, "Too many calls of this key are under way")
            most = KEYS_AT_ONCE * self._most_calls
            if self.calls - self._waiting >= most:
                raise _too_many("max_calls_of_all", most, "Too many calls of all keys are under way")
            self._of_keys[principal] += 1
        self.calls += 1

    def end(self, rule: Rule, principal: str) -> None:
        """One call less."""
        self.calls -= 1
        self.idle_since = time.monotonic()
        if rule.is_waiting:
            self._waiting -= 1
        elif self._of_keys[principal] > 1:
            self._of_keys[principal] -= 1
        else:
            del self._of_keys[principal]


def _too_many(limit: str, most: int, what: str) -> ResourceExhausted:
    message = f"{what}: {most} may at once. Wait a moment."
    return ResourceExhausted(message, retry_seconds=RETRY_SECONDS, limit=limit, expected=most)


class Share:
    """What one call has of the bytes in flight."""

    def __init__(self, bytes_: "RequestBytes") -> None:
        self._bytes = bytes_
        self._size = 0

    async def take(self, size: int, *, patient: bool) -> None:
        """Waits until there is room for a request of so many bytes, which stands for the one before it.

        Args:
            size: of the request.
            patient: whether to wait as long as it takes.

        Raises:
            ResourceExhausted: there was none in time.
        """
        self.give_back()
        await self._bytes.take(size, None if patient else BYTES_WAIT_SECONDS)
        self._size = size

    def give_back(self) -> None:
        """Makes room for others."""
        size, self._size = self._size, 0
        if size:
            self._bytes.give_back(size)


class RequestBytes:
    """Room for so many bytes of requests; those who wait for it are served in order."""

    def __init__(self, total: int = limits.REQUEST_BYTES) -> None:
        self._total = self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int, seconds: float | None) -> None:
        if not self._waiting and size <= self._free:
            self._free -= size
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.give_back(size)
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove((size, turn))
                self._serve()
            if not isinstance(error, TimeoutError):
                raise
            message = "Too many large requests are under way. Wait a moment."
            raise ResourceExhausted(
                message, retry_seconds=RETRY_SECONDS, limit="max_request_bytes", expected=self._total
            ) from None

    def give_back(self, size: int) -> None:
        self._free += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            size, turn = self._waiting.popleft()
            self._free -= size
            if turn.cancelled():
                self._free += size
            else:
                turn.set_result(None)


class Strangers:
    """Calls of the health service whose request has not come yet: nobody has shown a key for them."""

    def __init__(self) -> None:
        self._of_addresses: Counter[str] = Counter()
        self._turns: dict[str, asyncio.Semaphore] = {}

    @contextlib.asynccontextmanager
    async def one(self, address: str) -> AsyncIterator[None]:
        """One more of this address, when it is its turn; "" where all come from one.

        Raises:
            ResourceExhausted: there are too many.
        """
        most = STRANGERS_OF_ONE if address else STRANGERS
        if self._of_addresses.total() >= STRANGERS or self._of_addresses[address] >= most:
            raise _too_many("max_open_calls", most, "Too many health checks have sent nothing yet")
        self._of_addresses[address] += 1
        try:
            async with self._turns.setdefault(address, asyncio.Semaphore(READ_AT_ONCE)):
                yield
        finally:
            self._of_addresses[address] -= 1
            if not self._of_addresses[address]:
                del self._of_addresses[address], self._turns[address]
