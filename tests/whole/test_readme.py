"""The README runs from top to bottom, in a terminal and in a notebook, and what it promises names its test."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.homes import Home
from support.notebooks import Notebook

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A folder to read along in, and the home of its service."""
    shutil.copy(ROOT / "README.md", tmp_path)
    home = Home(tmp_path / "home")
    compat = [str(ROOT / "client" / "compat" / name) for name in ("xpdeep", "mltracker")]
    home.environment["PYTHONPATH"] = os.pathsep.join([*compat, home.environment.get("PYTHONPATH", "")])
    return home


def placed(block: str, home: Home) -> str:
    """A block with a key and an address in place of the two words that stand for them."""
    key = (home.folder / "admin.key").read_text().strip()
    return block.replace('"api_key"', repr(key)).replace('"api_url"', repr(home.address))


def assert_it_ran(shown: str, folder: Path, points: int = 3) -> None:
    assert shown.splitlines()[0] == "1 restored"
    assert f"Series(name='loss', phase='train', {points} points) 0" in shown
    assert "parameter size" in shown and "was 4" in shown
    assert shown.strip().splitlines()[-1] == "0.25 2 # xpstore"
    assert (folder / "restored" / "README.md").read_text() == README


def test_blocks_are_one_program_that_runs_twice(home: Home, tmp_path: Path) -> None:
    with home, home.serving():
        (tmp_path / "page.py").write_text(placed("\n".join(BLOCKS), home))
        for points in (3, 6):
            line = [sys.executable, "page.py"]
            pipe = subprocess.PIPE
            done = subprocess.run(
                line, cwd=tmp_path, env=home.environment, stdout=pipe, stderr=pipe, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr
            assert_it_ran(done.stdout, tmp_path, points)


def test_blocks_are_the_cells_of_a_notebook(home: Home, tmp_path: Path) -> None:
    with home, home.serving(), Notebook(tmp_path, home.environment) as notebook:
        shown = [notebook.run(placed(block, home)) for block in BLOCKS]
        assert_it_ran("\n".join(filter(None, shown)), tmp_path)


def test_lines_of_the_command_line_work_after_it(home: Home, tmp_path: Path) -> None:
    environment = {**home.environment, "BROWSER": "true"}  # a program that takes an address and is content
    with home, home.serving():
        (tmp_path / "page.py").write_text(BLOCKS[0])
        for line in ["python page.py", *re.findall(r"`(xpstore [^`]+)`", README.partition("## Compute once")[0])]:
            command = line.replace("python ", f"{sys.executable} ", 1).replace(
                "xpstore ", f"{sys.executable} -m xpstore.cli ", 1
            )
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
            )
            assert (done.returncode, done.stderr) == (0, ""), line
        assert (tmp_path / "notes" / "README.md").read_text() == README


def test_published_snippet_is_in_it_as_it_is_published() -> None:
    from whole.test_documented_snippets import BLOCK, IMPORTS, INIT, SET_PROJECT

    assert (IMPORTS + INIT + BLOCK + SET_PROJECT).strip() in README


def test_each_promise_names_the_test_that_tries_to_break_it() -> None:
    section = README.partition("## What it guarantees")[2].partition("\n## ")[0]
    promises = re.findall(r"^- (.*?)(?=^- |^$)", section, re.DOTALL | re.MULTILINE)
    assert len(promises) >= 12
    for promise in promises:
        tests = re.findall(r"`([a-z]+/test_\w+\.py)", promise)
        assert tests and all((ROOT / "tests" / test).exists() for test in tests), promise


def test_two_commands_and_how_to_install_come_before_the_first_program() -> None:
    before = README.partition("```python")[0]
    for line in (
        "make demo ",
        "make test ",
        "pip install '.[server",
        "pip install client/compat/xpdeep client/compat/mltracker",
    ):
        assert f"\n    {line}" in before, line
    assert "MinIO" in before


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150
