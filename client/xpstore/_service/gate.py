"""Forks: while this process forks no call is under way, or gRPC would not work in the child.

gRPC makes itself ready for a fork only if no other thread is in it. So every call passes a gate, which a fork closes:
it waits a moment for what is under way, and breaks off what takes longer with its channel. That is called again.
"""

import _thread
import importlib
import os
import signal
import threading
import time
from types import ModuleType
from typing import Any, Protocol

from xpstore.errors import Unavailable

# How long a fork waits for calls under way; twice as long each time that this broke one off, so that what takes long
# ends some time however often the program forks.
FORK_SECONDS = 0.2
LONGEST_FORK_SECONDS = 2.0
# What was broken off ends at once; what another thread imports, and the child would wait for, takes a little.
BROKEN_OFF_SECONDS = 1.0
IMPORT_SECONDS = 2.0
# When Ctrl-C that came during a fork comes again.
INTERRUPT_SECONDS = 0.01
# gRPC's own threads leave it a little after the last call has ended, and later where it was broken off. With the
# shorter time one of sixty children stood still in gRPC for ever that a busy machine forked in the middle of a stream.
QUIET_SECONDS = 0.002
BROKEN_OFF_QUIET_SECONDS = 0.05
LOOK_SECONDS = 0.0005


class BrokenByFork(Unavailable):
    """A call was broken off because the process forks: it can be made again at once."""

    def __init__(self) -> None:
        super().__init__("The call was broken off by a fork of this process.")


class Channelled(Protocol):
    """What makes its calls on a channel that can be closed: the next call opens another."""

    def close_channel(self) -> None:
        """Breaks off all calls that are under way on it."""


class Passage:
    """One call under way: a context, which begins once no fork is under way.

    Attributes:
        is_broken_off: whether a fork broke the call off.
    """

    __slots__ = ("connection", "is_broken_off", "thread_id")

    def __init__(self, connection: Channelled) -> None:
        self.connection = connection
        self.is_broken_off = False
        self.thread_id = threading.get_ident()

    def __enter__(self) -> "Passage":
        # Without a lock, which a signal or `__del__` in this thread could meet held: each side says what it does before
        # it looks at the other.
        _gate.under_way.add(self)
        while _gate.is_closed:
            self._wait()
        return self

    def _wait(self) -> None:
        gate = _gate
        gate.under_way.discard(self)
        gate.opened.wait()
        _gate.under_way.add(self)

    def __exit__(self, *_: Any) -> None:
        _gate.under_way.discard(self)


class _Gate:
    def __init__(self) -> None:
        self.under_way: set[Passage] = set()
        self.is_closed = False
        self.opened = threading.Event()
        self.pause_seconds = FORK_SECONDS
        self._forking = threading.Lock()
        self._closed_by = 0

    def close(self) -> None:
        """Before a fork. Other threads that fork wait."""
        self._forking.acquire()
        self._closed_by = threading.get_ident()
        self.opened.clear()
        self.is_closed = True
        if self.under_way:
            self._end_calls()
        _wait_for_imports()

    def open(self) -> None:
        """After a fork, in the parent."""
        if self._closed_by == threading.get_ident():
            self._closed_by = 0
            self.is_closed = False
            self.opened.set()
            self._forking.release()

    def _end_calls(self) -> None:
        me = threading.get_ident()
        # One of this thread does not end while it forks: a stream that is not read to its end.
        _wait_while(lambda: any(one.thread_id != me for one in self._all()), self.pause_seconds)
        if left := self._all():
            for passage in left:
                passage.is_broken_off = True
            for connection in {id(one.connection): one.connection for one in left}.values():
                connection.close_channel()
            self.pause_seconds = min(2 * self.pause_seconds, LONGEST_FORK_SECONDS)
            _wait_while(lambda: any(one.thread_id != me for one in self._all()), BROKEN_OFF_SECONDS)
            time.sleep(BROKEN_OFF_QUIET_SECONDS)
        else:
            self.pause_seconds = FORK_SECONDS
            time.sleep(QUIET_SECONDS)

    def _all(self) -> list[Passage]:
        return list(self.under_way)


def import_between_forks(name: str) -> ModuleType:
    """Imports a module as a call is made: a fork waits for it, and it waits for a fork."""
    me = threading.get_ident()
    if any(one.thread_id == me for one in list(_gate.under_way)):
        return importlib.import_module(name)
    with Passage(_Nothing()):
        return importlib.import_module(name)


class _Nothing:
    def close_channel(self) -> None:
        """There is none."""


def _wait_for_imports() -> None:
    """A module that another thread imports is never ready in the child. Not public, and its absence is no worse."""
    locks: dict[Any, Any] = getattr(getattr(importlib, "_bootstrap", None), "_module_locks", {})
    me = threading.get_ident()

    def is_importing() -> bool:
        # A module's lock without an owner is of a thread that is about to take it, or has just let go of it.
        found = [reference() for reference in list(locks.values())]
        return any(lock is not None and getattr(lock, "owner", me) != me for lock in found)

    _wait_while(is_importing, IMPORT_SECONDS)


class _Interrupts:
    """Ctrl-C while the process forks: Python would print and forget it, so it comes right after the fork."""

    def __init__(self) -> None:
        self._before: Any = None
        self._is_noted = False

    def hold(self) -> None:
        while threading.current_thread() is threading.main_thread():
            try:
                if callable(signal.getsignal(signal.SIGINT)):
                    self._before = signal.signal(signal.SIGINT, self._note)
                return
            except KeyboardInterrupt:
                self._is_noted = True

    def _note(self, *_: object) -> None:
        self._is_noted = True

    def let_go(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def again(self) -> None:
        """In the parent alone: who interrupted it wanted no child."""
        if self._is_noted:
            self._is_noted = False
            # Raised here it would be lost like the first.
            threading.Timer(INTERRUPT_SECONDS, _thread.interrupt_main).start()


def _wait_while(is_so: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while is_so() and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


_gate = _Gate()
_interrupts = _Interrupts()


def _before_fork() -> None:
    _interrupts.hold()
    _gate.close()


def _after_fork_in_parent() -> None:
    _gate.open()
    _interrupts.let_go()
    _interrupts.again()


def _after_fork_in_child() -> None:
    global _gate, _interrupts
    _interrupts.let_go()
    _gate, _interrupts = _Gate(), _Interrupts()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
