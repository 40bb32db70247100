"""Many programs that log at once into one database: no lock in the way of another, no error, each record once.

XPSTORE_TEST_WRITERS=64 XPSTORE_TEST_SECONDS=60 for the long one; by default eight for three seconds.
"""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.backends import Backend
from support.homes import without_settings
from support.rank import EVENTS_EVERY, FLUSH_SECONDS
from support.services import Postgres, Server
from xpstore import Client
from xpstore.experiment import Experiment

WRITERS = int(os.environ.get("XPSTORE_TEST_WRITERS", "8"))
SECONDS = float(os.environ.get("XPSTORE_TEST_SECONDS", "3"))
START_SECONDS = 60  # 64 programs that import at once
# What a program says when the machine is so busy that a call takes ten seconds: it is no error, and nothing is lost.
WAITING = ("sent later: Deadline Exceeded", "The server is back")
COMPLAINTS = ("WARNING", "ERROR", "CRITICAL", "Traceback", "locked", "deadlock")


@pytest.fixture
def database_log(backend: Backend, request: pytest.FixtureRequest) -> Path | None:
    """What PostgreSQL says."""
    if backend.name == "sqlite-disk":
        return None
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.log


def start(server: Server, project_id: str, number: int) -> "subprocess.Popen[str]":
    words = [server.api_key, server.address, project_id, str(number), str(SECONDS)]
    return subprocess.Popen(
        [sys.executable, "-m", "support.rank", *words],
        env={**without_settings(), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(programs: list["subprocess.Popen[str]"]) -> list[int]:
    """How many points each program logged into each of its models; all ended well and had nothing to complain of."""
    counts = []
    for program in programs:
        out, err = program.communicate(timeout=START_SECONDS + SECONDS + 2 * FLUSH_SECONDS)
        said = [line for line in err.splitlines() if not any(word in line for word in WAITING)]
        assert program.returncode == 0 and not said, err
        count, dropped = map(int, out.split())
        assert dropped == 0
        counts.append(count)
    return counts


def check(experiment: Experiment, counts: list[int]) -> None:
    shared = experiment.model("shared")
    for number, count in enumerate(counts):
        own = experiment.model(f"rank {number}")
        for model in (own, shared):
            read = model.metrics.read(f"loss {number}")
            assert list(read.values) == list(read.steps) == list(range(count))
        steps = range(0, count, EVENTS_EVERY)
        assert [iteration.step for iteration in own.iterations.list()] == list(steps)
        assert (own.step, own.status) == (steps[-1], "finished")
    names = Counter(module.name for iteration in shared.iterations.list() for module in iteration.modules.list())
    assert names == {f"optimizer {number}": len(range(0, count, EVENTS_EVERY)) for number, count in enumerate(counts)}
    assert sorted(shared.tags.list()) == sorted(f"rank {number}" for number in range(len(counts)))


@pytest.mark.timeout(300 + 5 * (START_SECONDS + SECONDS))
def test_programs_that_log_at_once_are_not_in_each_others_way(
    server: Server, client: Client, database_log: Path | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    experiment = client.project(f"{WRITERS} writers").experiment("e")
    told_before = len(database_log.read_text()) if database_log else 0
    counts = results([start(server, f"{WRITERS} writers", number) for number in range(WRITERS)])
    check(experiment, counts)
    said = server.log.read_text() + (database_log.read_text()[told_before:] if database_log else "")
    assert [line for line in said.splitlines() if any(word in line for word in COMPLAINTS)] == []
    print(f"{2 * sum(counts):,} points of {WRITERS} programs")
