"""The command `xpstore` where this machine refuses something: one line; and a question starts and makes nothing."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import xpstore
from support.command import Command, assert_one_line, facts, rows
from support.homes import Home, without_settings
from support.services import Server
from xpstore.artifact import DirectoryArtifact

pytestmark = pytest.mark.client

QUESTIONS = [
    ["status"],
    ["ls"],
    ["ls", "p"],
    ["models", "p", "e"],
    ["cache", "list", "p"],
    ["cache", "statistics", "p"],
]
EMBEDDED = ("XPSTORE_API_KEY", "XPSTORE_API_URL")
OLD_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def command(folder: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command line of the embedded service, with a home of its user in a folder."""
    environment = {**without_settings(), "HOME": str(folder), **settings}
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    line = [sys.executable, "-m", "xpstore.cli", *words]
    return subprocess.run(line, env=environment, cwd=folder, capture_output=True, encoding="utf-8", timeout=60)


@pytest.mark.parametrize(
    "words", [*QUESTIONS, ["get", "p", "x"], ["rm", "p", "x", "--yes"], ["cache", "invalidate", "p", "--all"]]
)
def test_without_a_service_nothing_is_started_and_no_folder_made(words: list[str], tmp_path: Path) -> None:
    done = command(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(done, "no service runs, and")
    assert list(tmp_path.iterdir()) == []


def test_question_does_not_start_a_service_that_left_but_a_download_does(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with Home(tmp_path / "home #1 %41 ?x ä") as home:
        settings = {"XPSTORE_HOME": str(home.folder)}
        assert command(tmp_path, "put", "p", "x", "file", **settings).returncode == 0
        assert rows(command(tmp_path, "ls", **settings))[0][0] == "p"
        told = facts(command(tmp_path, "status", **settings))
        assert told["home"] == str(home.folder) and int(told["home_bytes"]) > 1_000
        assert {path.name for path in tmp_path.iterdir()} == {"file", home.folder.name}, "nothing lands beside the home"
        for server in home.servers():
            server.send_signal(signal.SIGTERM)
            server.wait(20)
        for words in QUESTIONS:
            assert_one_line(command(tmp_path, *words, **settings), f"no service runs in {home.folder}")
        assert home.servers() == []
        assert command(tmp_path, "get", "p", "x", "out", **settings).returncode == 0
        assert (tmp_path / "out" / "file").read_text() == "kept"


def test_service_that_is_killed_during_a_question_is_not_started_again(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home, home.serving() as server:
        code = "from xpstore._cli.service import ask; import xpstore; client = ask(); print(flush=True); input()"
        code += "; client.timeout_seconds = 2; xpstore.get_all_projects()"
        pipe = subprocess.PIPE
        asking = subprocess.Popen(
            [sys.executable, "-c", code], env=home.environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )
        assert asking.stdout is not None
        asking.stdout.readline()
        server.kill()
        server.wait()
        _, told = asking.communicate("\n", timeout=60)
        assert "xpstore.errors.Unavailable" in told
        assert home.servers() == []


def in_shell(run: Command, line: str, expect: int = 0, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Runs a line of the shell in which `$X` is the command `xpstore`."""
    code = "import subprocess, sys; sys.exit(subprocess.call(['bash', '-c', sys.argv[1]]))"
    line = f"set -o pipefail; X='{sys.executable} -m xpstore.cli'; {line}"
    return run("-c", code, line, program=(), expect=expect, **settings)


@pytest.mark.parametrize("words", ["ls", "ls --json", "status", "cache --help"])
def test_output_that_cannot_be_written_is_one_line(run: Command, project: xpstore.Project, words: str) -> None:
    assert_one_line(in_shell(run, f"$X {words} > /dev/full", expect=1), "No space left on device")
    assert_one_line(in_shell(run, f"$X {words} >&-", expect=1), "standard output is closed")


def test_error_that_nobody_can_read_has_its_status(run: Command, project: xpstore.Project) -> None:
    for end in ("2> /dev/full", "2>&-", "> /dev/full 2>&1"):
        assert in_shell(run, f"$X ls 'no such' {end}", expect=1).stdout == ""
        assert in_shell(run, f"$X nonsense {end}", expect=2).stdout == ""


@pytest.mark.parametrize("words", [["get", "x"], ["put", "more", "file"]])
def test_ctrl_c_ends_a_command_without_a_traceback(
    run: Command, project: xpstore.Project, server: Server, tmp_path: Path, words: list[str]
) -> None:
    DirectoryArtifact.save(os.urandom(30 << 20), "x")
    (tmp_path / "file").write_bytes(os.urandom(30 << 20))
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    program = "import time, xpstore.cli as cli; print(flush=True); cli.main()"
    line = [sys.executable, "-c", program, words[0], project.id, *words[1:]]
    pipe = subprocess.PIPE
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with subprocess.Popen(
            line, env={**without_settings(), **access}, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
        ) as asking:
            assert asking.stdout is not None
            asking.stdout.readline()
            time.sleep(0.5)
            asking.send_signal(signal.SIGINT)
            assert asking.communicate(timeout=60) == ("", "")
            assert asking.returncode == 130
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_reader_that_leaves_gets_no_traceback(run: Command, project: xpstore.Project) -> None:
    for number in range(400):
        project.experiment("e" * 200 + str(number))
    for words in ("--json", ""):  # more than a pipe holds
        done = in_shell(run, f"$X ls {words} '{project.id}' | head -1; true")  # how much a pipe takes differs
        assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
    assert in_shell(run, "{ sleep 2; $X ls; } | true", expect=1).stderr == ""


@pytest.mark.parametrize(
    ("settings", "encoding"),
    [
        (OLD_LOCALE, "utf-8"),  # nothing reads ASCII that does not read UTF-8
        ({"PYTHONIOENCODING": "ascii"}, "utf-8"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1"),
    ],
)
def test_names_are_shown_in_any_encoding(
    run: Command, project: xpstore.Project, settings: dict[str, str], encoding: str
) -> None:
    project.experiment("Übung \N{SNOWMAN}")
    code = "import subprocess, sys; sys.stdout.buffer.write(subprocess.check_output(sys.argv[1:])"
    program = ("-X", "utf8", "-c", f"{code}.decode({encoding!r}).encode())")
    line = (sys.executable, "-m", "xpstore.cli", "ls", project.id)
    shown = rows(run(*line, program=program, **settings))
    assert shown[0][1] == ("Übung \N{SNOWMAN}" if encoding == "utf-8" else r"Übung \u2603")
    listed = json.loads(run(*line, "--json", program=program, **settings).stdout)
    assert listed[0]["name"] == "Übung \N{SNOWMAN}"


def test_argument_that_the_locale_does_not_read_is_one_line(run: Command) -> None:
    assert_one_line(run("ls", "Übung", expect=1, **OLD_LOCALE), "LC_ALL=C.UTF-8")


@pytest.mark.parametrize("columns", [20, 60, 100])
def test_ids_are_whole_in_a_terminal_of_any_width(project: xpstore.Project, server: Server, columns: int) -> None:
    model = project.experiment("mnist").model(config={"lr": 0.1})
    primary, secondary = pty.openpty()
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "COLUMNS": str(columns)}
    line = [sys.executable, "-m", "xpstore.cli", "models", project.id, "mnist"]
    subprocess.run(line, env={**without_settings(), **access}, stdout=secondary, check=True, timeout=60)
    os.close(secondary)
    shown = read_all(primary)
    os.close(primary)
    words = shown.split()
    assert str(model.id) in words and model.display_name in words
    assert "…" not in shown


def read_all(descriptor: int) -> str:
    data = b""
    with contextlib.suppress(OSError):  # what a terminal whose other end is closed says at its end
        while piece := os.read(descriptor, 1 << 16):
            data += piece
    return data.decode()


@pytest.mark.parametrize(
    ("disk", "told"),
    [
        ("unshare -rm sh -c 'mount -t tmpfs -o size=2m none out && \"$@\"' -", "No space left on device"),
        ("unshare -rm sh -c 'mount -t tmpfs -o ro none out && \"$@\"' -", "Read-only file system"),
        ("sh -c 'ulimit -f 100 && \"$@\"' -", "File too large"),
    ],
)
def test_disk_that_does_not_take_a_download_is_one_line(
    run: Command, project: xpstore.Project, tmp_path: Path, disk: str, told: str
) -> None:
    DirectoryArtifact.save(os.urandom(4 << 20), "x")
    (tmp_path / "out").mkdir()
    if subprocess.run(["bash", "-c", f"{disk} {sys.executable} -c ''"], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here, or this Python may not be run beside it")
    result = in_shell(run, f"{disk} $X get '{project.id}' x out", expect=1)
    assert_one_line(result, told)
    assert "out/data" in result.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("what", ["file", "folder", "long name"])
def test_what_is_in_the_way_of_a_download_is_one_line(
    run: Command, project: xpstore.Project, tmp_path: Path, what: str
) -> None:
    DirectoryArtifact.save(b"bytes", "x")
    target = "out" if what != "long name" else "x" * 300
    if what == "file":
        (tmp_path / "out").write_text("in the way")
    elif what == "folder":
        (tmp_path / "out" / "data" / "mine").mkdir(parents=True)
    result = run("get", project.id, "x", target, expect=1)
    assert_one_line(result, target)
    assert what != "file" or (tmp_path / "out").read_text() == "in the way"
