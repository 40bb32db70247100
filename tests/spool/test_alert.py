"""Alerts of programs: never in the way, each there once however the program ends, and read with those of the server."""

import logging
import math
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from support.homes import without_settings
from support.services import Server
from xpstore import errors
from xpstore._offline.sync import sync
from xpstore.alert import Alert
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project

pytestmark = pytest.mark.client


def titles(model: Model) -> list[str]:
    return [one.title for one in model.alerts]


def test_alerts_of_a_program_and_of_the_server_are_read_newest_first(project: Project, model: Model) -> None:
    assert model.alerts.list() == []
    model.alert("loss explodes", "it was 1e9", level="error", step=7)
    model.metrics.log("loss", math.nan, step=8, phase="train")
    with pytest.raises(ZeroDivisionError), model.run() as attempt:
        raise ZeroDivisionError("by 0")
    failed, *others = model.alerts
    nan, said = sorted(others, key=lambda one: one.level, reverse=True)  # both may come in one batch
    assert (said.level, said.cause, said.title, said.text) == ("error", "client", "loss explodes", "it was 1e9")
    assert (said.step, said.run_id, said.model, said.model_id) == (7, None, model, model.id)
    assert abs(said.at - datetime.now(UTC)) < timedelta(minutes=1) and failed.created_at > said.created_at
    assert (nan.level, nan.cause, nan.title, nan.step) == ("warning", "metric_nan", "loss [train] is NaN at step 8", 8)
    assert (failed.level, failed.cause, failed.title) == ("error", "run_failed", "ZeroDivisionError: by 0")
    assert failed.run_id == attempt.id and failed.text.startswith("Traceback")
    other = project.experiment("e").model("other")
    other.alert("fine", level="info")
    assert list(islice(project.alerts, 2)) == project.alerts.list(2) == [*other.alerts, failed]
    assert len({*project.alerts}) == 4


def test_more_than_a_page_of_alerts_is_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpstore.alert.PAGE_SIZE", 2)
    for number in range(5):
        model.alert(f"{number}")
    assert titles(model) == ["4", "3", "2", "1", "0"]
    assert [one.title for one in model.alerts.list(3)] == ["4", "3", "2"]


def test_alert_is_said_in_the_log_at_its_level(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "xpstore"):
        for level in ("info", "warning", "error"):
            model.alert(f"a\\{level}", level=level)
    said = [(one.levelname.lower(), one.getMessage()) for one in caplog.records if "Alert of" in one.getMessage()]
    assert said == [(level, f"Alert of model {model.id}: a\\{level}") for level in ("info", "warning", "error")]


BAD = [
    ("level", {"level": "fatal"}),
    ("level", {"level": None}),
    ("level", {"level": []}),
    ("title", {"title": ""}),
    ("title", {"title": "two\nlines"}),
    ("title", {"title": "x" * 257}),
    ("title", {"title": 7}),
    ("text", {"text": "x" * 16_385}),
    ("text", {"text": None}),
    ("step", {"step": -1}),
    ("step", {"step": 1.5}),
]


@pytest.mark.parametrize(("field", "said"), BAD)
def test_malformed_alert_is_refused_and_named(model: Model, field: str, said: dict[str, object]) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        model.alert(**{"title": "t", **said})  # type: ignore[arg-type]
    assert caught.value.metadata["field"] == field
    assert titles(model) == []


def test_alert_neither_waits_nor_raises_while_the_server_is_away(server: Server, model: Model, client: Client) -> None:
    server.kill()
    try:
        for number in range(20):
            model.alert(f"{number}")
        with pytest.raises(errors.Unavailable, match="stays in"):
            client.flush(0.5)
    finally:
        server.start()
    client.flush()
    assert titles(model) == [f"{number}" for number in reversed(range(20))]


KILLED = """
import os, signal, sys, xpstore
project, hash_ = sys.argv[1:]
xpstore.init({offline})
model = xpstore.Project(project).experiment("e").model(hash_)
model.metrics.log("loss", 1.0)
model.alert("the last word", step=3)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("offline", ["", "offline=True"])
def test_alert_of_a_killed_program_is_there_once(
    server: Server, project: Project, client: Client, tmp_path: Path, offline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    settings = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    settings["XPSTORE_SPOOL"] = str(tmp_path / "spool")
    code = KILLED.format(offline=offline)
    command = [sys.executable, "-c", code, project.id, "h"]
    killed = subprocess.run(command, env={**without_settings(), **settings}, capture_output=True, timeout=100)
    assert killed.returncode == -9 and b"the last word" in killed.stderr
    for _ in range(2):
        sync(client)
    (told,) = project.experiment("e").model("h").alerts
    assert (told.title, told.step, told.cause) == ("the last word", 3, "client")


def test_alerts_of_an_offline_client_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    client = Client(offline=True)
    model = client.project("p").experiment("e").model("h")
    model.alert("kept")
    with pytest.raises(errors.Unavailable, match="offline"):
        model.alerts.list()
    client.close()


def test_alert_stays_here_where_the_server_is_older(
    server: Server, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(server.api_key, server.address)
    model = client.project(project.id).experiment("e").model("h")
    client.limits.max_alerts = 0  # as one of contract 1.0 says, which would refuse the record
    with caplog.at_level(logging.INFO, "xpstore"):
        for number in range(3):
            model.alert(f"{number}")
    messages = [record.getMessage() for record in caplog.records]
    assert sum("takes no alerts" in message for message in messages) == 1
    assert sum("Alert of" in message for message in messages) == 3
    assert titles(model) == [] and client.dropped_count == 0
    client.close()


def test_alerts_show_what_they_are(project: Project, model: Model) -> None:
    model.alert("<b>bold</b>", "more", "error", 3)
    (one,) = model.alerts
    assert repr(one).startswith("Alert(level='error', title='<b>bold</b>', step=3, at=") and str(model.id) in repr(one)
    assert repr(model.alerts) == f"Alerts(model_id='{model.id}')"
    assert repr(project.alerts) == f"Alerts(project_uid='{project.uid}')"
    for shown in (one._repr_html_(), model.alerts._repr_html_(), project.alerts._repr_html_()):
        assert "&lt;b&gt;bold&lt;/b&gt;" in shown and "<b>bold" not in shown and "error" in shown
    assert "none" in project.experiment("e").model("other").alerts._repr_html_()
    assert isinstance(one, Alert) and one == model.alerts.list()[0] and one != 1


def test_alerts_of_a_deleted_model_are_gone_and_said_so(project: Project, model: Model) -> None:
    model.alert("goes")
    (one,) = project.alerts
    model.delete()
    assert project.alerts.list() == []
    for ask in (model.alerts.list, lambda: one.model):
        with pytest.raises(errors.NotFound):
            ask()
    assert "NotFound" in model.alerts._repr_html_()


def test_worker_that_has_no_session_finds_alerts_of_a_sent_model(model: Model) -> None:
    model.alert("here")
    assert [one.title for one in pickle.loads(pickle.dumps(model)).alerts] == ["here"]
