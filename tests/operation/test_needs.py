"""Programs that tests need: named where they are missing, and installed by `.ci/run`."""

import os
import re
import shutil
import subprocess
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


def test_ci_of_a_user_who_installs_nothing_says_so_and_goes_on(tmp_path: Path) -> None:
    """On a machine without any of the programs, of a user who is not root; `make` only says that it was called."""
    for folder in (".ci", "tests/support"):
        (tmp_path / "tree" / folder).mkdir(parents=True)
    for file in (".ci/run", "tests/support/needs.py"):
        shutil.copy(ROOT / file, tmp_path / "tree" / file)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"id": "echo 1000", "make": 'echo "make $*, CI=$CI"', "python3": "exit 0"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for name in ("bash", "sed", "dirname"):
        (programs / name).symlink_to(str(shutil.which(name)))
    script = (tmp_path / "tree/.ci/run").read_text().replace(":/usr/sbin:/sbin", "")
    environment = {"PATH": str(programs), "HOME": os.environ.get("HOME", "/")}
    command = [str(programs / "bash"), "-c", script, str(tmp_path / "tree/.ci/run")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == made("true")
    assert all(one.package in result.stderr for one in PROGRAMS.values())
    result = subprocess.run(command, env={**environment, "CI": ""}, capture_output=True, text=True)
    assert result.stdout == made(""), "then they skip by name"
