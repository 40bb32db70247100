"""What this process prints to `sys.stdout` and `sys.stderr`, told to whoever listens.

The stream stays the object that it is and gets a `write` of its own: what holds it already, as handlers of logging do,
is heard too. What a program writes to `sys.stdout.buffer`, and what its children and libraries of other languages write
to the descriptors, goes past this.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger("xpstore")

Listener = Callable[[str], None]

_listeners: tuple[Listener, ...] = ()
_heard: dict[int, "_Heard"] = {}
_lock = threading.Lock()
_local = threading.local()


class _Heard:
    """A stream whose `write` tells what it has written."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.hear()

    def hear(self) -> None:
        """Sets its `write`, again where somebody has set another since."""
        before = vars(self._stream).get("write")  # of somebody who listens too
        if before is None or before is not getattr(self, "_write", None):
            self._before, self._write = before, _telling(self._stream.write)
            self._stream.write = self._write

    def leave(self) -> None:
        """Gives the stream back its own, unless somebody put another over ours: that goes on, and nobody is told."""
        with contextlib.suppress(AttributeError, TypeError):
            if vars(self._stream).get("write") is not self._write:
                return
            if self._before is None:
                del self._stream.write
            else:
                self._stream.write = self._before


def _telling(write: Callable[..., Any]) -> Callable[..., Any]:
    def write_and_tell(text: Any, *more: Any) -> Any:
        # Set while a stream writes by another one that is heard too: what is part of it was told already.
        outer: str | None = getattr(_local, "text", None)
        _local.text = text if isinstance(text, str) else ""
        try:
            answer = write(text, *more)
        finally:
            _local.text = outer
        if isinstance(text, str) and (outer is None or text not in outer):
            for listener in _listeners:
                listener(text)
        return answer

    return write_and_tell


def listen(listener: Listener) -> None:
    """Has what is printed from now on told, after it was printed, by the thread that prints.

    A listener must take any call: of several threads, of a handler of a signal in the middle of another call. It must
    not raise.
    """
    global _listeners
    with _lock:
        if not _listeners:
            _at_cells("register")
        _listeners = (*_listeners, listener)
        for stream in (sys.stdout, sys.stderr):
            if stream is None or id(stream) in _heard:  # a program without a console has none
                continue
            try:
                _heard[id(stream)] = _Heard(stream)
            except (AttributeError, TypeError):  # its class has slots
                log.info("What is printed to %r is not recorded: its `write` cannot be set.", stream)


def unlisten(listener: Listener) -> None:
    """Ends that. After the last one the streams are what they were."""
    global _listeners
    with _lock:
        _listeners = tuple(other for other in _listeners if other != listener)
        if not _listeners:
            _at_cells("unregister")
            _leave_all()


def _at_cells(action: str) -> None:
    """Has the streams heard anew in each cell: IPython sets a `write` when one begins, and another at its end."""
    if (ipython := sys.modules.get("IPython")) is not None and (shell := ipython.get_ipython()) is not None:
        with contextlib.suppress(ValueError):  # of a parent process
            getattr(shell.events, action)("pre_run_cell", _hear_all)


def _hear_all(*_: Any) -> None:
    for heard in list(_heard.values()):
        heard.hear()


def _leave_all() -> None:
    while _heard:
        _heard.popitem()[1].leave()


def _begin_in_child() -> None:
    """A forked child prints for itself: the runs are its parent's."""
    global _listeners, _lock
    _lock = threading.Lock()
    _listeners = ()
    _leave_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
