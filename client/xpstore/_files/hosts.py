"""Connections to the hosts that a server's URLs name, each used by one thread at a time and kept for the next one."""

import http.client
import ssl
import threading
from collections.abc import Callable
from urllib.parse import SplitResult

from xpstore._files.ways import Broken
from xpstore._service.address import is_loopback
from xpstore._service.connection import Connection

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 30.0
Send = Callable[[http.client.HTTPConnection], object]
# Connections kept for the next request: as many as are read or asked for at a time.
KEPT = 8


class Hosts:
    """The connections of one download or upload.

    Args:
        connection: to the server: where it has TLS, what its URLs name has too.
    """

    def __init__(self, connection: Connection) -> None:
        self._is_private = connection.is_tls
        self._idle: list[tuple[str, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None

    def ask(self, url: SplitResult, send: Send) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Sends a request to the host of a URL and returns what its answer comes on; raises Broken."""
        while True:
            connection = self._take(url)
            is_new = connection.sock is None
            try:
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(SILENT_SECONDS)
                send(connection)
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_new:  # an old one may just have been closed by the other end
                    raise Broken(f"{url.hostname} does not answer ({type(error).__name__})") from None
            except BaseException:
                connection.close()
                raise

    def _take(self, url: SplitResult) -> http.client.HTTPConnection:
        """A connection to the host of a URL."""
        host = f"{url.scheme}://{url.netloc}"
        with self._lock:
            for number, (its, connection) in enumerate(self._idle):
                if its == host:
                    del self._idle[number]
                    return connection
        if url.scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return http.client.HTTPSConnection(url.netloc, timeout=CONNECT_SECONDS, context=self._tls)
        if url.scheme != "http":
            raise Broken(f"the server names a URL of the kind {url.scheme[:10]!r}")
        if self._is_private and not is_loopback(url.hostname or ""):
            raise Broken(f"bytes from {url.hostname} would come without TLS, which the server has")
        return http.client.HTTPConnection(url.netloc, timeout=CONNECT_SECONDS)

    def give_back(self, url: SplitResult, connection: http.client.HTTPConnection) -> None:
        """Keeps a connection on which everything was read."""
        with self._lock:
            if connection.sock is not None and len(self._idle) < KEPT:
                self._idle.append((f"{url.scheme}://{url.netloc}", connection))
                return
        connection.close()

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()
