"""Threads for one piece of work."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Job = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Workers:
    """A few threads that take jobs.

    Those of `concurrent.futures` refuse jobs once the main thread has ended, though others still work, and the end of a
    program waits for them, whatever they wait for. These do neither.

    Args:
        most: threads at a time.
        name: of the threads.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open_count = 0

    def submit(self, job: Callable[..., T], *args: Any) -> "Future[T]":
        """Has a thread do a job; at the very end of a program, when no thread starts any more, does it here."""
        future: Future[T] = Future()
        with self._lock:
            self._open_count += 1
            if self._open_count > len(self._threads) < self._most and not sys.is_finalizing():
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                with contextlib.suppress(RuntimeError):
                    thread.start()
                    self._threads.append(thread)
            has_threads = bool(self._threads) and not sys.is_finalizing()  # by then they stand still
        if has_threads:
            self._jobs.put((future, job, args))
        else:
            self._do(future, job, args)
        return future

    def shutdown(self, seconds: float | None = None) -> None:
        """Cancels the jobs that nobody began, and ends the threads.

        Args:
            seconds: how long to wait for the jobs under way; default until they are done.
        """
        with contextlib.suppress(Empty):
            while True:
                if waiting := self._jobs.get_nowait():
                    waiting[0].cancel()
        for _ in self._threads:
            self._jobs.put(None)
        deadline = None if seconds is None else time.monotonic() + seconds
        for thread in self._threads:
            thread.join(None if deadline is None else max(deadline - time.monotonic(), 0))

    def _run(self) -> None:
        while job := self._jobs.get():
            self._do(*job)
            del job  # an idle thread holds nothing

    def _do(self, future: "Future[Any]", job: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if future.set_running_or_notify_cancel():
            try:
                value = job(*args)
            except BaseException as error:
                outcome: Any = future.set_exception, error
            else:
                outcome = future.set_result, value
            with self._lock:  # before anybody is told: who waited for it may have the next job
                self._open_count -= 1
            outcome[0](outcome[1])
            del outcome  # an error holds this frame
        else:
            with self._lock:
                self._open_count -= 1
