"""Logging while servers, programs and projects come and go: never in the way of the training, each record once."""

import logging
import os
import random
import secrets
import signal
import time
from pathlib import Path

import pytest

import xpstore
from support.logged import left_in, values
from support.services import Server
from xpstore import Client
from xpstore._spool import recorder
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore.model import Model
from xpstore.project import Project

pytestmark = pytest.mark.client


def test_log_neither_waits_nor_raises_while_the_server_is_away(
    server: Server, model: Model, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    try:
        began = time.monotonic()
        for number in range(1_000):
            model.metrics.log("loss", number, number)
        model.modules.log("optimizer", {"lr": 0.1})
        model.iterations.create(1).modules.log("batch")
        model.step = 7
        model.tags.add("late")
        with model.run():
            pass
        assert time.monotonic() - began < 5  # the run looks for packages and git
        with pytest.raises(Unavailable, match="stays in"):
            client.flush(0.5)
        with pytest.raises(Unavailable):
            Client(server.api_key, server.address, timeout_seconds=2)
    finally:
        server.start()
    client.flush()
    assert values(model) == list(range(1_000))
    assert [module.name for module in model.modules.list()] == ["optimizer"]
    assert [module.name for module in model.iterations.list()[0].modules.list()] == ["batch"]
    assert (model.step, model.tags.list(), model.status) == (7, ["late"], "finished")
    messages = [record.message for record in caplog.records if record.name == "xpstore"]
    assert sum("stays in the spool for now" in message for message in messages) == 1
    assert sum("is back" in message for message in messages) == 1


def test_log_does_not_wait_for_a_server_that_hangs(server: Server, model: Model, client: Client) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        longest = pause = 0.0
        for number in range(2_000):
            began = time.perf_counter()
            model.metrics.log("loss", number)
            logged = time.perf_counter()
            time.sleep(0.0005)
            longest, pause = max(longest, logged - began), max(pause, time.perf_counter() - logged)
        assert longest < 0.2 + pause  # a busy machine makes whoever does nothing wait too
        with pytest.raises(DeadlineExceeded):
            client.flush(0.2)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert values(model) == list(range(2_000))


def test_read_sends_what_is_pending_and_raises_when_it_cannot(server: Server, project: Project) -> None:
    client = Client(server.api_key, server.address, timeout_seconds=4)
    model = client.project(project.id).experiment("e").model("h")
    model.metrics.log("loss", 1)
    assert model.metrics.read("loss").values.tolist() == [1]
    model.metrics.log("loss", 2)
    assert values(model) == [1, 2]
    server.kill()
    try:
        model.metrics.log("loss", 3)
        with pytest.raises(Unavailable):
            model.metrics.list()
    finally:
        server.start()
    assert values(model) == [1, 2, 3]
    client.close()


def test_folder_of_a_closed_client_is_gone_when_all_is_sent(server: Server, spool: Path) -> None:
    client = Client(server.api_key, server.address)
    project = client.project(secrets.token_hex(6))
    project.experiment("e").model("h").metrics.log("loss", 1)
    assert len(left_in(spool)) == 1
    client.close()
    assert left_in(spool) == []
    with pytest.raises(Unavailable, match="closed"):
        client.recorder.spool  # noqa: B018


def test_what_a_closed_client_could_not_send_is_sent_by_the_next(
    server: Server, project: Project, model: Model, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "AWAY_SECONDS", 0.2)
    first = Client(server.api_key, server.address)
    metrics = first.project(project.id).experiment("e").model("h").metrics
    server.kill()
    metrics.log("loss", 1)
    first.close()
    server.start()
    model.metrics.log("other", 2)
    model._client.flush()
    assert sorted(values(model)) == [1, 2]
    model._client.close()
    assert left_in(spool) == []


def test_random_numbers_of_the_program_are_left_alone(server: Server, model: Model, client: Client) -> None:
    random.seed(0)
    expected = [random.random() for _ in range(3)]
    random.seed(0)
    server.kill()
    model.metrics.log("loss", 1)
    with pytest.raises(Unavailable):
        client.flush(0.5)
    server.start()
    client.flush()
    assert [random.random() for _ in range(3)] == expected


def test_nothing_lands_in_a_new_project_of_the_same_id(
    server: Server, client: Client, project: Project, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    other = client.project(secrets.token_hex(6)).experiment("e").model("h")
    model.metrics.log("loss", 0)
    client.flush()
    with Client(server.api_key, server.address).project(project.id) as twin:
        twin.delete()
        again = Project(project.id).open()
    for number in range(5):
        model.metrics.log("loss", number)
        other.metrics.log("loss", number)
    model.step = 3
    client.flush()
    assert values(other) == list(range(5))
    assert again.uid != project.uid
    assert again.experiments.list() == []
    assert client.dropped_count == 6
    assert caplog.text.count(f"Records of model {model.id} are not stored") == 1


def test_key_that_is_not_known_any_more_is_told_by_flush(server: Server, model: Model, client: Client) -> None:
    client._authorization = ("authorization", "Bearer xps_wrong-wrong-wrong-wrong")
    model.metrics.log("loss", 1)
    began = time.monotonic()
    with pytest.raises(xpstore.Error, match="key"):
        client.flush(20)
    assert time.monotonic() - began < 5
    client._authorization = ("authorization", f"Bearer {server.api_key}")
    assert values(model) == [1]


def test_record_that_the_server_refuses_does_not_hold_up_the_others(
    model: Model, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("xpstore.module.to_name", lambda field, name: name)
    for number in range(500):
        model.metrics.log("loss", number)
        if number == 250:
            model.modules.log("")
    client.flush()
    assert values(model) == list(range(500))
    assert client.dropped_count == 1
    assert "must not be empty" in caplog.text


def test_full_spool_never_blocks(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_MIB", "1")
    client = Client(server.api_key, server.address)
    model = client.project(project.id).experiment("e").model("h")
    server.kill()
    try:
        with caplog.at_level(logging.WARNING):
            for number in range(50_000):
                model.metrics.log("loss", number)
        assert client.dropped_count > 0
    finally:
        server.start()
    client.flush()
    stored = values(model)
    assert stored == list(range(50_000 - client.dropped_count))
    client.close()
