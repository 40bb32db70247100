"""The bounds of the door hold over HTTP: calls of a key, connections, where strangers come from; nonsense is told."""

import http.client
import json
import os
import random
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToJson

from support.backends import Backend
from support.door.calls import log_of
from support.door.messages import made, requests, spoilt
from support.web.http import JSON, Http
from support.web.server import WebServer

pytestmark = pytest.mark.client

CALLS = 16
LIMITS, STREAM = "/xpstore.v1.LimitsService/GetLimits", "/xpstore.v1.IngestService/IngestStream"
NONSENSE = (b"{", b'"', b"\\", b"null", b"1e999", b"[[", b"\xff", b"\\ud800", b"-", b":", b",", b"9" * 30, b"{}", b"[]")


def test_calls_of_a_key_are_bounded(empty: Backend, tmp_path: Path) -> None:
    with WebServer(empty, tmp_path, XPSTORE_MAX_CALLS=str(CALLS)) as server, ExitStack() as stack:
        http = Http(server.http_port, server.api_key)
        for _ in range(CALLS):
            connection = stack.enter_context(http.socket())
            head = f"POST {STREAM} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {http.key}\r\n"
            kind = "Content-Type: application/connect+proto\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
            connection.sendall(f"{head}{kind}".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100"), "its call has begun"
        answer = http.call("LimitsService/GetLimits", {})
        assert answer.why[:2] == (429, "RESOURCE_EXHAUSTED") and answer.headers["retry-after"] == "1"
        assert answer.info["metadata"]["limit"] == "max_calls"


def test_bodies_that_do_not_come_are_waited_for_so_long(empty: Backend, tmp_path: Path) -> None:
    """A call of one message as a whole, a stream for each message, a file for each piece of it."""
    server = WebServer(empty, tmp_path)
    server.module = "support.door.quick_server"
    server.environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    with server, ExitStack() as stack:
        http = Http(server.http_port, server.api_key)
        made = {"projectId": "p", "name": "p", "creationId": str(uuid.uuid4())}
        assert http.call("ProjectService/CreateProject", made).status == 200
        cases = {
            ("POST", LIMITS, JSON): (b"HTTP/1.1 504", b"max_call_us"),
            ("POST", STREAM, "application/connect+proto"): (b"HTTP/1.1 200", b"max_silence_us"),
            ("POST", STREAM, "application/grpc-web"): (b"HTTP/1.1 200", b"grpc-status: 4"),
            ("PUT", "/files/p/a/b", JSON): (b"HTTP/1.1 504", b"max_silence_us"),
        }
        held = {}
        for verb, path, kind in cases:
            held[verb, path, kind] = connection = stack.enter_context(http.socket())
            head = f"{verb} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {http.key}\r\n"
            connection.sendall(f"{head}Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n".encode() + b"\0")
        for case, (status, limit) in cases.items():
            text = b""
            while limit not in text:
                data = held[case].recv(65_536)
                assert data, text
                text += data
            assert text.startswith(status), text


def test_connections_are_bounded(empty: Backend, tmp_path: Path) -> None:
    server = WebServer(empty, tmp_path, {"listening.OWN_DESCRIPTORS": 1_000_000, "listening.FEWEST_CONNECTIONS": 16})
    with server, ExitStack() as stack:
        stranger = Http(server.http_port)
        held = [stack.enter_context(stranger.socket()) for _ in range(8)]
        beyond = stack.enter_context(stranger.socket())
        with pytest.raises(ConnectionError):
            if not beyond.recv(1):
                raise ConnectionResetError
        held.pop().close()
        while True:
            try:
                assert stranger.ask("GET", "/openapi.json").status == 200
                break
            except (ConnectionError, http.client.RemoteDisconnected):
                pass


def test_word_of_a_trusted_proxy_counts(empty: Backend, tmp_path: Path) -> None:
    for trusted, expected in (("127.0.0.1", "192.0.2.7"), ("10.0.0.1", "127.0.0.1")):
        with WebServer(empty, tmp_path, XPSTORE_TRUSTED_PROXIES=trusted) as server:
            Http(server.http_port).call("LimitsService/GetLimits", {}, X_Forwarded_For="192.0.2.7")
            lines = [line for line in log_of(server) if line.get("message") == "refused"]
        assert [line["peer"] for line in lines] == [expected]


def bodies(path: str, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Requests of a method that are nearly sound, as JSON and as bytes."""
    message = made(requests()[path], chance)
    for raw in islice(spoilt(message.SerializeToString(), chance), 2):
        yield "application/proto", raw
    text = MessageToJson(message).encode()
    for _ in range(6):
        at = chance.randrange(len(text) + 1)
        yield JSON, text[:at] + chance.choice(NONSENSE) + text[at + chance.randrange(4) :]


def test_spoilt_requests_of_every_method_are_answered_with_a_reason(server: WebServer, http: Http) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance, before, count = random.Random(seed), len(log_of(server)), 0
    connection = http_connection(http)
    for path in requests():
        for type_, body in bodies(path, chance):
            connection.request("POST", path, body, {"Authorization": f"Bearer {http.key}", "Content-Type": type_})
            response = connection.getresponse()
            text, count = response.read(), count + 1
            assert response.status in (200, 400, 404, 409, 415, 429), (path, body, text)
            if response.status not in (200, 415):
                (info, *_) = (one["debug"] for one in json.loads(text)["details"])
                assert info["domain"] == "xpstore" and info["reason"] != "INTERNAL"
    connection.close()
    assert count >= 8 * 81
    assert [line for line in log_of(server)[before:] if line.get("level") == "ERROR" or "text" in line] == []


def http_connection(http_: Http) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", http_.port, timeout=60)
