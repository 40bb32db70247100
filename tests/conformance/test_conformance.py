"""The conformance suite itself: the Python client passes what is quick of it, and clients that are wrong fail."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.play import Pool
from conformance.runner import Client, Result, run, run_all
from conformance.scenario import FULL, Scenario, scenarios
from conformance.world import World

FOLDER = Path(__file__).parent
PYTHON = f"{FOLDER / 'clients' / 'python' / 'run'}"
# `make conformance` runs all; these are of each kind one that takes no second.
QUICK = [
    "hello and bye need no server",
    "a project, a model and its run are there for another",
    "a file of one is a file to another",
    "a tree of one is a tree to another",
    "a range is those bytes of the file",
    "what is refused has its reason",
    "vectors of the cut and of trees",
    "what one computed is a hit to another",
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("world")) as world:
        yield world


def named(*names: str) -> list[Scenario]:
    found = {scenario.name: scenario for scenario in scenarios()}
    return [found[name] for name in names]


def test_python_client_passes_what_is_quick(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_all(named(*QUICK), [PYTHON], tmp_path, world)
    assert report.is_good, report.table()
    assert [[one.outcome for one in results] for _, results in report.rows] == [["ok"]] * len(QUICK)


@pytest.mark.parametrize(
    ("fault", "scenario", "told"),
    [
        ("WrongDigest", "a file of one is a file to another", "digest: '.*expected"),
        ("Truncated", "a file of one is a file to another", "folder: .*expected"),
        ("Ignored", "bytes that are damaged at rest are noticed", "error DATA_LOSS was expected"),
        ("Twice", "points of one are a series to another", "count: 50000, expected 25000"),
        ("FirstPage", "pages that are cut by their bytes come whole", "count: 4, expected 12"),
        ("Vague", "what is refused has its reason", "error: 'INTERNAL', expected 'NOT_FOUND'"),
        ("Chatty", "limits are those of the server", "wrote what is no answer: asking for limits"),
    ],
)
def test_client_that_is_wrong_fails(fault: str, scenario: str, told: str, world: World, tmp_path: Path) -> None:
    words = f"{PYTHON} {FOLDER / 'wrong_client.py'} {fault}"
    result = played(scenario, Client(words, fault, "full", frozenset(FULL)), world, tmp_path)
    assert result.outcome == "FAILED", result
    assert re.search(told, result.text), result.text


def played(name: str, client: Client, world: World, folder: Path) -> Result:
    pool = Pool(world, folder)
    try:
        return run(named(name)[0], [client], 0, world, pool)
    finally:
        pool.close()
