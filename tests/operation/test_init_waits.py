"""`init()` waits for a server that is away as other calls do, and tells at once what waiting does not mend."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import xpstore
from support.backends import sqlite_url
from support.services import Postgres, Server
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import InvalidArgument, Unauthenticated, Unavailable
from xpstore_server.core import access
from xpstore_server.store.database import Database

TRIED = "It is tried for another"
MANY_SECONDS = 120.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One of its own, not started."""
    server = Server(sqlite_url(tmp_path / "x.db"), (tmp_path / "blobs").as_uri(), tmp_path)
    yield server
    server.kill()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def begun(pool: ThreadPoolExecutor, server: Server, key: str = "") -> "Future[xpstore.Client]":
    return pool.submit(xpstore.Client, key or server.api_key, server.address, timeout_seconds=MANY_SECONDS)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MANY_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def wait_until_told(caplog: pytest.LogCaptureFixture) -> None:
    wait_for(lambda: TRIED in caplog.text)


def test_program_that_starts_before_its_server_waits_and_says_so_once(
    server: Server, pool: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    clients = begun(pool, server)
    wait_until_told(caplog)
    server.start()
    client = clients.result(MANY_SECONDS)
    assert client.limits.server_version and client.timeout_seconds == MANY_SECONDS
    assert caplog.text.count(TRIED) == 1
    assert f"The server at {server.address} does not answer: " in caplog.text
    client.close()


def test_programs_that_start_while_the_database_is_away_wait(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with Postgres() as database:
        url = database.create_database()
        with Server(url, (tmp_path / "blobs").as_uri(), tmp_path) as server:
            its = Database(url)
            # One that the server has not in its memory, which answers without a database for some seconds.
            key = its.write(lambda tx: access.create(tx, "late"))
            its.close()
            database.kill()
            clients = [begun(pool, server, key) for _ in range(3)]
            time.sleep(1)
            assert not any(client.done() for client in clients)
            database.restart()
            for client in clients:
                connected = client.result(MANY_SECONDS)
                assert connected.limits.server_version
                connected.close()


def test_server_that_stays_away_is_told_when_the_time_is_over(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"^The server at {server.address} does not answer: "):
        xpstore.Client(server.api_key, server.address, timeout_seconds=1)
    assert time.monotonic() - started > 0.9, "it was tried for as long as it may take"
    assert TRIED not in caplog.text, "the error says it soon enough"


def test_host_that_nobody_knows_is_waited_for_too(server: Server) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"^The server at grpcs://nobody\.invalid does not answer: "):
        xpstore.Client(server.api_key, "grpcs://nobody.invalid", timeout_seconds=1)
    assert time.monotonic() - started > 0.9


def test_wrong_key_and_malformed_address_are_told_at_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.start()
    with pytest.raises(Unauthenticated):
        xpstore.Client("xps_wrong-wrong-wrong", server.address, timeout_seconds=MANY_SECONDS)
    with pytest.raises(InvalidArgument):
        xpstore.Client(server.api_key, "localhost:port", timeout_seconds=MANY_SECONDS)
    assert TRIED not in caplog.text


def test_certificate_that_cannot_be_is_told_at_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """That of a stranger is in test_tls."""
    server.start()
    with pytest.raises(Unavailable, match="does not answer"):
        xpstore.Client(server.api_key, f"https://{server.address}", timeout_seconds=MANY_SECONDS)
    assert TRIED not in caplog.text


def test_programs_work_on_through_the_death_of_postgres(tmp_path: Path) -> None:
    """It is killed twice while a program logs, saves and reads: nothing fails, and all is there once."""
    constants = {f"health.{name}": 0.3 for name in ("PAUSE_SECONDS", "SILENCE_SECONDS", "SETTLE_SECONDS")}
    with Postgres() as postgres:
        url = postgres.create_database()
        with Server(url, (tmp_path / "blobs").as_uri(), tmp_path, constants=constants) as server:
            client = xpstore.Client(server.api_key, server.address, timeout_seconds=60)
            project = client.project("test").open()
            model = project.experiment("e").model("h")
            for round_ in range(2):
                postgres.kill()
                with ThreadPoolExecutor(2) as pool:
                    saving = pool.submit(DirectoryArtifact.save, b"%d" % round_, "saved", project=project)
                    listing = pool.submit(project.experiments.list)
                    for number in range(100):
                        model.metrics.log("loss", number, 100 * round_ + number)
                    wait_for(lambda: "not serving: the database" in server.log.read_text())
                    postgres.restart()
                    assert saving.result(60).version == round_ + 1
                    assert [experiment.name for experiment in listing.result(60)] == ["e"]
            client.flush(60)
            assert [point.step for point in model.metrics.list("loss")] == [*range(200)]
            wait_for(lambda: "the database answers again" in server.log.read_text())
            client.close()
