"""Saves in the background: each ends well, or somebody hears of it before the program has ended.

    main thread ends -> those under way are waited for -> one line for each that failed unheard, exit status 120

Ctrl-C, or a signal that ends the program, does not wait: one line for each that is under way.
"""

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from xpstore._machine.ending import end_with_failure, is_child, is_interrupted, say
from xpstore._machine.workers import Workers
from xpstore._session.client import ClientBase
from xpstore.errors import Conflict

T = TypeVar("T")

THREADS = 4
# How often who waits for the last of them looks.
LOOK_SECONDS = 0.01
# What ends a program without a word, unless it does something about it itself. Ctrl-C is one by such a program's wish.
LAST_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]


class Promise(Future[T]):
    """A result that was promised. An error that nobody asks for is told on standard error.

    Args:
        what: what will be there, for people.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self._pid = os.getpid()
        self._is_heard = False

    def result(self, timeout: float | None = None) -> T:
        """As `Future.result`; Conflict in a child that was forked meanwhile, which never learns it."""
        self._check_process()
        try:
            return super().result(timeout)
        except BaseException as error:
            self._is_heard |= self.done() and not self.cancelled() and error is super().exception(0)
            raise

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As `Future.exception`; raises as `result` does in a child."""
        self._check_process()
        error = super().exception(timeout)
        self._is_heard = True
        return error

    @property
    def is_unheard(self) -> bool:
        """Whether it failed here, and nobody asked for the error."""
        is_failed = self._pid == os.getpid() and self.done() and not self.cancelled()
        return is_failed and not self._is_heard and super().exception(0) is not None

    def _check_process(self) -> None:
        if self._pid != os.getpid() and not self.done():
            raise Conflict(
                f"{self.what} was under way in process {self._pid} when that forked this one, which never learns how "
                "it ends: ask there, or wait for it before the fork."
            )

    def tell(self, reason: object = None) -> None:
        """Says that it is not kept, once."""
        if not self._is_heard:
            self._is_heard = True
            say(f"{self.what} is not saved: {reason or super().exception(0)}")
            _ending.has_failed()

    def __del__(self) -> None:
        if self.is_unheard:
            self.tell()


class Saves:
    """The background saves of one client in one process: `client.kept(Saves)`."""

    def __init__(self, client: ClientBase) -> None:
        self._workers = Workers(THREADS, "xpstore-save")
        self._under_way: set[Promise[Any]] = set()
        client.on_close(self.wait)

    def promise(self, what: str, job: Callable[[], T]) -> Promise[T]:
        """Does a job in the background."""
        promise: Promise[T] = Promise(what)
        _arm()
        with _ending.lock:
            _ending.under_way[id(promise)] = promise
            self._under_way.add(promise)
            _ending.hold_program()
        self._workers.submit(self._keep, promise, job)
        return promise

    def wait(self) -> None:
        """Waits until nothing is under way, unless Ctrl-C ends what needs it."""
        while self._under_way and not _ending.is_given_up and not is_interrupted():
            time.sleep(LOOK_SECONDS)

    def _keep(self, promise: Promise[T], job: Callable[[], T]) -> None:
        if promise.set_running_or_notify_cancel():
            try:
                value = job()
            except BaseException as error:  # whatever it is, it is the caller's to hear
                promise.set_exception(error)
            else:
                promise.set_result(value)
        with _ending.lock:
            _ending.ended(promise)
            self._under_way.discard(promise)


class _Ending:
    """What this process has promised, and how it ends.

    Who waits looks again and again. Ctrl-C in the middle of a `Condition`, which is written in Python, may leave its
    lock taken for good; a lock by itself is taken, and known to be, at one stroke.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # a promise may be collected, and told, at any moment
        self.under_way: dict[int, Promise[Any]] = {}
        self.failed: weakref.WeakSet[Promise[Any]] = weakref.WeakSet()
        self.is_given_up = False
        self.is_over = False
        self.is_sound = True
        self._keeper: threading.Thread | None = None
        self._is_child = False

    def ended(self, promise: Promise[Any]) -> None:
        """Lets go of a promise; one that fails after the others were told is told now."""
        self.under_way.pop(id(promise), None)
        if promise.is_unheard:
            if self.is_over:
                promise.tell()
            else:
                self.failed.add(promise)

    def has_failed(self) -> None:
        """Something that was promised is not there."""
        self.is_sound = False
        if self.is_over:
            end_with_failure()

    def hold_program(self) -> None:
        """Has the interpreter not end before what is promised, whichever thread promised it."""
        if is_child() and not self._is_child:
            from multiprocessing.util import Finalize  # here, as few programs are children of multiprocessing

            self._is_child = True
            Finalize(None, self.wait, exitpriority=10)  # here it shows whether Ctrl-C ends the child
        if self._keeper is None and not sys.is_finalizing():
            self._keeper = threading.Thread(target=self._wait_in_thread, name="xpstore-keeper", daemon=False)
            try:
                self._keeper.start()
            except RuntimeError:  # at the very end no thread starts any more
                self._keeper = None

    def _wait_in_thread(self) -> None:
        while True:
            with self.lock:
                if not self.under_way or self.is_given_up:
                    self._keeper = None
                    return
            time.sleep(LOOK_SECONDS)

    def wait(self) -> None:
        """In the thread that ends the program: waits for what is under way."""
        try:
            while self.under_way and not is_interrupted():
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            pass
        if self.under_way:
            self.give_up("the program was interrupted")

    def give_up(self, reason: str) -> None:
        """Names what is under way, and waits for it no longer."""
        self.is_given_up = True
        for promise in list(self.under_way.values()):
            promise.tell(reason)
        self.under_way.clear()

    def finish(self) -> None:
        """Waits for what came last, and names what failed."""
        self.wait()
        self.is_over = True
        for promise in list(self.failed):
            if promise.is_unheard:
                promise.tell()
        if not self.is_sound:
            end_with_failure()


_ending = _Ending()


def _arm() -> None:
    """Has signals that would end the program without a word name what is under way. Only the main thread can."""
    if threading.current_thread() is threading.main_thread():
        for number in LAST_SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _end_by_signal)


def _end_by_signal(number: int, frame: object) -> None:
    # No lock: this thread may have been stopped anywhere.
    for promise in list(_ending.under_way.values()):
        promise.tell(f"the program was ended by {signal.Signals(number).name}")
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _begin_in_child() -> None:
    global _ending
    _ending = _Ending()
    with contextlib.suppress(ValueError):  # not in the main thread
        for number in LAST_SIGNALS:
            if signal.getsignal(number) is _end_by_signal:
                signal.signal(number, signal.SIG_DFL)


def _wait_before_threads_end() -> None:
    if is_child():
        _ending.finish()  # it may leave without the functions of `atexit`
    else:
        _ending.wait()


@atexit.register
def _finish() -> None:
    _ending.finish()


# Threads end before the functions of `atexit` are called. Not public, and its absence is harmless: the thread that
# keeps the program waits as well, only Ctrl-C is then told with a traceback.
if hasattr(threading, "_register_atexit"):
    with contextlib.suppress(RuntimeError):  # this is the end already
        threading._register_atexit(_wait_before_threads_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
