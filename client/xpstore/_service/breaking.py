"""Calls of other threads that can be broken off together, as when Ctrl-C ends what they are for."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc


class BrokenOff(Exception):
    """A call was broken off: nobody wants its answer."""


class OpenCalls:
    """Calls under way.

    Attributes:
        is_broken_off: whether nobody wants them any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: set[Any] = set()
        self.is_broken_off = False

    @contextlib.contextmanager
    def holding(self, call: Any) -> Iterator[None]:
        """Counts a call as under way meanwhile.

        Raises:
            BrokenOff: they are broken off already.
        """
        with self._lock:
            if not self.is_broken_off:
                self._calls.add(call)
        try:
            if self.is_broken_off:
                call.cancel()
                raise BrokenOff
            yield
        finally:
            with self._lock:
                self._calls.discard(call)

    def breakable(self, method: Any) -> Callable[..., Any]:
        """A unary method of a stub, to be called from another thread; raises BrokenOff if it is broken off."""

        def call(request: Any, **options: Any) -> Any:
            future = method.future(request, **options)
            with self.holding(future):
                try:
                    return future.result()
                except grpc.FutureCancelledError:
                    raise BrokenOff from None

        return call

    def break_off(self) -> None:
        """Breaks off those under way, and those that begin later."""
        with self._lock:
            self.is_broken_off = True
            calls = list(self._calls)
        for call in calls:
            call.cancel()
