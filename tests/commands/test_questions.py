"""Commands that answer what is asked of models: which are best, what they are, how they differ, what they do now."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

import xpstore
from support.command import Command, assert_one_line, rows
from support.homes import without_settings
from support.services import Server
from xpstore._cli.language import LANGUAGE
from xpstore.model import Model
from xpstore_server.core.search import operand
from xpstore_server.core.search.filter import parse_filter

pytestmark = pytest.mark.client


@pytest.fixture
def sweep(project: xpstore.Project) -> list[Model]:
    """Three models: the second is the best, the last failed."""
    models = []
    for number, lr in enumerate((0.01, 0.1, 0.001)):
        model = project.experiment("mnist").model(config={"lr": lr, "net": {"act": "relu"}})
        try:
            with model.run():
                for step in range(50):
                    model.metrics.log("loss", 1 / (1 + step * lr), step, "train")
                    model.metrics.log("accuracy", 1 - 1 / (1 + step * lr), step)
                if number == 2:
                    raise ValueError("diverged")
        except ValueError:
            pass
        models.append(model)
    project._client.flush()
    return models


def listed(run: Command, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*words, "--json").stdout)
    return found


def test_search_finds_orders_and_limits(run: Command, project: xpstore.Project, sweep: list[Model]) -> None:
    best = ["search", project.id, "status = 'finished'", "--order", "metrics.accuracy.max desc"]
    assert [row["id"] for row in listed(run, *best)] == [str(sweep[1].id), str(sweep[0].id)]
    (row,) = listed(run, *best, "--limit", "1")
    assert (row["display_name"], row["status"], row["last_step"]) == (sweep[1].display_name, "finished", 49)
    assert (row["config.lr"], row["metrics.accuracy.max"], row["hash"]) == (0.1, 1 - 1 / 5.9, sweep[1].hash)
    assert "config.net.act" not in row, "what does not differ tells nothing"
    words = ["search", project.id, "--experiment", "mnist", "--columns", "config.lr, metrics.loss[train].min_step"]
    table = rows(run(*words, "--limit", "2"))
    assert table == [["0.01", "49", str(sweep[0].id)], ["0.1", "49", str(sweep[1].id)]]
    assert listed(run, "models", project.id, "mnist", "config.lr < 0.05", "--columns", "hash") == [
        {"id": str(model.id), "hash": model.hash} for model in (sweep[0], sweep[2])
    ]
    assert listed(run, "search", project.id, "--limit", "0") == []
    (row,) = listed(run, "search", project.id, "--columns", "id,last_step,display_name", "--limit", "1")
    assert row == {"last_step": 49, "display_name": sweep[0].display_name, "id": str(sweep[0].id)}


def test_name_that_is_misspelled_is_told_with_what_may_have_been_meant(
    run: Command, project: xpstore.Project, sweep: list[Model]
) -> None:
    for words, told in (
        (["metrics.acuracy.max > 0.1"], "metrics.acuracy.max: did you mean 'metrics.accuracy'?"),
        (["metrics.loss[tran].last > 0"], "there is 'metrics.loss[train]'"),
        (["--order", "metrics.acuracy.max"], "did you mean 'metrics.accuracy'?"),
        (["--columns", "config.l"], "did you mean 'config.lr' or 'config.net.act'?"),
    ):
        assert_one_line(run("search", project.id, *words), told)
    assert run("search", project.id, "metrics.accuracy.max > 5").stderr == ""
    for words, told in (
        (["search", project.id, "config.lr == 3"], "column 12: write `=`"),
        (["search", project.id, "--experiment", "minst"], "did you mean 'mnist'?"),
        (["search", project.id[:-1]], f"did you mean {project.id!r}"),
        (["show", project.id, "nothing"], "no model with the id, hash or name 'nothing'"),
        (["show", project.id, sweep[0].display_name, "--plot", "los"], "did you mean 'loss'?"),
        (["show", "nothing", "--experiment", "e"], "no project 'nothing'"),
        (["watch", "nothing"], "must be its id, or PROJECT MODEL"),
        (["ls", project.id, "nothing"], "there is none"),
    ):
        assert_one_line(run(*words, expect=1), told)
    assert "name a field" in run("search", project.id, "--columns", " , ", expect=2).stderr
    assert "not both" in run("search", project.id, "--json", "--csv", expect=2).stderr
    assert "did you mean 'search'?" in run("help", "serch", expect=2).stderr


def test_show_tells_a_model_by_any_of_its_names(run: Command, project: xpstore.Project, sweep: list[Model]) -> None:
    model = sweep[2]
    words = [[str(model.id)], *([project.id, word] for word in (str(model.id), model.hash, model.display_name))]
    told = [json.loads(run("show", *one, "--json").stdout) for one in words]
    assert told[1:] == told[:1] * 3
    assert (told[0]["project"], told[0]["experiment"], told[0]["status"]) == (project.id, "mnist", "failed")
    assert told[0]["config"] == {"lr": 0.001, "net": {"act": "relu"}}
    accuracy, loss = told[0]["metrics"]
    assert (loss["name"], loss["phase"], loss["points"], loss["last_step"]) == ("loss", "train", 50, 49)
    assert (loss["max"], loss["max_step"], loss["min_step"]) == (1.0, 0, 49)
    assert (accuracy["min"], accuracy["min_step"], accuracy["max_step"]) == (0.0, 0, 49)
    (ran,) = told[0]["runs"]
    assert ran["status"] == "failed" and ran["error"].endswith("ValueError: diverged\n")
    model.name = "named"
    shown = run("show", project.id, "named", "--plot", "loss").stdout
    assert "ValueError: diverged" in shown and "▁" in shown and "⠁" in shown and "net.act\trelu" in shown
    sweep[0].name = "named"
    ids = f"{sweep[2].id}, {sweep[0].id}"
    assert_one_line(run("show", project.id, "named", expect=1), f"name one by its id: {ids}")


def test_show_tells_a_project(run: Command, project: xpstore.Project, sweep: list[Model]) -> None:
    told = json.loads(run("show", project.id, "--json").stdout)
    assert (told["models"], told["running_models"]) == (3, 0)
    assert [(one["experiment"], one["models"]) for one in told["experiments"]] == [("mnist", 3)]


def test_diff_tells_what_differs(run: Command, project: xpstore.Project, sweep: list[Model]) -> None:
    found = {row["what"]: (row["a"], row["b"]) for row in listed(run, "diff", *(str(one.id) for one in sweep[:2]))}
    assert found["config.lr"] == (0.01, 0.1)
    assert found["accuracy max"] == (1 - 1 / 1.49, 1 - 1 / 5.9)
    assert not {"config.net.act", "status", "loss[train] max"} & found.keys()
    words = ["diff", project.id, sweep[0].display_name, sweep[1].hash]
    assert {row[0] for row in rows(run(*words))} == found.keys()
    assert {"config.net.act", "status"} <= {row[0] for row in rows(run(*words, "--all"))}
    assert rows(run("diff", project.id, sweep[0].hash, sweep[0].hash)) == []


def test_help_of_search_is_the_language(run: Command) -> None:
    assert LANGUAGE.rstrip() in run("help", "search").stdout
    assert LANGUAGE.strip() not in run("help", "ls").stdout
    assert not [name for name in operand.NAMES if name not in LANGUAGE.split()]
    parse_filter(LANGUAGE.partition("such as: ")[2].partition("\n")[0])


def test_watch_prints_what_comes_until_the_run_ends(run: Command, project: xpstore.Project, server: Server) -> None:
    model = project.experiment("e").model("h")
    with model.run():
        model.metrics.log("loss", 1.0, 1)
        project._client.flush()
        watching = _watch(server, str(model.id))
        assert watching.stdout is not None
        first, status = (json.loads(watching.stdout.readline()) for _ in range(2))
        assert (first["metric"], first["step"], first["value"], status["status"]) == ("loss", 1, 1.0, "running")
        for step in (2, 3):
            model.metrics.log("loss", float("inf"), step)
        model.metrics.log("accuracy", 0.5, phase="test")
    project._client.flush()
    told = [json.loads(line) for line in watching.communicate(timeout=60)[0].splitlines()]
    assert watching.returncode == 0  # as the run ended well
    points = [(line["metric"], line["step"], line["value"]) for line in told[:-1]]
    assert sorted(points, key=str) == [("accuracy[test]", None, 0.5), ("loss", 2, "Infinity"), ("loss", 3, "Infinity")]
    assert told[-1]["status"] == "finished"
    assert run("watch", project.id, "h").stdout.splitlines()[-1].endswith("  finished")


def test_watch_ends_with_ctrl_c(project: xpstore.Project, server: Server) -> None:
    model = project.experiment("e").model("h")
    model.metrics.log("loss", 1.0, 1)
    project._client.flush()
    watching = _watch(server, str(model.id))
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["value"] == 1.0
    assert json.loads(watching.stdout.readline())["status"] == "never ran"
    watching.send_signal(signal.SIGINT)
    assert watching.communicate(timeout=60) == ("", "")
    assert watching.returncode == 130


def _watch(server: Server, *words: str) -> "subprocess.Popen[str]":
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    line = [sys.executable, "-m", "xpstore.cli", "watch", *words, "--interval", "0.1", "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, env={**without_settings(), **access}, stdout=pipe, stderr=pipe, text=True)
