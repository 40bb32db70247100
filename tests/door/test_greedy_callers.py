"""One key asks for the worst that it may; another, beside it, is answered as before.

Bounds of time are generous, as this machine may be busy: what is measured is printed (`pytest -s`).
"""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.greedy import attacks
from support.greedy.keys import new_key
from support.greedy.probe import Probe, Seen
from support.services import Server
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project

QUIET_SECONDS = 2.0
# As many as a message may have: XPSTORE_TEST_SERIES=60000.
SERIES = int(os.environ.get("XPSTORE_TEST_SERIES", "4000"))
# Of one call beside an attack: before there were turns it was as long as the attack.
WORST_MS = 10_000.0


@pytest.fixture
def model(project: Project) -> Model:
    return project.experiment("e").model("h")


@pytest.fixture
def probe(server: Server, project: Project, model: Model) -> Iterator[Probe]:
    other = project.experiment("e").model("of the probe")
    with Probe(server.address, new_key(server), str(other.id)) as probe:
        yield probe


def beside(probe: Probe, name: str, *calls: Callable[[], object]) -> dict[str, Seen]:
    """What the probe sees while these calls are made at once; prints it beside what it saw before."""
    time.sleep(QUIET_SECONDS)
    quiet = probe.take()
    began = time.monotonic()
    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
    seconds = time.monotonic() - began
    loud = probe.take()
    print(f"\n{name}: {seconds:.1f} s")
    for kind, seen in loud.items():
        if seen.times:
            print(f"  {kind:6} quiet {quiet[kind]}; beside it {seen}; {seen.at(0.99) / quiet[kind].at(0.99):.1f}x")
    return loud


def check(loud: dict[str, Seen]) -> None:
    for kind, seen in loud.items():
        assert seen.failed == 0
        assert not seen.times or seen.at(0.99) < WORST_MS, kind


def test_an_ingest_of_tens_of_thousands_of_series(client: Client, model: Model, probe: Probe) -> None:
    check(beside(probe, f"{SERIES:,} series", attacks.ingest_of_new_series(client, model, SERIES)))


def test_the_most_names(client: Client, model: Model, probe: Probe) -> None:
    check(beside(probe, "1,000 names in 10,000 points", attacks.most_names(client, model)))


def test_a_commit_of_all_links_and_aliases(client: Client, model: Model, probe: Probe) -> None:
    check(beside(probe, "1,000 links and 1,000 aliases", attacks.commit_of_many_links(client, model)))


def test_the_worst_searches(client: Client, model: Model, probe: Probe) -> None:
    check(beside(probe, "6 searches", *(attacks.worst_search(client, model, number) for number in range(6))))


def test_searches_whose_callers_leave(client: Client, model: Model, probe: Probe) -> None:
    def left(number: int) -> None:
        with pytest.raises(grpc.RpcError):
            attacks.worst_search(client, model, number, 0.02)()

    check(beside(probe, "4 searches that are left", *(lambda number=number: left(number) for number in range(4))))
