"""Connections to the hosts that a server's URLs name, each used by one thread at a time and kept for the next one."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import SplitResult

from xpstore._files.ways import Broken
from xpstore._service.address import is_loopback
from xpstore._service.connection import Connection

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 30.0
Send = Callable[[http.client.HTTPConnection], object]
# Connections kept for the next request: as many as are read or asked for at a time.
KEPT = 8


class Request(NamedTuple):
    """A request that was sent, and on what."""

    url: SplitResult
    send: Send
    connection: http.client.HTTPConnection
    is_new: bool

    def break_off(self) -> None:
        """Ends it from another thread: the one that waits for its answer gets an error."""
        break_off(self.connection.sock)


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
        request, response = self.answer(self.begin(url, send))
        return request.connection, response

    def begin(self, url: SplitResult, send: Send) -> Request:
        """Sends a request, whose answer may be waited for later; raises Broken."""
        while True:
            connection = self._take(url)
            request = Request(url, send, connection, is_new=connection.sock is None)
            with _trying(request):
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(SILENT_SECONDS)
                send(connection)
                return request

    def answer(self, request: Request) -> tuple[Request, http.client.HTTPResponse]:
        """Waits for the answer to a request, which is sent again where an old connection had ended; raises Broken."""
        while True:
            with _trying(request):
                return request, request.connection.getresponse()
            request = self.begin(request.url, request.send)

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


def break_off(sock: socket.socket | None) -> None:
    """Ends what goes on at a socket in another thread."""
    if sock is not None:
        with suppress(OSError):
            # Not SSLSocket's own, which takes the session from under the thread that sends.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


@contextmanager
def _trying(request: Request) -> Iterator[None]:
    """Passes over the failure of an old connection, which may just have been closed by the other end."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        request.connection.close()
        if request.is_new:
            raise Broken(f"{request.url.hostname} does not answer ({type(error).__name__})") from None
    except BaseException:
        request.connection.close()
        raise
