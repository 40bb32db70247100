"""`xpstore run`: a program as a run of a model; and `xpstore console`, which prints what it printed."""

import json
import os
import pty
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import xpstore
from support.command import Command, assert_one_line
from support.homes import without_settings
from support.services import Server
from xpstore.run import Run

pytestmark = pytest.mark.client


@pytest.fixture
def place() -> str:
    """The id of a project that there is not yet."""
    return f"programs {secrets.token_hex(6)}"


def run_of(client: xpstore.Client, place: str, name: str) -> Run:
    (model,) = (model for model in client.project(place).experiment("runs").models.list() if model.name == name)
    (one,) = model.runs
    return one


def test_program_has_input_outputs_and_exit_code(client: xpstore.Client, run: Command, place: str) -> None:
    made = ("--project", place, "--name", "one", "--config", "lr=0.1", "--tag", "t")
    told = run("run", *made, "sh", "-c", "cat; echo problem >&2; exit 3", input="given ü\n", expect=3)
    assert (told.stdout, told.stderr) == ("given ü\n", "problem\n")
    one = run_of(client, place, "one")
    (model,) = client.project(place).experiment("runs").models.list()
    assert (model.config, model.tags.list(), model.status) == ({"lr": 0.1}, ["t"], "failed")
    assert one.error.startswith("The program ended with exit code 3.\n\n") and one.error.endswith(
        ("problem", "given ü")
    )
    assert (one.command, one.python, one.packages) == ("sh -c 'cat; echo problem >&2; exit 3'", "", {})
    assert sorted(one.console().splitlines()) == ["given ü", "problem"]

    printed = run("console", place, "one", "-n", "1").stdout
    assert printed in ("problem\n", "given ü\n")
    assert sorted(run("console", place, "one", "-f").stdout.splitlines()) == ["given ü", "problem"]
    told = json.loads(run("console", place, "one", "--json", "--run", str(one.id)).stdout)
    assert (told["run"], told["status"], told["end_offset"]) == (str(one.id), "failed", 17)
    assert_one_line(run("console", place, "one", "--run", "nothing", expect=1), f"its newest is {one.id}")


def command_line(place: str, name: str, *program: str) -> list[str]:
    words = ("run", "--project", place, "--name", name, "--")
    return [sys.executable, "-m", "xpstore.cli", *words, *program]


@pytest.fixture
def environment(server: Server) -> dict[str, str]:
    return {**without_settings(), "XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}


def test_what_cannot_be_run_is_told_in_one_line(run: Command, place: str, tmp_path: Path) -> None:
    assert_one_line(run("run", "--project", place, "no-such-program", expect=127), "no-such-program: there is no such")
    (tmp_path / "odd").write_bytes(b"\x7fELF no program")
    (tmp_path / "odd").chmod(0o755)
    assert_one_line(run("run", "--project", place, "./odd", expect=126), "./odd: ")
    assert_one_line(run("console", place, "nobody", expect=1), "nobody")


def test_program_runs_while_the_service_is_away_and_sync_sends_what_it_printed(
    client: xpstore.Client, server: Server, run: Command, place: str, tmp_path: Path
) -> None:
    spool = {"XPSTORE_SPOOL": str(tmp_path / "spool")}
    server.kill()
    told = run("run", "--project", place, "--name", "one", "--", "echo", "all the same", **spool)
    server.start()
    assert told.stdout == "all the same\n"
    assert_one_line(told, "What is recorded waits in the spool: `xpstore sync` sends it.")
    run("sync", **spool)
    one = run_of(client, place, "one")
    assert (one.status, one.console()) == ("finished", "all the same\n")


CATCH = """
import signal, sys, time
def leave(number, frame):
    print("got", signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
print("ready", sys.stdout.isatty(), flush=True)
time.sleep(60)
"""


def test_signal_is_the_programs(client: xpstore.Client, environment: dict[str, str], place: str) -> None:
    line = command_line(place, "one", sys.executable, "-c", CATCH)
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready False\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "got SIGTERM\n"
        assert process.wait(60) == 0
    one = run_of(client, place, "one")
    assert (one.status, one.console()) == ("finished", "ready False\ngot SIGTERM\n")


def test_at_a_terminal_the_program_has_one_and_its_output_moves_no_cursor_later(
    client: xpstore.Client, run: Command, environment: dict[str, str], place: str
) -> None:
    primary, secondary = pty.openpty()
    code = r"test -t 1 && test -t 2 && printf 'x\377\33[2J\33[31mred\33[0m\n1%%\r\033]2;t\7 2%%\n'; kill -9 $$"
    line, told = command_line(place, "one", "sh", "-c", code), {**environment, "LC_ALL": "C"}
    done = subprocess.run(line, env=told, stdin=secondary, stdout=secondary, stderr=secondary, timeout=60)
    os.close(secondary)
    assert os.read(primary, 1 << 16) == b"x\xff\x1b[2J\x1b[31mred\x1b[0m\r\n1%\r\x1b]2;t\x07 2%\r\n"
    os.close(primary)
    assert done.returncode == 128 + signal.SIGKILL
    one = run_of(client, place, "one")
    assert (one.status, one.console()) == ("failed", "x\ufffd\x1b[2J\x1b[31mred\x1b[0m\n\r\x1b]2;t\x07 2%\n")
    assert one.error.startswith("The program was ended by SIGKILL.\n\nx")
    assert run("console", place, "one").stdout == "x\ufffd\\x1b[2Jred\n\\x1b]2;t\\x07 2%\n"
