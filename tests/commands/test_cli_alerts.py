"""What somebody should look at, by commands; and all that a tester asks of a campaign, by commands alone."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

import xpstore
from support.backends import Backend
from support.command import Command, assert_one_line, facts, rows
from support.homes import without_settings
from support.services import Server
from xpstore.artifact import DirectoryArtifact
from xpstore.model import Model

pytestmark = pytest.mark.client


@pytest.fixture
def failed(project: xpstore.Project) -> Model:
    """A model whose run failed after a NaN and an alert of its own."""
    model = project.experiment("e").model("h", "broken")
    with pytest.raises(ValueError), model.run():
        model.metrics.log("loss", math.nan, 3, "train")
        project._client.flush()
        model.alert("gradients explode", "norm 1e9", "error", 3)
        project._client.flush()
        raise ValueError("diverged")
    project._client.flush()
    return model


def test_alerts_of_a_project_or_a_model_are_listed_newest_first(
    run: Command, project: xpstore.Project, failed: Model
) -> None:
    project.experiment("e").model("other").alert("fine", level="info")
    project._client.flush()
    id_ = str(failed.id)
    own = [
        ["error", "ValueError: diverged", "", "run_failed", id_],
        ["error", "gradients explode", "3", "client", id_],
        ["warning", "loss [train] is NaN at step 3", "3", "metric_nan", id_],
    ]
    for words in ([project.id, "broken"], [project.id, "h", "--experiment", "e"], [id_]):
        assert [row[:2] + row[3:] for row in rows(run("alerts", *words))] == own
    told = rows(run("alerts", project.id))
    assert [row[1] for row in told] == ["fine", *(row[1] for row in own)]
    (newest,) = json.loads(run("alerts", id_, "--limit", "1", "--json").stdout)
    assert newest["text"].endswith("ValueError: diverged\n") and newest["run_id"] == str(failed.runs[0].id)
    assert newest.keys() == {
        *("level", "at", "title", "text", "step", "cause", "run_id", "model_id", "created_at", "id")
    }
    assert rows(run("alerts", project.id, "--limit", "0")) == []
    for words, said in (
        ([project.id[:-1]], f"did you mean {project.id!r}"),
        ([project.id, "nothing"], "no model with the id, hash or name 'nothing'"),
        ([project.id, "--experiment", "e"], "says where MODEL is"),
        ([str(project.uid)], "no model and no project"),
    ):
        assert_one_line(run("alerts", *words, expect=1), said)


def test_show_has_the_alerts_of_a_model(run: Command, project: xpstore.Project, failed: Model) -> None:
    told = json.loads(run("show", str(failed.id), "--json").stdout)["alerts"]
    assert [one["cause"] for one in told] == ["run_failed", "client", "metric_nan"]
    shown = run("show", project.id, "broken").stdout
    assert "error\tgradients explode" in shown and "loss [train] is NaN at step 3" in shown


def test_watch_of_a_run_that_failed_says_so_and_exits_with_1(
    run: Command, project: xpstore.Project, failed: Model
) -> None:
    result = run("watch", project.id, "broken", expect=1)
    assert_one_line(result, "the run of broken failed: ValueError: diverged")
    assert result.stdout.splitlines()[-1].endswith("  failed  ValueError: diverged")
    assert "gradients explode" not in result.stdout  # it was there before


def test_watch_of_a_run_that_is_lost_says_so_and_exits_with_1(
    run: Command, project: xpstore.Project, backend: Backend
) -> None:
    model = project.experiment("e").model("h", "gone")
    with model.run():
        project._client.flush()
        engine = sqlalchemy.create_engine(backend.database_url)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("UPDATE run SET heartbeat_at_us = heartbeat_at_us - 301000000"))
        engine.dispose()
        assert_one_line(run("watch", project.id, "gone", expect=1), "the run of gone is lost")


def test_watch_prints_alerts_as_they_come(project: xpstore.Project, server: Server) -> None:
    model = project.experiment("e").model("h")
    model.alert("before", level="info")
    with pytest.raises(ValueError), model.run():
        project._client.flush()
        watching = _watch(server, str(model.id), "--json")
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["status"] == "running"
        for number in range(2):
            model.alert(f"look {number}", "more", step=number)
            project._client.flush()
        model.metrics.log("loss", math.nan, 5)
        project._client.flush()
        raise ValueError("diverged")
    project._client.flush()
    printed, said = watching.communicate(timeout=60)
    told = [json.loads(line) for line in printed.splitlines()]
    alerts = [(one["level"], one["alert"], one["step"]) for one in told if "alert" in one]
    warnings = [("warning", f"look {number}", number) for number in range(2)]
    assert alerts == [*warnings, ("warning", "loss is NaN at step 5", 5), ("error", "ValueError: diverged", None)]
    assert (told[-1]["status"], told[-1]["error"]) == ("failed", "ValueError: diverged")
    assert watching.returncode == 1 and said.count("\n") == 1


def _watch(server: Server, *words: str) -> "subprocess.Popen[str]":
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    line = [sys.executable, "-m", "xpstore.cli", "watch", *words, "--interval", "0.1"]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, env={**without_settings(), **access}, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture
def campaign(project: xpstore.Project, tmp_path: Path) -> Iterator[list[Model]]:
    """Three models with checkpoints; the second is the best, the last still runs."""

    def train(model: Model) -> None:
        lr = model.config["lr"]
        for step in range(5):
            model.metrics.log("accuracy", lr * step, step, "test")
        (tmp_path / "weights").write_text(f"weights of {lr}")
        DirectoryArtifact.save(tmp_path / "weights", "checkpoint", model=model)
        model.log_text("notes", "as expected")
        print(f"weights of {lr} are saved")

    models = [project.experiment("digits").model(config={"lr": lr, "net": {"width": 64}}) for lr in (0.01, 0.1, 0.001)]
    for model in models[:2]:
        with model.run():
            train(model)
    with models[2].run():
        train(models[2])
        project._client.flush()
        yield models


def test_tester_answers_from_commands_alone(
    run: Command, project: xpstore.Project, campaign: list[Model], tmp_path: Path
) -> None:
    def told(*words: str) -> Any:
        return json.loads(run(*words, "--json").stdout)

    (listed,) = [row["id"] for row in told("ls") if row["id"] == project.id]

    # Which model is best, and why? Its config is what sets it apart from the second.
    order = "metrics.accuracy[test].max desc"
    best, second, *_ = told("search", listed, "status = 'finished'", "--order", order, "--limit", "2")
    assert (best["id"], best["metrics.accuracy[test].max"]) == (str(campaign[1].id), 0.4)
    differs = {row["what"]: (row["a"], row["b"]) for row in told("diff", listed, best["id"], second["id"])}
    assert differs["config.lr"] == (0.1, 0.01) and "config.net.width" not in differs
    assert differs["accuracy[test] max"] == (0.4, 0.04)

    # Does the other one still run, and is anything wrong?
    (running,) = told("search", listed, "status = 'running'")
    assert running["id"] == str(campaign[2].id) and facts(run("status"))["server_version"] == xpstore.__version__
    assert told("alerts", listed) == []

    # What did it print last?
    assert run("console", best["id"]).stdout.splitlines()[-1] == "weights of 0.1 are saved"

    # Its checkpoint, whole and again; what there is to look at is no file of it.
    shown = told("show", best["id"])
    assert [row["media"] for row in shown["media"]] == ["notes"]
    (version,) = shown["versions"]
    where = f"{version['name']}@{version['version']}"
    run("get", listed, where, "here")
    (name,) = [row["path"] for row in told("ls", listed, where)]
    assert (tmp_path / "here" / name).read_text() == "weights of 0.1" == run("cat", listed, f"{where}:{name}").stdout

    # A deletion that was one too many.
    run("rm", listed, "--model", best["id"], "--yes")
    assert_one_line(run("show", best["id"], expect=1), "no model")
    run("rm", listed, where, "--yes")
    gone = {(row["kind"], row["name"]) for row in told("trash", listed)}
    assert gone == {("model", best["display_name"]), ("version", "checkpoint")}
    run("undelete", listed, "--model", best["id"])
    run("undelete", listed, where)
    assert [row["id"] for row in told("show", best["id"])["versions"]] == [version["id"]]
    assert told("trash", listed) == []
