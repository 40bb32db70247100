"""One key asks for the worst that it may; another, beside it, is answered as before.

Bounds of time are generous, as this machine may be busy: what is measured is printed (`pytest -s`).
"""

import itertools
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
# Attacks are made once or, to see what goes on beside them, as long as XPSTORE_TEST_ATTACK=10 says, in seconds.
ATTACK_SECONDS = float(os.environ.get("XPSTORE_TEST_ATTACK", "0"))
# As many as a message may have: XPSTORE_TEST_SERIES=60000.
SERIES = int(os.environ.get("XPSTORE_TEST_SERIES", "4000"))
# Of one call beside an attack: before there were turns it was as long as the attack.
WORST_MS = 10_000.0


@pytest.fixture
def model(project: Project) -> Model:
    return project.experiment("e").model("h")


@pytest.fixture(autouse=True)
def as_much_for_each(server: Server, probe: Probe) -> Iterator[None]:
    """While it is measured the server has a processor, and this program and the probe share another."""
    allowed = sorted(os.sched_getaffinity(0))
    if not ATTACK_SECONDS or len(allowed) < 2:
        yield
        return
    confine(server.pid, allowed[0])
    for pid in (os.getpid(), probe.pid):
        confine(pid, allowed[1])
    yield
    os.sched_setaffinity(0, allowed)


def confine(pid: int, cpu: int) -> None:
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {cpu})


@pytest.fixture
def probe(server: Server, project: Project, model: Model) -> Iterator[Probe]:
    other = project.experiment("e").model("of the probe")
    with Probe(server.address, new_key(server), str(other.id)) as probe:
        yield probe


def beside(probe: Probe, name: str, *attacks: Callable[[], Callable[[], object]]) -> dict[str, Seen]:
    """What the probe sees while these attacks go on at once; prints it beside what it saw before.

    Args:
        attacks: each makes a call that is like none before.
    """
    time.sleep(QUIET_SECONDS)
    quiet = probe.take()
    began = time.monotonic()

    def attack(make: Callable[[], Callable[[], object]]) -> None:
        make()()
        while time.monotonic() - began < ATTACK_SECONDS:
            make()()

    with ThreadPoolExecutor(len(attacks)) as pool:
        for done in [pool.submit(attack, make) for make in attacks]:
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
    check(beside(probe, f"{SERIES:,} series", lambda: attacks.ingest_of_new_series(client, model, SERIES)))


def test_the_most_names(client: Client, model: Model, probe: Probe) -> None:
    check(beside(probe, "1,000 names in 10,000 points", lambda: attacks.most_names(client, model)))


def test_a_commit_of_all_links_and_aliases(client: Client, model: Model, probe: Probe) -> None:
    check(beside(probe, "1,000 links and 1,000 aliases", lambda: attacks.commit_of_many_links(client, model)))


def test_the_worst_searches(client: Client, model: Model, probe: Probe) -> None:
    numbers = itertools.count()
    check(beside(probe, "6 searches", *[lambda: attacks.worst_search(client, model, next(numbers))] * 6))


def test_searches_whose_callers_leave(client: Client, model: Model, probe: Probe) -> None:
    numbers = itertools.count()

    def leave() -> None:
        with pytest.raises(grpc.RpcError):
            attacks.worst_search(client, model, next(numbers), 0.02)()

    check(beside(probe, "4 searches that are left", *[lambda: leave] * 4))
