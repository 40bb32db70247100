"""How many calls a key has at once, and how long they may take: at the bound, one past it, and afterwards."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import xpstore
from support.backends import Backend
from support.door.calls import Caller, calling, ended, log_of
from support.door.quick_server import SECONDS
from support.services import Server
from xpstore._values.ids import new_id
from xpstore.artifact import DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import limits_pb2

pytestmark = pytest.mark.client

LIMITS = "/xpstore.v1.LimitsService/GetLimits"
STREAM = "/xpstore.v1.IngestService/IngestStream"
CALLS = 16


@pytest.fixture(scope="module")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes few calls of a key at once, and whose calls may take a few seconds."""
    folder: Path = tmp_path_factory.mktemp("server")
    path = os.pathsep.join(filter(None, sys.path))
    server = Server(
        backend.database_url,
        backend.blob_url,
        folder,
        environment={"XPSTORE_MAX_CALLS": str(CALLS), "PYTHONPATH": path},
    )
    server.module = "support.door.quick_server"
    with server:
        yield server


class Held:
    """Streams that are open and send nothing until they are let go: as many as a key may have."""

    def __init__(self, caller: Caller) -> None:
        self._go = threading.Event()
        self._calls = [caller.begin(STREAM, self._nothing()) for _ in range(CALLS + 1)]
        deadline = time.monotonic() + 60
        while not any(call.done() for call in self._calls):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.refused = ended(next(call for call in self._calls if call.done()))

    def _nothing(self) -> Iterator[bytes]:
        self._go.wait(60)
        yield from ()

    def let_go(self) -> None:
        self._go.set()
        for call in self._calls:
            ended(call)


def test_limits_say_how_many(server: Server) -> None:
    with calling(server, server.api_key) as caller:
        (raw,) = caller.call(LIMITS, b"").messages
    limits = limits_pb2.GetLimitsResponse.FromString(raw).limits
    assert (limits.max_calls, limits.max_call_us, limits.max_silence_us) == (CALLS, SECONDS * 1e6, SECONDS * 1e6)


def test_call_too_many_is_told_to_wait_and_others_work_afterwards(server: Server) -> None:
    with calling(server, server.api_key) as caller:
        held = Held(caller)
        held.let_go()
        assert caller.call(LIMITS, b"").code == grpc.StatusCode.OK
    answer = held.refused
    assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED")
    assert (answer.metadata["limit"], answer.metadata["expected"]) == ("max_calls", str(CALLS))
    assert answer.retry_seconds and answer.retry_seconds > 0


def test_python_client_slows_down_and_does_not_fail(server: Server) -> None:
    with calling(server, server.api_key) as caller:
        client = xpstore.Client(server.api_key, server.address)
        held = Held(caller)
        timer = threading.Timer(0.5, held.let_go)
        timer.start()
        assert client.project(f"slow {new_id()}").open().uid
        timer.join()
        client.close()


def test_stream_that_falls_silent_is_ended_with_a_reason(server: Server) -> None:
    gone = threading.Event()

    def nothing() -> Iterator[bytes]:
        gone.wait(60)
        yield from ()

    with calling(server, server.api_key) as caller:
        answer = ended(caller.begin(STREAM, nothing()))
        gone.set()
    assert (answer.code, answer.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert answer.metadata["limit"] == "max_silence_us"


def test_call_that_takes_too_long_is_ended_with_a_reason(server: Server) -> None:
    """Its request has come, its end does not."""
    gone = threading.Event()

    def one() -> Iterator[bytes]:
        yield b""
        gone.wait(60)

    with calling(server, server.api_key) as caller:
        answer = ended(caller.begin(LIMITS, one()))
        gone.set()
    assert (answer.code, answer.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert answer.metadata["limit"] in ("max_call_us", "max_silence_us")


def test_download_that_is_broken_off_is_no_error_of_the_server(server: Server, tmp_path: Path) -> None:
    client = xpstore.Client(server.api_key, server.address)
    (tmp_path / "f").write_bytes(os.urandom(30 << 20))
    saved = DirectoryArtifact.save(tmp_path / "f", "f", project=client.project(f"broken {new_id()}").open())
    request = pb.ReadFileRequest(version_id=str(saved.id), path="f")
    for number in range(10):
        metadata = (*client.metadata[:1], ("x-request-id", f"broken-{number}"))
        call = client.stubs.artifacts.ReadFile(request, metadata=metadata)
        next(call)
        call.cancel()
    deadline = time.monotonic() + 60
    while True:
        lines = log_of(server)
        found = [line for line in lines if str(line.get("request_id", "")).startswith("broken-")]
        if len(found) == 10:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert {(line["status"], line["level"]) for line in found} == {("CANCELLED", "INFO")}
    assert all(line["bytes_out"] > 0 for line in found)
    assert [line for line in lines if line.get("level") == "ERROR" or "trace" in line] == []
    client.close()
