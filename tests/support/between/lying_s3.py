"""An S3 server that lies where a test wants it to: an HTTP proxy before a real one.

`lying.rules` are functions of what is asked and a way to pass it on; the first that returns an answer gives it:

    lying.rules.append(when("PUT", times=1, then=said(200, HTML)))
"""

import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from s3_server import ACCESS_KEY, SECRET_KEY

HTML = b"<html><body>Please log in</body></html>"
_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "proxy-authorization", "proxy-connection")


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str  # path and query as they came
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """The key of the object; empty if the bucket itself is asked for."""
        return self.path.lstrip("/").partition("/")[2]


@dataclass(frozen=True)
class Said:
    """One answer; `length` is what it says of its body where that is a lie."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None


PassOn = Callable[[], Said]
Rule = Callable[[Asked, PassOn], Said | None]


def said(status: int, body: bytes = b"", content_type: str = "text/html", **headers: str) -> Callable[..., Said]:
    """An answer that is not the server's."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked, pass_on: Said(status, {"Content-Type": content_type, **named}, body)


def refusal(status: int, code: str, inner: str = "") -> Callable[..., Said]:
    """What an S3 server says that says no."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message>{inner}</Error>"
    return said(status, body.encode(), "application/xml")


def changed(change: Callable[[Said], Said]) -> Callable[..., Said]:
    """The server's own answer, changed on its way."""
    return lambda asked, pass_on: change(pass_on())


def flipped(answer: Said) -> Said:
    """With one wrong bit."""
    body = bytearray(answer.body)
    body[len(body) // 2] ^= 1
    return replace(answer, body=bytes(body))


def when(
    method: str, then: Callable[..., Said], *, key: str = "packs/", query: str | None = None, times: int | None = None
) -> Rule:
    """A rule for requests of a method, whose key begins so and whose query has a name; so many times at most."""
    left, lock = [times], threading.Lock()

    def rule(asked: Asked, pass_on: PassOn) -> Said | None:
        if asked.method != method or not asked.key.startswith(key) or (query is not None and query not in asked.query):
            return None
        with lock:
            if left[0] == 0:
                return None
            left[0] = None if left[0] is None else left[0] - 1
        return then(asked, pass_on)

    return rule


class LyingS3:
    """Stands before the S3 server at `target`, `HOST:PORT`; also what HTTP_PROXY and HTTPS_PROXY may name.

    Args:
        tls: to be spoken to through TLS.

    Attributes:
        rules: what it lies about, changed at any time.
        asked: what was asked of it so far.
        tunnels: how many connections were passed on unseen (CONNECT).
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.rules: list[Rule] = []
        self.asked: list[Asked] = []
        self.tunnels = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        self.address = f"127.0.0.1:{self.port}"

    def blob_url(self, bucket: str, keys: str = f"{ACCESS_KEY}:{SECRET_KEY}@", options: str = "secure=false") -> str:
        """The URL of a bucket behind it."""
        return f"s3://{keys}{self.address}/{bucket}?{options}"

    def count(self, method: str, key: str = "packs/") -> int:
        """How many requests of a method there were for keys that begin so."""
        return sum(asked.method == method and asked.key.startswith(key) for asked in self.asked)

    def answer(self, asked: Asked) -> Said:
        """What is said to a request."""
        self.asked.append(asked)
        for rule in list(self.rules):
            if answer := rule(asked, lambda: self.pass_on(asked)):
                return answer
        return self.pass_on(asked)

    def pass_on(self, asked: Asked) -> Said:
        """What the server says."""
        connection = http.client.HTTPConnection(self.target, timeout=60)
        try:
            connection.request(asked.method, asked.target, asked.body or None, asked.headers)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            return Said(answer.status, kept, answer.read())
        finally:
            connection.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(lying: LyingS3) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            answer = lying.answer(Asked(self.command, target, unquote(parts.path), query, headers, body))
            self.send_response_only(answer.status)
            length = len(answer.body) if answer.length is None else answer.length
            for name, value in answer.headers.items():
                if name.lower() != "content-length" or self.command == "HEAD":
                    self.send_header(name, value)
            if self.command != "HEAD" and answer.status != 204:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            if length != len(answer.body):
                self.close_connection = True

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer

        def do_CONNECT(self) -> None:
            lying.tunnels += 1
            host, _, port = lying.target.rpartition(":")
            with socket.create_connection((host, int(port))) as far:
                self.send_response_only(200)
                self.end_headers()
                ends = {self.connection: far, far: self.connection}
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
