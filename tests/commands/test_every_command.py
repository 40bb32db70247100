"""Every command: piped, as JSON and CSV, in ASCII, without a service, and with a key that is not known."""

import csv
import io
import json
import re
from pathlib import Path

import pytest

import xpstore
from support.command import Command, assert_one_line, lines
from xpstore._cli.cache import app as cache
from xpstore.artifact import DirectoryArtifact
from xpstore.cli import _COMMANDS

pytestmark = pytest.mark.client

# What each says of a project "P" with a model "h1" and an artifact "data" of two versions.
ALL = {
    "status": [],
    "whoami": [],
    "doctor": [],
    "ls": ["P"],
    "search": ["P", "step >= 0"],
    "models": ["P", "ü"],
    "show": ["P", "h1"],
    "diff": ["P", "data@1", "data@2"],
    "watch": ["P", "h1"],
    "console": ["P", "h1"],
    "run": ["--project", "P", "--name", "r", "echo", "1"],
    "open": ["--no-browser", "P"],
    "log": ["P", "ü", "--hash", "h1", "--metric", "loss=0.5", "--step", "4"],
    "tag": ["P", "h1", "good"],
    "put": ["P", "more", "file"],
    "get": ["P", "data", "out"],
    "cat": ["P", "data"],
    "alias": ["P", "data@1", "prod"],
    "rm": ["P", "more", "--yes", "--all-versions"],
    "trash": ["P"],
    "undelete": ["P", "more@1"],
    "sync": [],
    "cache list": ["P"],
    "cache statistics": ["P"],
    "cache explain": ["P", "a" * 64],
    "cache invalidate": ["P", "--all"],
}
# Those that say the same with and without a service.
ALONE = {"help", "login", "logout"}
LISTS = {
    "ls",
    "search",
    "models",
    "diff",
    "log",
    "tag",
    "put",
    "alias",
    "trash",
    "cache list",
    "doctor",
}
# Those that start the embedded service.
STARTING = {"log", "put", "run", "sync"}
WITHOUT_JSON = {"open", "cat", "run"}


@pytest.fixture
def world(project: xpstore.Project, tmp_path: Path) -> dict[str, list[str]]:
    """What to say for each command."""
    model = project.experiment("ü").model("h1", "Übung \N{SNOWMAN}", config={"lr": 0.1})
    with model.run():
        model.metrics.log("loss", float("nan"), 3)
        print("printed")
    for data in (b"1", b"22"):
        DirectoryArtifact.save(data, "data", model=model)
    DirectoryArtifact.save(b"3", "other")
    project._client.flush()
    (tmp_path / "file").write_text("x")
    return {command: [project.id if word == "P" else word for word in words] for command, words in ALL.items()}


def test_table_has_every_command() -> None:
    of_cache = (one.name or getattr(one.callback, "__name__", "") for one in cache.registered_commands)
    assert {*_COMMANDS} | {f"cache {name}" for name in of_cache} == {*ALL} | ALONE


def test_every_command_is_for_programs(run: Command, world: dict[str, list[str]]) -> None:
    for command, words in world.items():
        if command in ("open", "cache explain"):
            continue
        told = run(*command.split(), *words)
        assert told.stdout and "\x1b" not in told.stdout, command
        again = [*command.split(), *_again(command, words)]
        if command == "watch":
            assert [json.loads(line) for line in run(*again, "--json").stdout.splitlines()]
        elif command not in WITHOUT_JSON:
            assert json.loads(run(*again, "--json", encoding="ascii").stdout) is not None, command


def test_every_list_is_for_spreadsheets(run: Command, world: dict[str, list[str]]) -> None:
    for command in LISTS:
        table = list(csv.reader(io.StringIO(run(*command.split(), *world[command], "--csv").stdout)))
        told = lines(run(*command.split(), *world[command]))
        assert table[0] == told[0], command
        assert {len(row) for row in (*table, *told)} == {len(table[0])}, command


def _again(command: str, words: list[str]) -> list[str]:
    """The same for the second time: what was deleted or restored is not."""
    if command in ("rm", "undelete"):
        return [word.replace("more", "other") for word in words]
    return words


@pytest.mark.parametrize(
    ("settings", "told", "others"),
    [
        ({"XPSTORE_API_KEY": "xps_wrong-wrong-wrong"}, "Unauthenticated", {"doctor"}),
        ({"XPSTORE_API_KEY": None, "XPSTORE_API_URL": None}, "no service runs, and", STARTING | {"doctor"}),
    ],
)
def test_every_command_says_in_one_line_what_is_wrong(
    run: Command, tmp_path: Path, settings: dict[str, str | None], told: str, others: set[str]
) -> None:
    (tmp_path / "file").write_text("x")
    settings |= {"XPSTORE_HOME": str(tmp_path / "home"), "XPSTORE_PAGE_URL": "http://localhost:1"}
    for command in ALL.keys() - others:
        result = run(*command.split(), *ALL[command], expect=1, **settings)
        assert_one_line(result, told)
        assert result.stdout == "", command
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_doctor_says_what_is_wrong(run: Command, tmp_path: Path) -> None:
    found = json.loads(run("doctor", "--json", expect=1, XPSTORE_API_KEY="xps_wrong-wrong-wrong").stdout)
    (bad,) = [row for row in found if row["result"] == "bad"]
    assert bad["what"] == "service" and "Unauthenticated" in bad["detail"]
    nowhere = {"XPSTORE_API_KEY": None, "XPSTORE_API_URL": None, "XPSTORE_HOME": str(tmp_path / "home")}
    found = json.loads(run("doctor", "--json", **nowhere).stdout)
    assert [row["what"] for row in found if row["result"] == "look"] == ["service"]


def test_every_command_has_help_and_is_documented(run: Command) -> None:
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    documented = re.findall(r"^\| `xpstore ((?:cache )?[a-z]+)", page, re.MULTILINE)
    assert {*documented} == {*ALL} | ALONE
    for command in documented:
        shown = run(*command.split(), "--help", COLUMNS="200").stdout
        table = [line.strip("│ \n") for line in shown.splitlines() if line.startswith("│")]
        assert table and not [row for row in table if row.endswith((">", "[required]")) and "." not in row], command
        options = {found[1] for row in table if (found := re.match(r"\W*(--[a-z-]+)", row))} - {"--help"}
        assert not [option for option in options if option not in page], command


def test_shell_completes_commands(run: Command) -> None:
    asked = {"COMP_WORDS": "xpstore un", "COMP_CWORD": "1", "_XPSTORE_COMPLETE": "complete_bash"}
    assert run(**asked).stdout.split() == ["undelete"]
