"""Blocking calls for async functions: in a thread of their own, which hands coroutines back to the event loop."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from xpstore._caching.calls import Call
from xpstore._session import blocks

T = TypeVar("T")


class InThread:
    """One blocking call. Not a pool: calls that wait for each other would starve in one.

    Attributes:
        is_cancelled: whether nobody waits for it any more.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._coroutine: concurrent.futures.Future[Any] | None = None
        self.is_cancelled = False

    async def run(self, job: Callable[[], T]) -> T:
        """Runs a blocking job. Cancelling this cancels the coroutine that it waits for."""
        outcome: asyncio.Future[T] = self._loop.create_future()
        context = blocks.copied()
        threading.Thread(target=context.run, args=(self._work, job, outcome), name="xpstore-async", daemon=True).start()
        try:
            return await outcome
        except asyncio.CancelledError:
            self.is_cancelled = True
            if self._coroutine is not None:
                self._coroutine.cancel()
            raise

    def call_of(
        self, function: Callable[..., Coroutine[Any, Any, Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Call:
        """A call of an async function, which the thread has the loop compute."""
        return Call(args, kwargs, lambda: self.wait_for(lambda: function(*args, **kwargs)), lambda: self.is_cancelled)

    def wait_for(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """In the thread: has the loop run a coroutine, and waits for what it returns.

        Raises:
            concurrent.futures.CancelledError: it was cancelled.
        """
        if self.is_cancelled:
            raise concurrent.futures.CancelledError
        self._coroutine = asyncio.run_coroutine_threadsafe(make(), self._loop)
        if self.is_cancelled:
            self._coroutine.cancel()
        return self._coroutine.result()  # type: ignore[no-any-return]

    def _work(self, job: Callable[[], T], outcome: "asyncio.Future[T]") -> None:
        settle: Callable[[], Any]
        try:
            value = job()
        except concurrent.futures.CancelledError:
            settle = outcome.cancel
        except BaseException as error:
            settle = _failure(outcome, error)
        else:
            settle = _success(outcome, value)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(settle)


def _success(outcome: "asyncio.Future[T]", value: T) -> Callable[[], None]:
    return lambda: None if outcome.done() else outcome.set_result(value)


def _failure(outcome: "asyncio.Future[Any]", error: BaseException) -> Callable[[], None]:
    return lambda: None if outcome.done() else outcome.set_exception(error)
