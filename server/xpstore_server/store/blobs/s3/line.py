"""The line to an S3 server: its connections, and what one request may cost when the server falls silent.

A silence is told from slowness by a fresh connection: requests that wait are left alone as long as that is answered.
When it is not, new requests fail at once, and when it is again, all connections that stood still are thrown away
together: those whose other end has forgotten them would wait for nothing.
"""

import contextlib
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from xpstore_server.store.blobs.s3.answers import Answer
from xpstore_server.store.blobs.s3.place import Place
from xpstore_server.store.blobs.s3.watch import Watch
from xpstore_server.store.blobs.store import Buffer
from xpstore_server.store.errors import StoreRefused, StoreUnavailable

CONNECT_SECONDS = 5.0
# Between two pieces sent, from the last one to the answer, and between two pieces of that.
SILENT_SECONDS = 10.0
# One write to a socket, which has SILENT_SECONDS: so this much is the slowest line.
PIECE_BYTES = 128 << 10
# Between two requests: a firewall may have forgotten the connection meanwhile.
RESTED_SECONDS = 2.0


class Line:
    """Connections to one host, each used by one thread at a time and kept for the next one."""

    def __init__(self, place: Place, host: str, keep: int) -> None:
        self._place = place
        self._tls = place.tls()
        self._proxy = place.proxy()
        self._host = host
        self._keep = keep
        self._idle: deque[_Connection] = deque()
        self._watch = Watch(self._probe, self._drop_idle)

    def ask(
        self, method: str, target: str, headers: dict[str, str], body: Iterable[Buffer] = (), *, most_bytes: int
    ) -> Answer:
        """Sends a request and returns the answer, with no more than `most_bytes` and a little of its body.

        Raises:
            StoreUnavailable: the server does not answer.
            StoreRefused: it is not the one that it should be.
        """
        if silent_seconds := self._watch.silent_seconds():
            raise StoreUnavailable(f"The S3 server at {self._host} has been silent for {silent_seconds:.0f} s.")
        connection = self._take()
        try:
            with self._told(), self._watch.over(connection):
                answer = connection.ask(method, self._target(target), headers, body, most_bytes)
        except BaseException:
            connection.close()
            self._drop_idle()  # they came from the same time
            raise
        if connection.is_open and len(self._idle) < self._keep:
            connection.left_at = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def ask_apart(
        self, method: str, target: str, headers: dict[str, str], *, timeout_seconds: float, most_bytes: int
    ) -> Answer:
        """As `ask`, on a connection of its own, in so many seconds: whatever other requests wait for."""
        with self._told(), contextlib.closing(self._new(timeout_seconds)) as connection:
            return connection.ask(method, self._target(target), headers, (), most_bytes)

    def close(self) -> None:
        self._watch.close()
        self._drop_idle()

    def _take(self) -> "_Connection":
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if connection.is_fit():
                    connection.rested = time.monotonic() - connection.left_at > RESTED_SECONDS
                    return connection
                connection.close()
        return self._new(None)

    def _new(self, timeout_seconds: float | None) -> "_Connection":
        where, proxy = urlsplit(f"//{self._host}"), self._proxy
        name, port = where.hostname or "", where.port or (443 if self._tls else 80)
        host, at = (proxy.host, proxy.port) if proxy else (name, port)
        if self._tls is None:
            return _Connection(HTTPConnection(host, at), timeout_seconds)
        http = HTTPSConnection(host, at, context=self._tls)
        if proxy:
            http.set_tunnel(name, port, proxy.headers)
        return _Connection(http, timeout_seconds)

    def _target(self, target: str) -> str:
        return f"http://{self._host}{target}" if self._proxy and self._tls is None else target

    def headers(self) -> dict[str, str]:
        """What each request says on this line, beside what is signed."""
        return self._proxy.headers if self._proxy and self._tls is None else {}

    def _probe(self, timeout_seconds: float) -> None:
        """Whatever is answered to a stranger: somebody is there."""
        with contextlib.closing(self._new(timeout_seconds)) as connection:
            connection.ask("HEAD", self._target("/"), {"Host": self._host, **self.headers()}, (), 0)

    def _drop_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            reason = f"The certificate of {self._host} is not believed ({error.verify_message})."
            raise StoreRefused(f"{reason} XPSTORE_BLOB_CA_FILE: set the file of its authority.") from None
        except (OSError, HTTPException) as error:
            via = f" through {self._proxy.variable}" if self._proxy else ""
            reason = getattr(error, "strerror", None) or str(error) or "no answer"
            text = f"The S3 server at {self._host} does not answer{via} ({type(error).__name__}: {reason[:200]})."
            if "WRONG_VERSION_NUMBER" in reason:
                text += " XPSTORE_BLOB_URL: without TLS it needs secure=false."
            raise StoreUnavailable(text) from error


class _Connection:
    """One connection; open from its first request on."""

    def __init__(self, http: HTTPConnection, timeout_seconds: float | None) -> None:
        self._http = http
        self._deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self.socket: socket.socket | None = None
        self.rested = False
        self.left_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._http.sock is not None

    def is_fit(self) -> bool:
        """Whether the other end has not closed it, as far as can be seen."""
        if self._http.sock is None:
            return False
        poll = select.poll()
        poll.register(self._http.sock, select.POLLIN)
        return not poll.poll(0)

    def ask(self, method: str, target: str, headers: dict[str, str], body: Iterable[Buffer], most_bytes: int) -> Answer:
        if self._http.sock is None:
            self._http.timeout = self._seconds(CONNECT_SECONDS)
            self._http.connect()
            self.socket = self._http.sock
        self._http.sock.settimeout(self._seconds(SILENT_SECONDS))
        is_sent = True
        try:
            self._http.request(method, target, _pieces(body), headers)
        except (BrokenPipeError, ConnectionResetError):
            is_sent = False  # a server that refuses says so before it has read everything
        response = self._http.getresponse()
        try:
            answer = Answer(response.status, response.headers, self._read(response, most_bytes))
        except BaseException:
            response.close()
            raise
        if not is_sent or not response.isclosed():
            response.close()
            self.close()
        return answer

    def _read(self, response: HTTPResponse, most_bytes: int) -> bytes:
        # All that was told to come: less is an error here. Of an error, or a page, what can be looked through.
        most_bytes = most_bytes if response.status < 300 else max(most_bytes, 64 << 10)
        if response.length is not None and response.length <= most_bytes:
            return response.read()
        return response.read(most_bytes + 1)

    def _seconds(self, seconds: float) -> float:
        if self._deadline is None:
            return seconds
        return max(min(self._deadline - time.monotonic(), seconds), 0.001)

    def close(self) -> None:
        self._http.close()

    def cut(self) -> None:
        """Ends it from another thread: the one that waits for it gets an error."""
        if self.socket is not None:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own, which takes the session from under the thread that reads.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


def _pieces(body: Iterable[Buffer]) -> Iterator[Buffer] | None:
    """Small parts put together and large ones cut: each piece is one write to a socket."""
    return _cut(body) if body else None


def _cut(body: Iterable[Buffer]) -> Iterator[Buffer]:
    some: list[Buffer] = []
    size = 0
    for part in body:
        if size and size + len(part) > PIECE_BYTES:
            yield b"".join(some)
            some, size = [], 0
        if len(part) <= PIECE_BYTES:
            some.append(part)
            size += len(part)
            continue
        view = memoryview(part)
        for start in range(0, len(view), PIECE_BYTES):
            yield view[start : start + PIECE_BYTES]
    if some:
        yield b"".join(some)
