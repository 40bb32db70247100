"""Descriptors: the soft limit is raised; where there are few some clients are refused, and the others lose nothing."""

import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import xpstore
from support.raw import MIB
from support.services import Server
from xpstore.artifact import DirectoryArtifact
from xpstore_server import listening
from xpstore_server.listening import Descriptors

# How a client of HTTP/2 begins, with empty settings (RFC 9113, 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


@contextlib.contextmanager
def limited(folder: Path, soft: int, hard: int) -> Iterator[Server]:
    """A server that is started with this limit."""
    server = Server("", "", folder, environment={"XPSTORE_DATA_DIR": str(folder / "data")})
    server.prefix = ["/bin/sh", "-c", f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"', "sh"]
    with server:
        yield server


@contextlib.contextmanager
def clients(server: Server, count: int) -> Iterator[int]:
    """As many connections; says how many of them the server answers, the others it has closed."""
    host, _, port = server.address.rpartition(":")
    with contextlib.ExitStack() as stack:
        taken = 0
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port)), 30))
            with contextlib.suppress(ConnectionError):
                connection.sendall(PREFACE)
                taken += bool(connection.recv(1))
        yield taken


def test_soft_limit_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    with limited(tmp_path, 256, 4096) as server:
        assert psutil.Process(server.pid).rlimit(psutil.RLIMIT_NOFILE) == (4096, 4096)
        with clients(server, 300) as taken:
            assert taken == 300


def test_clients_beyond_a_hard_limit_are_refused_and_the_others_save(tmp_path: Path) -> None:
    with limited(tmp_path, 256, 256) as server:
        client = xpstore.Client(server.api_key, server.address)
        with client.project("p"), clients(server, 300) as taken:
            assert taken == 256 - listening.OWN_DESCRIPTORS - 1, "the rest is told at once"
            (tmp_path / "file").write_bytes(os.urandom(12 * MIB))
            saved = DirectoryArtifact.save(tmp_path / "file", "a")
            assert (saved.download(tmp_path / "back") / "file").read_bytes() == (tmp_path / "file").read_bytes()
            until(lambda: server.log.read_text().count("nearly no connection is left") == 1)
        client.close()
        with contextlib.closing(xpstore.Client(server.api_key, server.address)) as later:
            assert later.project("p").id == "p"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_clients_that_may_be_connected_leave_some_for_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    for soft, expected in ((1024, 896), (256, 128), (64, 32), (resource.RLIM_INFINITY, 1 << 20)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert listening.raise_descriptor_limit() == expected


def test_few_descriptors_are_told_once_each_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_files, descriptors = [0], Descriptors(100)
    monkeypatch.setattr(os, "listdir", lambda _: range(open_files[0]))
    for count in (50, 100, 110, 90, 100, 70, 100):
        open_files[0] = count
        descriptors.look()
    assert len(caplog.records) == 2
