"""The command `xpstore`, run as a person and as a script would run it."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.command import Command, assert_one_line, facts, rows
from support.homes import without_settings
from support.services import Server
from xpstore.artifact import DirectoryArtifact, TrainedModelArtifact
from xpstore.errors import NotFound

pytestmark = pytest.mark.client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_bytes(b"a" * 1000)
    (source / "sub" / "b.bin").write_bytes(os.urandom(2_000_000))
    return source


def test_status_says_where_the_service_is(run: Command, server: Server) -> None:
    assert facts(run("status"))["address"] == server.address
    told = json.loads(run("status", "--json").stdout)
    assert told["server_version"] == told["client_version"] == xpstore.__version__


def test_ls_lists_projects(run: Command, project: xpstore.Project) -> None:
    assert [row[:2] for row in rows(run("ls")) if row[0] == project.id] == [[project.id, "test"]]
    listed = json.loads(run("ls", "--json").stdout)
    assert {"id": project.id, "name": "test", "created_at": project.created_at.isoformat()} in listed


def test_ls_lists_what_is_in_a_project_at_its_newest(run: Command, project: xpstore.Project, folder: Path) -> None:
    project.experiment("mnist")
    DirectoryArtifact.save(folder, "data")
    (folder / "a.txt").write_text("changed")
    newest = DirectoryArtifact.save(folder, "data", aliases=["prod", "best"])
    experiment, artifact = rows(run("ls", project.id))
    assert experiment[:2] == ["experiment", "mnist"]
    assert artifact[:6] == ["artifact", "data", "2", "directory", str(newest.size_bytes), "best,prod"]
    listed: list[dict[str, Any]] = json.loads(run("ls", project.id, "--json").stdout)
    assert [entry["kind"] for entry in listed] == ["experiment", "artifact"]
    assert (listed[1]["aliases"], listed[1]["id"]) == (["best", "prod"], newest.id)


def test_models_lists_models(run: Command, project: xpstore.Project) -> None:
    model = project.experiment("mnist").model("h1", "classifier")
    model.step = 7
    with model.run():
        model.metrics.log("loss", 0.5, 9)
    (row,) = rows(run("models", project.id, "mnist"))
    assert row[:3] == ["classifier", "finished", "9"] and row[-2:] == ["7", "h1"]
    (listed,) = json.loads(run("models", project.id, "mnist", "--json").stdout)
    assert (listed["id"], listed["step"], listed["last_step"]) == (str(model.id), 7, 9)
    bare = project.experiment("bare").model("h2")
    (row,) = rows(run("models", project.id, "bare"))
    assert row[0] == bare.display_name


def test_what_put_saves_get_restores(run: Command, project: xpstore.Project, folder: Path, tmp_path: Path) -> None:
    (saved,) = rows(
        run("put", project.id, "data", str(folder), "--alias", "prod", "--alias", "x", "--description", "d")
    )
    assert saved[:5] == ["data", "1", "directory", "2001000", "prod,x"]
    assert run("get", project.id, "data", "out").stdout == "out\n"
    for path in ("a.txt", "sub/b.bin"):
        assert (tmp_path / "out" / path).read_bytes() == (folder / path).read_bytes()
    artifact = DirectoryArtifact.get_by_name("data")
    assert (artifact.description, artifact.digest) == ("d", saved[5])


def test_put_takes_a_type_and_makes_the_project(run: Command, client: xpstore.Client, folder: Path) -> None:
    words = ["put", "made by put", "model", str(folder / "a.txt"), "--type", "trained_model", "--json"]
    saved = json.loads(run(*words).stdout)
    project = xpstore.Project.get_by_id("made by put")
    artifact = TrainedModelArtifact.get_by_name("model", project=project)
    assert (saved["id"], saved["type"]) == (artifact.id, "trained_model")
    project.delete()


def test_get_selects_a_version_or_alias(run: Command, project: xpstore.Project, tmp_path: Path) -> None:
    for text in (b"1", b"2", b"3"):
        DirectoryArtifact.save(text, "data", aliases=["prod"] if text == b"2" else [])
    for reference, expected in (
        ("data", "3"),
        ("data@1", "1"),
        ("data@v2", "2"),
        ("data@prod", "2"),
        ("data@latest", "3"),
    ):
        path = json.loads(run("get", project.id, reference, "--json").stdout)["path"]
        assert path == "data"
        assert [file.read_text() for file in (tmp_path / path).iterdir()] == [expected]


def test_name_with_an_at_sign_ends_with_one(run: Command, project: xpstore.Project, tmp_path: Path) -> None:
    DirectoryArtifact.save(b"1", "me@home")
    assert_one_line(run("get", project.id, "me@home", expect=1), "NotFound")
    assert run("get", project.id, "me@home@").stdout == "me@home\n"


@pytest.mark.parametrize("name", ["..", "../up", "/"])
def test_get_without_a_destination_stays_in_the_folder(
    run: Command, project: xpstore.Project, tmp_path: Path, name: str
) -> None:
    DirectoryArtifact.save(b"1", name)
    path = tmp_path / run("get", project.id, name).stdout.strip()
    assert path.resolve().parent == tmp_path


def test_rm_deletes_what_is_named(run: Command, project: xpstore.Project) -> None:
    for text in (b"1", b"2", b"3"):
        DirectoryArtifact.save(text, "data")
    assert "data@3" in run("rm", project.id, "data", "--yes", expect=2).stderr
    run("rm", project.id, "data@2", "--yes")
    assert [artifact.version for artifact in project.artifacts.list()] == [1, 3]
    deleted = json.loads(run("rm", project.id, "data", "--all-versions", "--yes", "--json").stdout)
    assert deleted == {"deleted": {"project": project.id, "name": "data", "version": None}}
    assert project.artifacts.list() == []


def test_rm_needs_no_version_when_there_is_one(run: Command, project: xpstore.Project) -> None:
    artifact = DirectoryArtifact.save(b"1", "data", aliases=["prod"])
    assert_one_line(run("rm", project.id, "data", "--yes", expect=1), "Conflict")
    artifact.unalias("data", "prod")
    run("rm", project.id, "data", "--yes")
    assert project.artifacts.list() == []


def test_rm_deletes_a_project_that_can_come_back(run: Command, client: xpstore.Client) -> None:
    uid = client.project("to be deleted").open().uid
    assert json.loads(run("rm", "--project", "to be deleted", "--yes", "--json").stdout)["deleted"]["uid"] == uid
    with pytest.raises(NotFound):
        xpstore.Project.get_by_id("to be deleted")
    assert xpstore.Project.undelete(uid).id == "to be deleted"
    run("rm", "to be deleted", "--project", "-y")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["ls", "no such project"], "NotFound: There is no project 'no such project'"),
        (["get", "no such project", "x"], "NotFound"),
        (["rm", "no such project", "x", "--yes"], "NotFound"),
        (["models", "no such project", "x"], "NotFound"),
        (["put", "p", "", "."], "InvalidArgument: name"),
        (["put", "p", "x", "/no/such/path"], "InvalidArgument"),
    ],
)
def test_error_is_one_line(run: Command, words: list[str], expected: str) -> None:
    assert_one_line(run(*words, expect=1), expected)


def test_what_is_missing_in_a_project_is_one_line(run: Command, project: xpstore.Project) -> None:
    assert_one_line(run("models", project.id, "no such", expect=1), "no experiment 'no such'")
    for reference in ("no such", "no such@1", "no such@prod"):
        assert_one_line(run("get", project.id, reference, expect=1), "NotFound")


def test_version_that_is_missing_is_told_with_those_there_are(run: Command, project: xpstore.Project) -> None:
    for text in (b"1", b"2", b"3"):
        DirectoryArtifact.save(text, "data", aliases=["prod"] if text == b"2" else [])
    for reference in ("data@9", "data@v9", "data@prdo"):
        there = ": it has versions 1 to 3, and the aliases prod"
        assert_one_line(run("get", project.id, reference, expect=1), there)


def test_service_that_is_not_there_is_one_line(run: Command) -> None:
    assert_one_line(run("ls", expect=1, XPSTORE_API_KEY="xps_wrong-wrong-wrong"), "Unauthenticated")
    assert_one_line(run("ls", expect=1, XPSTORE_API_URL="127.0.0.1:1"), "Unavailable")


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["ls", "--nonsense"],
        ["get"],
        ["rm", "p"],
        ["rm", "p", "x", "--project"],
        ["rm", "p", "x"],
        ["put", "p", "x", ".", "--type", "?"],
    ],
)
def test_command_that_makes_no_sense_is_one_line_and_exits_with_2(run: Command, words: list[str]) -> None:
    for columns in ("0", "20", "200"):
        assert_one_line(run(*words, expect=2, COLUMNS=columns), "Usage: ")


def test_version_is_said_without_a_service(run: Command) -> None:
    assert run("--version", XPSTORE_API_URL="127.0.0.1:1").stdout == f"xpstore {xpstore.__version__}\n"


def test_without_typer_the_cure_is_one_line(run: Command) -> None:
    code = "import sys; sys.modules['typer'] = None; import xpstore.cli"
    assert_one_line(run(program=("-c", code), expect=1), "pip install 'xpstore[cli]'")


def test_terminal_gets_a_table(project: xpstore.Project, server: Server) -> None:
    project.experiment("mnist")
    primary, secondary = pty.openpty()
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "COLUMNS": "120"}
    command = [sys.executable, "-m", "xpstore.cli", "ls", project.id]
    subprocess.run(command, env={**without_settings(), **access}, stdout=secondary, check=True, timeout=60)
    os.close(secondary)
    shown = os.read(primary, 1 << 16).decode()
    os.close(primary)
    assert "created at" in shown and "mnist" in shown and "─" in shown and "size" not in shown
    assert "\t" not in shown
