"""`xpstore login`: a key is tried, kept for this user alone, read by programs, and never shown."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import Command, assert_one_line, facts
from support.homes import without_settings
from support.services import Server

pytestmark = pytest.mark.client


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {**without_settings(), "XPSTORE_CONFIG": str(tmp_path / "config"), "XPSTORE_HOME": str(tmp_path / "home")}


def xpstore(settings: dict[str, str], *words: str, input: str = "") -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "xpstore.cli", *words]
    return subprocess.run(line, env=settings, input=input, capture_output=True, text=True, timeout=60)


def test_login_keeps_a_key_that_programs_use(settings: dict[str, str], server: Server, tmp_path: Path) -> None:
    done = xpstore(settings, "login", server.address, input=f"{server.api_key}\n")
    file = tmp_path / "config" / "login.json"
    assert (done.returncode, done.stderr) == (0, "") and str(file) in done.stdout
    assert server.api_key not in done.stdout
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in file.parent.iterdir()] == ["login.json"]
    told = facts(xpstore(settings, "whoami"))
    assert (told["address"], told["named_by"]) == (server.address, str(file))
    code = (
        "import xpstore, pickle, os; client = xpstore.init(); print(client.api_url, repr(client))\n"
        "print(xpstore.Client(api_url=client.api_url).api_url)"
    )
    made = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, timeout=60)
    assert made.stdout.split() == [server.address, f"Client({server.address!r})", server.address], made.stderr
    assert_one_line(xpstore({**settings, "XPSTORE_API_URL": "127.0.0.1:1"}, "ls"), "api_key is missing")
    assert_one_line(xpstore({**settings, "XPSTORE_API_KEY": "xps_other"}, "ls"), "api_url is missing")
    file.chmod(0o640)
    assert_one_line(xpstore(settings, "ls"), f"{file} has an API key and is not yours alone: chmod 600 it")
    file.chmod(0o600)
    assert f"{file} is gone" in xpstore(settings, "logout").stdout
    assert xpstore(settings, "logout").stdout == "Nobody was logged in\n"
    assert_one_line(xpstore(settings, "ls"), "no service runs")


@pytest.mark.parametrize(
    ("key", "told"),
    [("", "no key was given"), ("xps_wrong-wrong-wrong", "Unauthenticated"), ("schlüssel", "malformed")],
)
def test_key_that_is_not_taken_is_not_kept(run: Command, tmp_path: Path, key: str, told: str, server: Server) -> None:
    folder = tmp_path / "config"
    result = run("login", server.address, expect=1, input=f"{key}\n", XPSTORE_CONFIG=str(folder))
    assert_one_line(result, told)
    assert not folder.exists() and (not key or key not in result.stderr)
    assert_one_line(run("login", "127.0.0.1:1", expect=1, input="xps_a", XPSTORE_CONFIG=str(folder)), "Unavailable")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"api_url": 1, "api_key": "x"}'])
def test_file_that_is_damaged_is_refused_with_the_cure(run: Command, tmp_path: Path, text: str, server: Server) -> None:
    file = tmp_path / "login.json"
    file.write_text(text)
    file.chmod(0o600)
    without = {"XPSTORE_CONFIG": str(tmp_path), "XPSTORE_API_KEY": server.api_key}
    assert json.loads(run("status", "--json", **without).stdout)["address"] == server.address
    settings = {**without_settings(), "XPSTORE_CONFIG": str(tmp_path)}
    assert_one_line(xpstore(settings, "ls"), f"{file} is damaged: `xpstore login URL` writes it anew")


def test_key_that_is_typed_is_not_echoed(settings: dict[str, str], server: Server) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-m", "xpstore.cli", "login", server.address], settings)
    shown = b""
    while b"API key of" not in shown:
        shown += os.read(terminal, 1 << 10)
    os.write(terminal, f"{server.api_key}\n".encode())
    while b"kept in" not in shown:
        shown += os.read(terminal, 1 << 10)
    assert server.api_key.encode() not in shown
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(terminal)
