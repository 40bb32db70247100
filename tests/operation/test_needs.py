"""Programs that tests need: named where they are missing, and installed by `.ci/run`."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.needs import PROGRAMS, Program, needs

ROOT = Path(__file__).parents[2]


def made(ci: str) -> str:
    """What a `make` that only says what it was asked for says."""
    return "".join(f"make {target}, CI={ci}\n" for target in ("test", "conformance", "sdk"))


def test_program_that_is_there_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert needs("git") == str(program)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_program_that_is_missing_is_named(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setitem(PROGRAMS, "no-such-program", Program("its-package", "nothing"))
    told = r"no-such-program is not installed \(nothing\): apt-get install its-package"
    with pytest.raises(outcome, match=told):
        needs("no-such-program")


def test_ci_reads_the_whole_list() -> None:
    (command,) = re.findall(r"<\((sed .*)\)", (ROOT / ".ci" / "run").read_text())
    read = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.split() for line in read.splitlines()] == [[name, one.package] for name, one in PROGRAMS.items()]


@pytest.fixture
def ci(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """`.ci/run` on a machine without any of the programs, of a user who is not root; `make` says that it was called."""
    for folder in (".ci", "tests/support", ".venv/bin", ".pytest_cache/v/xpstore", ".pytest_cache/v/cache"):
        (tmp_path / "tree" / folder).mkdir(parents=True)
    for file in (".ci/run", "tests/support/needs.py"):
        shutil.copy(ROOT / file, tmp_path / "tree" / file)
    programs = tmp_path / "bin"
    programs.mkdir()
    make = 'echo "make $*, CI=$CI"; [ "$*" != test ] || exit ${TEST:-0}'
    for name, text in {"id": "echo 1000", "make": make, "python3": "exit 0"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for name in ("bash", "sed", "dirname", "cat", "grep"):
        (programs / name).symlink_to(str(shutil.which(name)))
    script = (tmp_path / "tree/.ci/run").read_text().replace(":/usr/sbin:/sbin", "")
    command = [str(programs / "bash"), "-c", script, str(tmp_path / "tree/.ci/run")]

    def run(**environment: str) -> "subprocess.CompletedProcess[str]":
        own = {"PATH": str(programs), "HOME": os.environ.get("HOME", "/"), **environment}
        return subprocess.run(command, env=own, capture_output=True, text=True)

    return run


def test_ci_of_a_user_who_installs_nothing_says_so_and_goes_on(
    ci: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    result = ci()
    assert result.returncode == 0, result.stderr
    assert result.stdout == made("true")
    assert all(one.package in result.stderr for one in PROGRAMS.values())
    assert ci(CI="").stdout == made(""), "then they skip by name"


@pytest.mark.parametrize(
    ("exit_", "failed", "again", "goes_on"),
    [
        ("1", ["a::b"], 0, True),
        ("1", ["a::b", "c::d"], 0, True),
        ("1", ["a::b"], 1, False),
        ("1", ["a", "b", "c"], 0, False),
        ("2", ["a::b"], 0, False),
        ("", [], 0, False),
    ],
)
def test_ci_runs_a_test_or_two_again_and_names_them(
    exit_: str,
    failed: list[str],
    again: int,
    goes_on: bool,
    ci: Callable[..., "subprocess.CompletedProcess[str]"],
    tmp_path: Path,
) -> None:
    """Not where more failed, where they were not run to their end, or where it was not tests that failed."""
    cache = tmp_path / "tree/.pytest_cache/v"
    if exit_:
        (cache / "xpstore/exit").write_text(exit_)
        (cache / "cache/lastfailed").write_text(json.dumps(dict.fromkeys(failed, True), indent=2))
    python = tmp_path / "tree/.venv/bin/python"
    python.write_text(f'#!/bin/sh\necho "again $*"\nexit {again}\n')
    python.chmod(0o755)
    result = ci(TEST="2")
    assert (result.returncode == 0) is goes_on and ("make sdk" in result.stdout) is goes_on
    if goes_on:
        assert all(f'"{one}"' in result.stderr for one in failed) and "again -m pytest --last-failed" in result.stdout
