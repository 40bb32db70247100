"""Leases on cache entries: one thread of a client renews all it holds, and what it holds at the end is given back."""

import atexit
import contextlib
import logging
import os
import threading
import time
import weakref
from dataclasses import dataclass

from xpstore._machine.ending import INTERRUPTED_SECONDS, is_interrupted
from xpstore._service.connection import Connection
from xpstore.errors import Error
from xpstore.v1 import cache_pb2 as pb

log = logging.getLogger("xpstore")

# The contract's bound of one RenewCacheLeases.
MAX_TOKENS = 1_000
MAX_ERROR_LENGTH = 4_096
# How long giving a lease back may take: nothing is lost without it but time of those waiting.
END_SECONDS = 2.0


@dataclass(eq=False, slots=True)
class Lease:
    """The right to compute one entry.

    Attributes:
        token: the secret that proves it.
        renew_every_seconds: how often it is renewed.
        pid: the process that holds it: a forked child does not.
        is_lost: whether somebody else took it over.
    """

    token: bytes
    renew_every_seconds: float
    pid: int
    is_lost: bool = False

    @property
    def is_mine(self) -> bool:
        """Whether this process holds it, as far as it knows."""
        return self.pid == os.getpid() and not self.is_lost


class Leases:
    """The leases of one client in one process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._held: dict[bytes, Lease] = {}
        self._thread: threading.Thread | None = None
        self._is_ended = threading.Event()
        _all.add(self)

    def hold(self, token: bytes, renew_every_seconds: float) -> Lease:
        """Begins to renew a lease that was granted."""
        lease = Lease(token, renew_every_seconds, os.getpid())
        with self._lock:
            self._held[token] = lease
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew_always, name="xpstore-leases", daemon=True)
                with contextlib.suppress(RuntimeError):  # at the very end of a program no thread starts any more
                    self._thread.start()
        return lease

    def drop(self, lease: Lease) -> None:
        """Stops renewing a lease that was completed or lost."""
        with self._lock:
            self._held.pop(lease.token, None)

    def fail(self, lease: Lease, error: BaseException) -> None:
        """Ends a lease because the computation raised: those waiting are told."""
        text = f"{type(error).__name__}: {error}".encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
        request = pb.FailCacheLeaseRequest(token=lease.token, error=text[:MAX_ERROR_LENGTH])
        self._end(lease, "FailCacheLease", request)

    def release(self, lease: Lease) -> None:
        """Ends a lease without an entry: another caller may compute."""
        self._end(lease, "ReleaseCacheLease", pb.ReleaseCacheLeaseRequest(token=lease.token))

    def is_held(self, lease: Lease, timeout_seconds: float) -> bool:
        """Renews a lease now, and says whether it is still held.

        Raises:
            Unavailable: the server is away.
        """
        if lease.is_mine:
            self._renew([lease], timeout_seconds)
        return lease.is_mine

    def close(self) -> None:
        """Gives all leases back; in a forked child they are its parent's, and so is the lock."""
        if self._pid != os.getpid():
            return
        self._is_ended.set()
        with self._lock:
            held = [lease for lease in self._held.values() if lease.is_mine]
        deadline = time.monotonic() + END_SECONDS
        for lease in held:
            if time.monotonic() < deadline:
                self.release(lease)

    def _end(self, lease: Lease, method: str, request: object) -> None:
        if not lease.is_mine:
            return
        self.drop(lease)
        seconds = INTERRUPTED_SECONDS if is_interrupted() else END_SECONDS
        with contextlib.suppress(Error):  # it ends by itself, a little later
            stub = getattr(self._connection.stubs.cache, method)
            self._connection.call(stub, request, timeout_seconds=seconds)

    def _renew_always(self) -> None:
        while True:
            with self._lock:
                leases = list(self._held.values())
                if not leases or self._is_ended.is_set():
                    self._thread = None
                    return
            pause = min(lease.renew_every_seconds for lease in leases)
            if self._is_ended.wait(pause):
                continue
            with self._lock:
                leases = list(self._held.values())
            for start in range(0, len(leases), MAX_TOKENS):
                try:
                    self._renew(leases[start : start + MAX_TOKENS], pause)
                except Error as error:  # tried again soon: a lease past its time that nobody took is extended too
                    log.debug("Leases were not renewed: %s", error)

    def _renew(self, leases: list[Lease], timeout_seconds: float) -> None:
        request = pb.RenewCacheLeasesRequest(tokens=[lease.token for lease in leases])
        stub = self._connection.stubs.cache.RenewCacheLeases
        response = self._connection.call(stub, request, timeout_seconds=timeout_seconds)
        for position in response.lost_positions:
            leases[position].is_lost = True
            self.drop(leases[position])


_all: "weakref.WeakSet[Leases]" = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    for leases in list(_all):
        leases.close()
