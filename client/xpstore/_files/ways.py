"""What is known of the ways past a server, down and up."""

import logging
import threading
import time
from weakref import WeakKeyDictionary

from xpstore._service.connection import Connection
from xpstore.errors import Error
from xpstore.v1 import transfer_pb2 as pb

log = logging.getLogger("xpstore")

FAILURES = 2
OFF_SECONDS = 600.0


class Broken(Exception):
    """Bytes that did not come or go so. They take another way."""


class Way:
    """What is known of a way past one server.

    Attributes:
        kind: URLs or paths.
        is_proven: whether bytes went by it.
        trial: held by the thread that tries it, until it is proven.
    """

    def __init__(self, kind: pb.TransferWay) -> None:
        self.kind = kind
        self.is_proven = False
        self.trial = threading.Lock()
        self._failures = 0
        self._off_until = 0.0
        self._is_told = False

    @property
    def is_open(self) -> bool:
        """Whether it may be tried."""
        return time.monotonic() >= self._off_until

    def worked(self) -> None:
        """Bytes went by it."""
        if not self.is_proven:
            log.debug("Bytes go past the server from now on.")
        self.is_proven, self._failures = True, 0

    def failed(self, error: Exception) -> None:
        """Bytes did not go by it."""
        self._failures += 1
        if not self.is_proven or self._failures >= FAILURES:
            self._off_until, self._failures, self.is_proven = time.monotonic() + OFF_SECONDS, 0, False
            level = logging.DEBUG if self._is_told else logging.INFO
            self._is_told = True
            log.log(level, "All bytes go through the server for ten minutes: %s", error)


Ways = WeakKeyDictionary[Connection, Way]
_down: Ways = WeakKeyDictionary()
_up: Ways = WeakKeyDictionary()


def way_down(connection: Connection) -> Way | None:
    """The way down past the server of a connection, if there is one that may be tried."""
    try:
        offered = connection.limits.direct
    except Error:  # what waits in the spool is read while the server is away
        return None
    return _way(_down, connection, paths=offered.read_paths, urls=offered.read_urls)


def way_up(connection: Connection) -> Way | None:
    """The same up."""
    offered = connection.limits.direct
    return _way(_up, connection, paths=offered.write_paths, urls=offered.write_urls)


def _way(ways: Ways, connection: Connection, *, paths: bool, urls: bool) -> Way | None:
    if paths and connection.is_embedded:
        kind = pb.TRANSFER_WAY_PATH
    elif urls:
        kind = pb.TRANSFER_WAY_URL
    else:
        return None
    way = ways.get(connection)
    if way is None or way.kind != kind:
        way = ways[connection] = Way(kind)
    return way if way.is_open else None
