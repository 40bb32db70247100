"""The benchmark runs. Never how fast: that is for people to read."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from bench.figure import Figure, Goal, Spread, table
from bench.page.browser import BOUND_SECONDS

from support.needs import needs

ROOT = Path(__file__).parents[2]


def run_bench(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs it as `make bench` does."""
    paths = os.pathsep.join(str(ROOT / name) for name in ("examples", "tests"))
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_figures_are_shown_with_ratios_and_goals() -> None:
    ours, other = Spread.of([3.0, 1.0, 2.0]), Spread.of([4.0])
    goals = (Goal(">=", 0.5, "other"), Goal("<", 2), Goal("<=", 2), Goal(">=", 1, "missing"))
    figure = Figure("speed", "MB/s", ours, {"other": other}, goals)
    first, *more = (line.split("  ") for line in table([figure]).splitlines()[1:])
    cells = [cell.strip() for cell in first if cell.strip()]
    assert cells == ["speed", "2 MB/s", "1-3 of 3", "4 other (1)", "0.50x", ">= 0.5x other: met"]
    assert [line[-1].strip() for line in more] == ["< 2: MISSED", "<= 2: met", ">= 1x missing: not measured"]
    assert figure.as_json()["ratios"] == {"other": 0.5}


def test_quick_benchmark_sends_and_gets_back_equal_bytes(tmp_path: Path) -> None:
    """It compares every download with what was sent itself, and fails if they differ."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    stores = ["disk", "wire"]
    steps = ("large", "few")
    options = ("--quick", "--stores", *stores, "--steps", *steps, "--output", str(tmp_path))
    done = run_bench("transfer", *options, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stdout + done.stderr

    results = json.loads((tmp_path / "results.json").read_text())["transfer"]
    figures = {figure["name"]: figure for figure in results["figures"]}
    assert results["notes"]["MLflow"] == "skipped: this run is quick"
    assert not [note for name, note in results["notes"].items() if "disk" in name or "SeaweedFS" in name], "who failed"
    assert {"disk: new 24 MiB file up", "disk: 24 MiB file down", "sent: 24 MiB, 5% changed"} <= set(figures)
    assert set(figures["disk: new 24 MiB file up"]["references"]) == {"copy", "grpcio alone", "ours embedded"}
    assert 95 < figures["sent: new 24 MiB file up"]["ours"]["median"] < 110
    assert figures["sent: same 24 MiB again, without index"]["ours"]["median"] < 1
    assert figures["calls: 200 files of 4 KiB up"]["ours"]["median"] < 200
    assert all(name in done.stdout for name in figures)
    assert (tmp_path / "results.png").stat().st_size > 10_000
    assert not list(temporary.iterdir()), "nothing is left behind"


def test_quick_benchmark_sees_a_chart_of_ours() -> None:
    needs("chromium")
    done = run_bench("page-peers", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(re.findall(r"^1440 px: (\S+ \S+(?: \S+)?)  +([\d.]+) (?:s|MB|nodes)", done.stdout, re.MULTILINE))
    assert set(found) == {"first chart", "over the wire", "JS heap", "DOM nodes"}
    assert 0 < float(found["first chart"]) < BOUND_SECONDS
    assert float(found["over the wire"]) > 0.05 and float(found["DOM nodes"]) > 100


def test_benchmark_without_a_browser_says_so(tmp_path: Path) -> None:
    done = run_bench("first-use", "--output", str(tmp_path), PATH=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Chromium: skipped: it is not installed (apt-get install chromium)" in done.stdout


def test_unknown_benchmark_is_named() -> None:
    done = run_bench("speed")
    assert done.returncode == 1
    names = "start, metadata, logging, console, metrics, search, cache, growth, upkeep, deletion, page"
    assert done.stderr == f"no benchmark named speed: there are {names}, first-use, page-peers, transfer\n"
