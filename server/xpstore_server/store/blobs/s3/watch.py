"""Notices that a server has fallen silent, and that it is back."""

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Protocol

log = logging.getLogger("xpstore")

# A request that nothing came or went for so long is reason to look.
QUIET_SECONDS = 3.0
PROBE_SECONDS = 3.0
# While it is silent: what comes back is seen in this time.
PROBE_AGAIN_SECONDS = 1.5
TURN_SECONDS = 0.5
# struct tcp_info of Linux: milliseconds since data, and since an acknowledgement, came.
_LAST_RECEIVED = struct.Struct("=52xII")


class Watched(Protocol):
    """A connection.

    Attributes:
        rested: whether it was of no use for a while before this request, and so may be dead without a word.
    """

    rested: bool

    @property
    def socket(self) -> socket.socket | None: ...

    def cut(self) -> None:
        """Ends it from another thread."""


class Watch:
    """Looks after the requests under way, in a thread of its own while there are some.

    Args:
        probe: asks on a fresh connection, in so many seconds; raises if nobody answers.
        on_return: when the server is back.
    """

    def __init__(self, probe: Callable[[float], None], on_return: Callable[[], None]) -> None:
        self._probe = probe
        self._on_return = on_return
        self._asked: dict[Watched, float] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._silent_since: float | None = None

    def silent_seconds(self) -> float:
        """For how long nobody has answered; 0 if somebody does."""
        since = self._silent_since
        return 0.0 if since is None else max(time.monotonic() - since, 0.001)

    @contextlib.contextmanager
    def over(self, connection: Watched) -> Iterator[None]:
        """Watches a request on a connection."""
        with self._changed:
            self._asked[connection] = time.monotonic()
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="s3-watch", daemon=True)
                self._thread.start()
            if len(self._asked) == 1:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._asked.pop(connection, None)

    def close(self) -> None:
        with self._changed:
            self._stopped.set()
            self._changed.notify()

    def _run(self) -> None:
        while not self._stopped.wait(TURN_SECONDS):
            with self._changed:
                while not self._asked and self._silent_since is None and not self._stopped.is_set():
                    self._changed.wait()
                is_quiet = any(_quiet_seconds(*asked) > QUIET_SECONDS for asked in self._asked.items())
            if self._silent_since is not None:
                self._look(PROBE_AGAIN_SECONDS)
            elif is_quiet:
                self._look(PROBE_SECONDS)

    def _look(self, seconds: float) -> None:
        began = time.monotonic()
        try:
            self._probe(seconds)
        except (OSError, HTTPException) as error:
            if self._silent_since is None:
                self._silent_since = began - QUIET_SECONDS
                log.warning("the S3 server is silent (%s): requests fail until it answers", type(error).__name__)
            return
        if self._silent_since is not None:
            log.warning("the S3 server answers again after %.0f s", self.silent_seconds())
            with self._changed:
                for connection, at in self._asked.items():
                    if _quiet_seconds(connection, at) > time.monotonic() - began:
                        connection.cut()
            self._on_return()
            self._silent_since = None
            return
        # Somebody is there, so the others are slow; but a connection that fell silent while it rested is dead.
        with self._changed:
            dead = [one for one, at in self._asked.items() if one.rested and _quiet_seconds(one, at) > QUIET_SECONDS]
        for connection in dead:
            connection.cut()
        if dead:
            self._on_return()
        else:
            self._stopped.wait(QUIET_SECONDS)  # do not ask all the time


def _quiet_seconds(connection: Watched, asked_at: float) -> float:
    """How long neither bytes nor acknowledgements have come, since the request began at the longest."""
    seconds, end = time.monotonic() - asked_at, connection.socket
    if end is not None and hasattr(socket, "TCP_INFO"):
        with contextlib.suppress(OSError):
            info = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            seconds = min(seconds, *(part / 1000 for part in _LAST_RECEIVED.unpack_from(info)))
    return seconds
