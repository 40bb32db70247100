"""What no client should send over HTTP: refused with a reason, at hardly any cost, and others go on beside it."""

import contextlib
import gzip
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from support.backends import Backend
from support.door.calls import log_of
from support.web.http import JSON, Http, envelope, envelopes
from support.web.server import WebServer

pytestmark = pytest.mark.client

MIB = 1 << 20
GROWTH = 64 * MIB
INGEST = "/xpstore.v1.IngestService/Ingest"
LOG = "/xpstore.v1.MetricService/LogMetrics"


def received(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    parts = []
    try:
        while data := connection.recv(65_536):
            parts.append(data)
    except ConnectionError:
        pass
    return b"".join(parts)


def status_of(connection: socket.socket) -> int:
    """Of an answer whose body does not matter."""
    text = b""
    while b"\r\n" not in text:
        data = connection.recv(4_096)
        assert data, "the connection ended without an answer"
        text += data
    return int(text.split(b" ")[1])


def head_of(path: str, length: int, key: str = "", verb: str = "POST", type_: str = JSON) -> bytes:
    own = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{own}Content-Type: {type_}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.fixture(autouse=True)
def no_faults(server: WebServer) -> Iterator[None]:
    """Nothing of all this is a fault of the server, and no trace is in its log."""
    before = len(log_of(server))
    yield
    assert [line for line in log_of(server)[before:] if line.get("level") == "ERROR" or "text" in line] == []


def test_bodies_of_strangers_are_not_taken(server: WebServer, stranger: Http) -> None:
    before = server.rss_bytes()

    def one(number: int) -> int:
        path, verb = ((LOG, "POST"), ("/files/p/a/b", "PUT"))[number % 2]
        with stranger.socket() as connection:
            connection.sendall(head_of(path, 4 * MIB, verb=verb))
            status = status_of(connection)  # before a byte of the body was sent
            with contextlib.suppress(ConnectionError):
                connection.sendall(bytes(4 * MIB))
            return status

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(one, range(50))) == {401}
    assert server.rss_bytes() - before < GROWTH


def test_body_is_asked_for_once_the_key_is_known(http: Http, stranger: Http) -> None:
    for caller, expected in ((stranger, 401), (http, 100)):
        with caller.socket() as connection:
            head = head_of("/files/p/a/b", 10, caller.key, "PUT").replace(
                b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"
            )
            connection.sendall(head)
            status = status_of(connection)
            assert status in (expected, 404), "nothing of the body was sent; the project is not there"


def test_nobody_waits_for_the_body_of_a_stranger(stranger: Http) -> None:
    cases = [
        (verb, path) for verb in ("GET", "HEAD", "PUT", "POST", "OPTIONS", "DELETE") for path in (LOG, "/files/p/a/b")
    ]
    for verb, path in [*cases, ("POST", "/openapi.json"), ("POST", "/nowhere")]:
        with stranger.socket(20) as connection:
            connection.sendall(head_of(path, 100, verb=verb))
            assert status_of(connection) in (204, 400, 401, 404, 405), (verb, path)


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        (JSON, b'{"points": [' + b"{}," * 1_300_000 + b"{}]}"),
        (JSON, b'{"points": [' + b"[]," * 1_300_000 + b"[]]}"),
        ("application/proto", b"\x12\x00" * (2 * MIB)),
        (JSON, gzip.compress(b'{"points": [' + b"{}," * 1_300_000 + b"{}]}")),
    ],
)
def test_heavy_messages_are_refused_before_they_are_parsed(
    type_: str, body: bytes, server: WebServer, http: Http
) -> None:
    before = server.rss_bytes()
    headers = {"Content-Type": type_, **({"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {})}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: http.ask("POST", LOG, body, headers), range(16)))
    assert {answer.status for answer in answers} <= {400, 429}
    assert server.rss_bytes() - before < 256 * MIB


@pytest.mark.parametrize("length", [4 * MIB + 1, 50 * MIB])
def test_message_over_its_bound_is_told_so(length: int, server: WebServer, http: Http) -> None:
    before = server.rss_bytes()
    packed = gzip.compress(bytes(length))
    for headers in ({"Content-Encoding": "gzip"}, {}):
        body = packed if headers else bytes(length)
        try:
            answer = http.ask("POST", LOG, body, {"Content-Type": "application/proto", **headers})
        except ConnectionError:
            assert not headers, "it was refused while it was sent"
            continue
        assert answer.why[:2] == (429, "RESOURCE_EXHAUSTED")
        assert answer.info["metadata"]["limit"] == "max_message_bytes"
    assert server.rss_bytes() - before < GROWTH


def test_message_of_a_stream_over_its_bound_is_told_by_its_head(http: Http) -> None:
    with http.socket() as connection:
        body = b"\0" + (5 * MIB).to_bytes(4, "big")
        path = "/xpstore.v1.IngestService/IngestStream"
        connection.sendall(head_of(path, 6 * MIB, http.key, type_="application/connect+proto") + body)
        assert status_of(connection) == 200


def test_compressed_messages_of_a_stream_are_bounded(http: Http) -> None:
    body = envelope(1, gzip.compress(bytes(50 * MIB)))
    headers = {"Content-Type": "application/connect+proto", "Connect-Content-Encoding": "gzip"}
    answer = http.ask("POST", "/xpstore.v1.IngestService/IngestStream", body, headers)
    assert json.loads(envelopes(answer.body)[-1][1])["error"]["code"] == "resource_exhausted"


@pytest.mark.parametrize(
    "text",
    [
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
)
def test_nonsense_is_answered_or_dropped_and_others_go_on(text: bytes, stranger: Http) -> None:
    with stranger.socket(20) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = received(connection)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert stranger.ask("GET", "/openapi.json").status == 200


def test_random_bytes_end_in_an_answer(server: WebServer, http: Http) -> None:
    for number in range(60):
        body = os.urandom(number * 7)
        for type_ in (JSON, "application/proto", "application/connect+json", "application/grpc-web-text"):
            answer = http.ask("POST", "/xpstore.v1.ProjectService/GetProject", body, {"Content-Type": type_})
            assert answer.status in (200, 400, 404, 415), answer.body


def test_slow_heads_are_not_waited_for(empty: Backend, tmp_path: Path) -> None:
    """Silent, or a byte now and then, or what follows a refusal: ten seconds, as gRPC gives, and here two."""
    with WebServer(empty, tmp_path, {"web.serve.HEAD_SECONDS": 2.0}) as server:
        stranger = Http(server.http_port)
        silent, slow, refused = (stranger.socket(0.1) for _ in range(3))
        refused.sendall(head_of(LOG, 4 * MIB))
        ends = {silent: 0.0, slow: 0.0, refused: 0.0}
        started = time.monotonic()
        while not all(ends.values()):
            assert time.monotonic() - started < 60
            for one in (one for one, end in ends.items() if not end):
                try:
                    if one is not silent:
                        one.sendall(b"G")
                    if one.recv(4_096):
                        continue
                except TimeoutError:
                    continue
                except ConnectionError:
                    pass
                ends[one] = time.monotonic()
        assert min(ends.values()) - started > 1
        for one in ends:
            one.close()


def test_client_that_reads_nothing_is_not_waited_for(empty: Backend, tmp_path: Path) -> None:
    """For five minutes, and here for four seconds; one that goes on reading is."""
    with WebServer(empty, tmp_path, {"web.serve.STALLED_SECONDS": 4.0}) as server:
        asked = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100
        idle, slow = (Http(server.http_port).socket() for _ in range(2))
        for one in (idle, slow):
            one.sendall(asked)
        process, port = psutil.Process(server.pid), idle.getsockname()[1]

        def is_there() -> bool:
            """The client itself is not told of the end: what the kernel has for it is not taken either."""
            return any(one.raddr and one.raddr.port == port for one in process.net_connections("tcp"))

        assert idle.recv(1)
        started, count = time.monotonic(), 0
        while is_there():
            assert time.monotonic() - started < 60
            count += len(slow.recv(1 << 20))
            time.sleep(0.2)
        assert time.monotonic() - started > 2
        while count < 100 * 300_000:
            data = slow.recv(1 << 20)
            assert data, "it was ended too"
            count += len(data)
        idle.close()
        slow.close()


def test_client_that_leaves_ends_its_call(server: WebServer, http: Http) -> None:
    data = os.urandom(30 * MIB)
    name = f"leaves-{os.urandom(4).hex()}"
    made = {"projectId": name, "name": name, "creationId": str(uuid.uuid4())}
    assert http.call("ProjectService/CreateProject", made).status == 200
    assert http.ask("PUT", f"/files/{name}/a/b", data).status == 201
    for number in range(4):
        with http.socket() as connection:
            head = f"GET /files/{name}/a/b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {http.key}\r\n"
            connection.sendall(f"{head}X-Request-Id: {name}-{number}\r\n\r\n".encode())
            assert connection.recv(1_000)
    deadline = time.monotonic() + 60
    while True:
        lines = [line for line in log_of(server) if str(line.get("request_id", "")).startswith(name)]
        if len(lines) == 4:
            break
        assert time.monotonic() < deadline, lines
        time.sleep(0.1)
    assert {line["status"] for line in lines} == {"CANCELLED"}
    assert all(line["bytes_out"] < len(data) for line in lines)


def test_reader_that_is_slow_is_waited_for(server: WebServer, http: Http) -> None:
    data = os.urandom(30 * MIB)
    name = f"slow-{os.urandom(4).hex()}"
    made = {"projectId": name, "name": name, "creationId": str(uuid.uuid4())}
    assert http.call("ProjectService/CreateProject", made).status == 200
    assert http.ask("PUT", f"/files/{name}/a/b", data).status == 201
    before = server.rss_bytes()
    connections = [http.socket() for _ in range(8)]
    for connection in connections:
        head = f"GET /files/{name}/a/b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {http.key}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        assert connection.recv(1_000)
    time.sleep(1)
    assert server.rss_bytes() - before < 200 * MIB, "240 MiB were asked for"
    assert received(connections[0]).endswith(data[-1_000:])
    for connection in connections:
        connection.close()
