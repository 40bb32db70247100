"""Health says what is: database and bucket are asked, each service is known by its name, and who watches is told."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from support.services import Server
from xpstore_server import health
from xpstore_server.health import HealthService

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
SERVICES = ["Limits", "Project", "Experiment", "Model", "Iteration", "Metric", "Ingest", "Run", "Artifact", "Cache"]
# Promised are 15 and 5 s; a busy machine may take more.
PATIENT_SECONDS = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    settings = {"XPSTORE_DATA_DIR": str(tmp_path / "data"), "XPSTORE_DRAIN_SECONDS": "60"}
    with Server("", "", tmp_path, environment=settings) as server:
        yield server


def stub(server: Server) -> Any:
    channel = grpc.insecure_channel(server.address, options=[("grpc.enable_http_proxy", 0)])
    return health_pb2_grpc.HealthStub(channel)


def check(server: Server, service: str = "") -> int:
    return int(stub(server).Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def told(server: Server, text: str) -> list[str]:
    """The lines of the log that say so."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if text in line["message"]]


def test_each_service_is_known_by_its_name(server: Server) -> None:
    for name in ("", *(f"xpstore.v1.{name}Service" for name in SERVICES)):
        assert check(server, name) == SERVING, name
    with pytest.raises(grpc.RpcError) as caught:
        check(server, "xpstore.v1.NoService")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_bucket_that_is_gone_is_told_and_its_return_too(server: Server, tmp_path: Path) -> None:
    """By Check and Watch, to all services, with one line in the log at each change."""
    blobs, seen = tmp_path / "data" / "blobs", list[int]()
    watch = stub(server).Watch(health_pb2.HealthCheckRequest(service="xpstore.v1.ModelService"))
    threading.Thread(target=lambda: seen.extend(answer.status for answer in watch), daemon=True).start()
    wait_for(lambda: seen == [SERVING], "the first state")
    blobs.rename(tmp_path / "away")
    wait_for(lambda: check(server) == NOT_SERVING, "NOT_SERVING")
    assert check(server, "xpstore.v1.ArtifactService") == NOT_SERVING
    (tmp_path / "away").rename(blobs)
    wait_for(lambda: check(server) == SERVING, "SERVING")
    wait_for(lambda: seen == [SERVING, NOT_SERVING, SERVING], str(seen))
    assert len(told(server, "not serving: the bucket does not answer: ")) == 1
    assert told(server, "the bucket answers again") == ["the bucket answers again"]


def test_watch_of_a_server_that_ends_says_so_and_does_not_hold_it_up(server: Server) -> None:
    watch = stub(server).Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == SERVING
    unknown = stub(server).Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    assert server.process is not None
    server.process.terminate()
    assert [answer.status for answer in watch] == [NOT_SERVING]
    assert server.process.wait(50) == 0, "it has 60 s for calls under way, and a watch is none"


class Peer:
    """A database or bucket of the test's making."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.error: Exception | None = None

    def check(self, timeout_seconds: float) -> None:
        self.answers.wait()  # for ever: whatever the time-out is
        if self.error is not None:
            raise self.error


async def until(service: HealthService, status: int) -> None:
    async with asyncio.timeout(PATIENT_SECONDS):
        while (await service.Check(health_pb2.HealthCheckRequest(), None)).status != status:  # type: ignore[arg-type]
            await asyncio.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ATTEMPT_SECONDS", "PAUSE_SECONDS", "FAILING_PAUSE_SECONDS", "SETTLE_SECONDS"):
        monkeypatch.setattr(health, name, 0.02)
    monkeypatch.setattr(health, "SILENCE_SECONDS", 0.2)


def test_check_that_hangs_for_ever_counts_as_no_answer(quick: None, caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log for each of the two, one when it is back."""

    async def scenario() -> None:
        database, bucket = Peer(), Peer()
        service = HealthService([], {"database": database.check, "bucket": bucket.check})
        service.start()
        await until(service, SERVING)
        database.answers.clear()
        await until(service, NOT_SERVING)
        bucket.error = OSError("no route")
        await asyncio.sleep(0.5)
        database.answers.set()
        await asyncio.sleep(0.5)
        await until(service, NOT_SERVING)
        bucket.error = None
        await until(service, SERVING)
        await service.drain()
        await until(service, NOT_SERVING)

    with caplog.at_level(logging.INFO, "xpstore"):
        asyncio.run(scenario())
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(": no")[0] for line in lines] == [
        "not serving: the database does not answer",
        "not serving: the bucket does not answer",
        "the database answers again",
        "the bucket answers again",
    ]
    assert "no answer for" in lines[0] and "no route" in lines[1]


def test_one_failed_attempt_is_no_silence(quick: None) -> None:
    async def scenario() -> list[int]:
        peer, failed = Peer(), list[float]()

        def check(timeout_seconds: float) -> None:
            if not failed:
                failed.append(timeout_seconds)
                raise OSError("restarting")
            peer.check(timeout_seconds)

        service, seen = HealthService([], {"database": check}), list[int]()
        service.start()
        while len(seen) < 20 or not failed:
            answer = await service.Check(health_pb2.HealthCheckRequest(), None)  # type: ignore[arg-type]
            seen.append(answer.status)
            await asyncio.sleep(0.02)
        await service.drain()
        return seen

    assert set(asyncio.run(scenario())) == {SERVING}
