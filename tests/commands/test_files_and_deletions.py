"""Commands about files of artifacts, and what is deleted and brought back."""

import json
import os
import pty
import sys
from pathlib import Path

import pytest

import xpstore
from support.command import Command, assert_one_line, rows
from support.homes import without_settings
from support.services import Server
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import NotFound

pytestmark = pytest.mark.client


@pytest.fixture
def data(project: xpstore.Project, tmp_path: Path) -> list[DirectoryArtifact]:
    """Two versions: one file stays, one changes, one goes, one comes."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "same").write_bytes(b"same")
    (source / "sub" / "changed").write_bytes(bytes(range(256)))
    (source / "gone").write_bytes(b"")
    first = DirectoryArtifact.save(source, "data")
    (source / "gone").rename(source / "new: ü")
    (source / "sub" / "changed").write_bytes(bytes(range(255)))
    return [first, DirectoryArtifact.save(source, "data", aliases=["prod"])]


def test_files_are_listed_compared_and_fetched_one_by_one(
    run: Command, project: xpstore.Project, data: list[DirectoryArtifact], tmp_path: Path
) -> None:
    listed = rows(run("ls", project.id, "data@1"))
    assert [(path, size) for path, size, _ in listed] == [("gone", "0"), ("same", "4"), ("sub/changed", "256")]
    assert listed[1][2] == data[0].files()[1].digest
    assert rows(run("diff", project.id, "data@1", "data@prod")) == [
        ["removed", "gone", "", "0"],
        ["added", "new: ü", "0", ""],
        ["changed", "sub/changed", "255", "256"],
    ]
    assert ["same", "same", "4", "4"] in rows(run("diff", project.id, "data@1", "data", "--all"))
    assert run("get", project.id, "data", "out", "--path", "sub").stdout == "out\n"
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["changed"]
    assert_one_line(run("get", project.id, "data", "--path", "nothing", expect=1), "has no file 'nothing'")


def test_cat_writes_the_bytes_alone(
    run: Command, project: xpstore.Project, data: list[DirectoryArtifact], tmp_path: Path
) -> None:
    for reference in ("data@1:same", "data@prod:same", "data:same", "data:new: ü"):
        assert run("cat", project.id, reference).stdout == ("" if "new" in reference else "same")
    code = "import subprocess, sys; sys.exit(bytes(range(255)) != subprocess.check_output(sys.argv[1:]))"
    run(sys.executable, "-m", "xpstore.cli", "cat", project.id, "data:sub/changed", program=("-c", code))
    assert_one_line(run("cat", project.id, "data:nothing", expect=1), "has no file 'nothing'")
    assert_one_line(run("cat", project.id, "data", expect=1), "has 3 files; name one of them")


def test_aliases_are_set_and_taken_away(run: Command, project: xpstore.Project, data: list[DirectoryArtifact]) -> None:
    assert rows(run("alias", project.id, "data")) == [["prod", "2"]]
    assert rows(run("alias", project.id, "data@1", "prod", "old")) == [["old", "1"], ["prod", "1"]]
    assert rows(run("alias", project.id, "data", "--remove", "old")) == [["prod", "1"]]
    assert_one_line(run("alias", project.id, "data", "--remove", "odl", expect=1), "has the aliases prod")
    assert "is to be set and to be removed" in run("alias", project.id, "data", "a", "--remove", "a", expect=2).stderr


def test_tags_and_points_are_logged_from_a_shell(run: Command, project: xpstore.Project) -> None:
    words = ["log", project.id, "nightly", "--config", "lr=0.1", "--config", "net=deep", "--name", "n1"]
    points = ["--metric", "loss=0.25", "--metric", "note=a=b", "--metric", "shape=[1, 2]"]
    made = json.loads(run(*words, *points, "--step", "3", "--phase", "t", "--tag", "x", "--json").stdout)
    model = xpstore.model.Model.get_by_id(made["id"])
    assert (model.config, model.name, model.tags.list()) == ({"lr": 0.1, "net": "deep"}, "n1", ["x"])
    told = {point.name: (point.value, point.step, point.phase) for point in model.metrics.list()}
    assert told == {"loss": (0.25, 3, "t"), "note": ("a=b", 3, "t"), "shape": ([1, 2], 3, "t")}
    assert json.loads(run(*words[:7], "--json").stdout)["id"] == made["id"], "the same config is the same model"
    assert rows(run("tag", project.id, "n1", "y", "z")) == [["x"], ["y"], ["z"]]
    assert rows(run("tag", project.id, "n1", "--remove", "y")) == [["x"], ["z"]]
    wrong = {"is not like NAME=VALUE": ["--metric", "loss"], "greater than or equal to 0": ["--step", "-1"]}
    for told_wrong, words in wrong.items():
        assert told_wrong in run("log", project.id, "e", *words, expect=2, COLUMNS="300").stderr


def test_what_is_deleted_comes_back(run: Command, project: xpstore.Project, data: list[DirectoryArtifact]) -> None:
    assert rows(run("trash", project.id)) == []
    run("rm", project.id, "data@1", "--yes")
    assert [row[:3] for row in rows(run("trash", project.id))] == [["version", "data", "1"]]
    assert_one_line(run("undelete", project.id, "data@2", expect=1), "did you mean 'data@1'?")
    restored = json.loads(run("undelete", project.id, "data@1", "--json").stdout)["restored"]
    assert restored == {"project": project.id, "name": "data", "version": 1}
    run("rm", project.id, "--project", "--yes")
    assert [project.id, project.uid] in [[row[1], row[3]] for row in rows(run("trash"))]
    run("undelete", project.id)
    assert [version.id for version in project.artifacts.list()] == [version.id for version in data]
    assert_one_line(run("undelete", project.id, expect=1), f"No project {project.id!r} was deleted")


def test_models_and_experiments_that_are_deleted_come_back(run: Command, project: xpstore.Project) -> None:
    experiment = project.experiment("nightly")
    model = experiment.model("h1", "resnet")
    run("rm", project.id, "--model", "resnet", "--yes")
    run("rm", project.id, "--experiment", "nightly", "--yes")
    found = [(row[0], row[1], row[-1]) for row in rows(run("trash", project.id))]
    assert found == [("experiment", "nightly", str(experiment.id)), ("model", "resnet", str(model.id))]
    assert_one_line(run("undelete", project.id, "--model", "resnet", expect=1), "deleted")
    assert_one_line(run("undelete", project.id, "--experiment", "nightyl", expect=1), "did you mean 'nightly'?")
    run("undelete", project.id, "--experiment", "nightly")
    restored = json.loads(run("undelete", project.id, "--model", "h1", "--json").stdout)["restored"]
    assert restored == {"project": project.id, "model": "resnet", "id": str(model.id)}
    assert [one.id for one in experiment.models.list()] == [model.id] and rows(run("trash", project.id)) == []
    assert "one of them" in run("undelete", project.id, "x@1", "--model", "m", expect=2, COLUMNS="300").stderr


def test_models_and_experiments_are_deleted_by_name(run: Command, project: xpstore.Project) -> None:
    model, other = (project.experiment("e").model(hash) for hash in ("h1", "h2"))
    assert "--yes says that it is meant" in run("rm", project.id, "--model", "h1", expect=2).stderr
    run("rm", project.id, "--model", "h1", "--yes")
    assert [one.id for one in project.models.search()] == [other.id]
    with pytest.raises(NotFound):
        xpstore.model.Model.get_by_id(model.id)
    run("rm", project.id, "--experiment", "e", "-y")
    assert project.experiments.list() == []


def test_rm_asks_at_a_terminal(project: xpstore.Project, server: Server, data: list[DirectoryArtifact]) -> None:
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    for answer, left in (("n", [1, 2]), ("y", [2])):
        pid, terminal = pty.fork()
        if pid == 0:
            line = [sys.executable, "-m", "xpstore.cli", "rm", project.id, "data@1"]
            os.execve(sys.executable, line, {**without_settings(), **access})
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(terminal, 1 << 10)
        assert b"Delete version 1 of 'data'? `xpstore undelete` brings it back for 7 days" in shown.replace(
            b"\r\n", b""
        )
        os.write(terminal, f"{answer}\n".encode())
        while b"deleted" not in shown.lower():
            shown += os.read(terminal, 1 << 10)
        assert (os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0) is (answer == "y")
        os.close(terminal)
        assert [version.version for version in project.artifacts.list()] == left
