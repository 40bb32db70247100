"""Health: database and bucket are asked in the background, so that the health service answers at once, and truly."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xpstore_server.core.errors import ResourceExhausted

log = logging.getLogger("xpstore")

# What is asked has so long to answer, and is asked again so long after: sooner while it fails, to see it come back.
ATTEMPT_SECONDS = 2.5
PAUSE_SECONDS = 3.0
FAILING_PAUSE_SECONDS = 0.5
# A server that answers nothing for so long does not serve. One failed attempt is not enough: a database restarts.
SILENCE_SECONDS = 8.0
SETTLE_SECONDS = 0.5
# Streams of those who watch, without a key.
WATCHERS = 64

Answer = health_pb2.HealthCheckResponse
Context = grpc.aio.ServicerContext[Any, Any]
Check = Callable[[float], None]


class Probe(threading.Thread):
    """Asks one thing again and again; a thread of its own, as an attempt may hang whatever its time-out is.

    Args:
        name: what is asked, as messages say it.
        check: raises if it does not answer in so many seconds.
    """

    def __init__(self, name: str, check: Check) -> None:
        super().__init__(name=f"health-{name}", daemon=True)
        self.what = name
        self._check = check
        self._stopped = threading.Event()
        self._answered_at = self._asked_at = time.monotonic()
        self._failure = ""

    def run(self) -> None:
        while not self._stopped.wait(FAILING_PAUSE_SECONDS if self._failure else PAUSE_SECONDS):
            self._asked_at = time.monotonic()
            try:
                self._check(ATTEMPT_SECONDS)
            except Exception as error:
                self._failure = str(error) or type(error).__name__
            else:
                self._answered_at, self._failure = time.monotonic(), ""

    def trouble(self) -> str:
        """Why it counts as away; "" if it does not."""
        now = time.monotonic()
        if now - self._answered_at < SILENCE_SECONDS:
            return ""
        if self._failure:
            return self._failure
        # Nothing failed and nothing is under way for long: this process stood still, not the other.
        is_hanging = self._asked_at > self._answered_at and now - self._asked_at > ATTEMPT_SECONDS
        return f"no answer for {now - self._asked_at:.0f} s" if is_hanging else ""

    def stop(self) -> None:
        """Asks no more. An attempt that hangs is left to itself."""
        self._stopped.set()


class HealthService(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it has no types
    """`grpc.health.v1`: one state for the server and for each of its services.

    Args:
        names: of the services.
        checks: what must answer, by its name.
    """

    def __init__(self, names: Iterable[str], checks: Mapping[str, Check]) -> None:
        self._names = frozenset(["", *names])
        self._probes = [Probe(name, check) for name, check in checks.items()]
        self._troubles: dict[str, str] = {}
        self._is_draining = False
        self._watching = 0
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Any:
        """Whether a service serves; "" is all of them."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return Answer(status=self._status(request.service))

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> AsyncIterator[Any]:
        """The same, and again at each change."""
        if self._watching >= WATCHERS:
            message = f"{WATCHERS} streams watch already: ask by Check."
            raise ResourceExhausted(message, limit="max_watchers", expected=WATCHERS)
        self._watching += 1
        try:
            async for status in self._changes(request.service):
                yield Answer(status=status)
        finally:
            self._watching -= 1

    async def _changes(self, service: str) -> AsyncIterator[Any]:
        last = None
        while not (self._is_draining and last == Answer.NOT_SERVING):
            changed, status = self._changed, self._status(service)
            if status != last:
                last = status
                yield status
            if self._is_draining:
                return
            await changed.wait()

    def _status(self, service: str) -> Any:
        if service not in self._names:
            return Answer.SERVICE_UNKNOWN
        return Answer.NOT_SERVING if self._troubles or self._is_draining else Answer.SERVING

    def start(self) -> None:
        """Begins to ask."""
        for probe in self._probes:
            probe.start()
        self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(SETTLE_SECONDS)
            self._settle({probe.what: trouble for probe in self._probes if (trouble := probe.trouble())})

    def _settle(self, troubles: dict[str, str]) -> None:
        for name in troubles.keys() - self._troubles.keys():
            log.error("not serving: the %s does not answer: %s", name, troubles[name])
        for name in self._troubles.keys() - troubles.keys():
            log.warning("the %s answers again", name)
        is_change = bool(troubles) != bool(self._troubles)
        self._troubles = troubles
        if is_change:
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def drain(self) -> None:
        """Says NOT_SERVING from now on, and ends the streams of those who watch: they would hold up the end."""
        for probe in self._probes:
            probe.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._is_draining = True
        self._notify()


class Ticker(threading.Thread):
    """Does small things every second, such as looking how much room is left."""

    def __init__(self, *actions: Callable[[], None]) -> None:
        super().__init__(name="ticker", daemon=True)
        self._actions = actions
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(1.0):
            for action in self._actions:
                try:
                    action()
                except Exception:
                    log.exception("looking after disk and descriptors failed, and goes on")

    def stop(self) -> None:
        """Does no more of them."""
        self._stopped.set()
