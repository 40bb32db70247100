"""Calls of other threads that can be broken off together, as when Ctrl-C ends what they are for."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc


class BrokenOff(Exception):
    """A call was broken off: nobody wants its answer."""


def check_threads() -> None:
    """Makes sure that threads still start: calls of gRPC that need one would wait for ever.

    Raises:
        RuntimeError: none does, as the program ends.
    """
    if threading.main_thread().is_alive() and not sys.is_finalizing():
        return
    try:
        if sys.is_finalizing():
            raise RuntimeError  # here Python 3.11 would wait for ever too
        threading.Thread(target=int, daemon=True).start()
    except RuntimeError:
        raise RuntimeError("the program has ended, and this Python starts no threads any more") from None


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

    def breakable(self, method: Callable[[], Any]) -> Callable[..., Any]:
        """A unary method of a stub, to be called from another thread; raises BrokenOff if it is broken off.

        Args:
            method: returns it, on the channel that there is then.
        """

        def call(request: Any, **options: Any) -> Any:
            check_threads()
            future = method().future(request, **options)
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
