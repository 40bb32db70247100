"""Random small programs before and after random edits: one key, one value (`support.programs`).

XPSTORE_TEST_SEED is the first program's number, and with `-k replay` that of the only one. XPSTORE_TEST_PROGRAMS says
how many (100 by default; `make chaos` has 3,000), XPSTORE_TEST_SECONDS for how long instead.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs.case import OF_LOOK_UPS, SERVICE_EVERY, Outcome, Tally, run_case
from support.programs.local_service import local_service
from support.programs.random_program import RandomProgram
from support.programs.running import Json, Warm

PROGRAMS = int(os.environ.get("XPSTORE_TEST_PROGRAMS", "100"))
SECONDS = float(os.environ.get("XPSTORE_TEST_SECONDS", "0"))
LEAST_CHANGED = 0.4
SHOWN = 5
pytestmark = pytest.mark.timeout(SECONDS + 300)


@pytest.fixture(scope="module")
def warm() -> Iterator[list[Warm]]:
    """Processes of different hash seeds."""
    with Warm(1) as one, Warm(2) as other:
        yield [one, other]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    with local_service(tmp_path_factory.mktemp("service")) as service:
        yield service


def first_seed() -> int:
    """Always the same ones in `make test`, which must not fail by chance; others each time in a long run."""
    return int(os.environ.get("XPSTORE_TEST_SEED") or (random.SystemRandom().randrange(1_000_000) if SECONDS else 1))


def in_turn(seed: int, service: Json) -> Json | None:
    return service if seed % SERVICE_EVERY == 0 else None


@pytest.fixture(scope="module")
def tally(warm: list[Warm], folder: Path, service: Json) -> Tally:
    tally, seed, begin = Tally(), first_seed(), time.monotonic()
    print(f"XPSTORE_TEST_SEED={seed}")
    while time.monotonic() - begin < SECONDS if SECONDS else tally.outcomes < PROGRAMS:
        tally.add(run_case(RandomProgram(seed), warm, folder, in_turn(seed, service)))
        seed += 1
    print(tally)
    return tally


def shown(outcomes: list[Outcome]) -> str:
    """The numbers of all, and the first few with what was seen."""
    numbers = " ".join(str(outcome.program.seed) for outcome in outcomes)
    return "\n\n".join([f"`python -m support.programs NUMBER` shows each: {numbers}", *map(str, outcomes[:SHOWN])])


def test_programs_run_and_edits_change_values(tally: Tally) -> None:
    assert not tally.broken, shown(tally.broken)
    assert tally.changed >= LEAST_CHANGED * tally.edits, tally


def test_one_key_has_one_value(tally: Tally) -> None:
    assert not tally.faulty, shown(tally.faulty)


def test_nothing_raises(tally: Tally) -> None:
    assert not tally.raised, shown(tally.raised)


def test_harmless_edits_are_hits(tally: Tally) -> None:
    """Comments, layout, docstrings and functions that nobody calls; a renamed local of a closure may miss."""
    may_miss = {"local", *(kind for kind in tally.missed if kind.endswith(OF_LOOK_UPS))}
    missed = {kind: count for kind, count in tally.missed.items() if count and kind not in may_miss}
    assert not missed, tally


def test_replay(warm: list[Warm], folder: Path, service: Json) -> None:
    if "XPSTORE_TEST_SEED" not in os.environ:
        pytest.skip("no XPSTORE_TEST_SEED to replay")
    outcome = run_case(RandomProgram(first_seed()), warm, folder, in_turn(first_seed(), service))
    print(outcome)
    assert not outcome.faults and not outcome.raised and not outcome.broken, outcome
