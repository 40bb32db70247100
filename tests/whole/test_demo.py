"""The demo, as a new user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
