"""The demo and the README's example, as a new user runs them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.homes import Home

ROOT = Path(__file__).parents[2]


def run_demo(folder: Path, store: str) -> str:
    command = [sys.executable, "examples/demo.py", "--store", store, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("store", ["disk", "s3"])
def test_demo_trains_verifies_and_sends_nothing_twice(tmp_path: Path, store: str) -> None:
    first = run_demo(tmp_path, store)
    assert first.count("version 1") == 6
    assert first.count("stored") == 3
    assert len(re.findall("every digest right", first)) == 3
    assert "scores" in first
    computed, again = re.findall(r"cross-validation +(.*), (\d+) computations", first)
    assert computed[0] == again[0] and (computed[1], again[1]) == ("1", "0")

    second = run_demo(tmp_path, store)
    assert re.search(r"digits-data +version 1 .* unchanged since last time", second)
    assert re.search(r"digits-classifier +version 2 .* stored", second)
    assert len(re.findall("every digest right", second)) == 4, "the result that was computed among them"
    assert objects(second) == objects(first) + 3, "the new model, its explanation, the result after the first list"
    assert re.findall(r"cross-validation +(.*), (\d+) computations", second) == [again, again]


def objects(output: str) -> int:
    found = re.search(r"(\d+) objects", output)
    assert found is not None
    return int(found[1])


def test_readme_example_runs_as_it_stands(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    example = "".join(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[:2])  # the second goes on with the first
    (tmp_path / "README.md").write_text(readme)
    (tmp_path / "example.py").write_text(example)
    with Home(tmp_path / "home") as home:
        done = subprocess.run(
            [sys.executable, "example.py"],
            cwd=tmp_path,
            env=home.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 ")
    assert "Series(name='loss', phase='train', 3 points)" in done.stdout
    assert (tmp_path / "restored" / "README.md").read_text() == readme


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200
