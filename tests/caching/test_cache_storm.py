"""Many processes ask for the same results, and those that compute them are stopped, interrupted and killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import xpstore
from support import cached_program
from support.backends import Backend
from support.cached_program import storm
from support.services import Server
from xpstore.artifact import Artifact, CachedArtifact

PROCESSES = int(os.environ.get("XPSTORE_TEST_CACHE_PROCESSES", "8"))
KEYS = int(os.environ.get("XPSTORE_TEST_CACHE_KEYS", "25"))
PROJECT = "storm"

Program = subprocess.Popen[str]
Start = Callable[..., Program]


@pytest.fixture(scope="module")
def replicas(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """As many servers as the database takes. A lease lasts long enough for a machine with other things to do."""
    folder: Path = tmp_path_factory.mktemp("replicas")
    settings = {"XPSTORE_CACHE_LEASE_SECONDS": "6", "XPSTORE_LOG_LEVEL": "DEBUG"}
    with ExitStack() as stack:
        yield [
            stack.enter_context(Server(backend.database_url, backend.blob_url, folder, environment=settings))
            for _ in range(1 if backend.name == "sqlite-disk" else 2)
        ]


@pytest.fixture
def project(replicas: list[Server]) -> Iterator[xpstore.Project]:
    """A new project, known to the last of the servers."""
    client = xpstore.Client(replicas[-1].api_key, replicas[-1].address)
    yield client.project(f"{PROJECT} {os.urandom(6).hex()}").open()
    client.close()


@pytest.fixture
def start(replicas: list[Server], project: xpstore.Project, tmp_path: Path) -> Iterator[Start]:
    """Starts programs, on one replica after the other."""
    programs: list[Program] = []

    def start(function: str, argument: str) -> Program:
        server = replicas[len(programs) % len(replicas)]
        words = [cached_program.__file__, server.api_key, server.address, project.id, str(tmp_path), function, argument]
        programs.append(subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True))
        return programs[-1]

    yield start
    for program in programs:
        program.kill()
        program.wait()


def begun(folder: Path, name: str, number: int = 1, seconds: float = 60) -> list[int]:
    """Waits until a computation has begun so many times; returns the processes that began it."""
    deadline, path = time.monotonic() + seconds, folder / f"{name}.began"
    while time.monotonic() < deadline:
        if path.exists() and len(found := path.read_text().split()) >= number:
            return list(map(int, found))
        time.sleep(0.02)
    raise AssertionError(f"{name} has not begun {number} times")


@pytest.fixture
def until_reserved(replicas: list[Server]) -> Callable[[int], None]:
    """Waits for the answers to so many reservations: whoever was told of somebody else's lease is told of its end."""

    def answered() -> int:
        lines = (line for server in replicas for line in server.log.read_text().splitlines())
        return sum("ReserveCacheEntry" in line and "OK" in line for line in lines)

    def until_reserved(count: int) -> None:
        deadline = time.monotonic() + 60
        while answered() < before + count:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    before = answered()
    return until_reserved


def result(program: Program) -> str:
    return program.communicate(timeout=100)[0].strip()


@pytest.mark.timeout(900)
def test_every_key_is_computed_once_by_all_processes(replicas: list[Server], project: xpstore.Project) -> None:
    servers = [(server.api_key, server.address) for server in replicas] * PROCESSES
    arguments = [(rank, *servers[rank], project.id, KEYS) for rank in range(PROCESSES)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["xpstore"])
    with context.Pool(PROCESSES) as pool:
        assert sum(pool.starmap(storm, arguments, chunksize=1)) == KEYS
    assert len(project.cache.list("storm")) == KEYS


def test_waiting_process_gets_the_result_of_the_one_that_computes(
    start: Start, until_reserved: Callable[[int], None], tmp_path: Path
) -> None:
    owner = start("whose", "k")
    begun(tmp_path, "k")
    others = [start("whose", "k") for _ in range(2)]
    until_reserved(3)
    (tmp_path / "k.go").touch()
    assert {result(owner), *map(result, others)} == {str(owner.pid)}
    assert begun(tmp_path, "k") == [owner.pid]


def test_stopped_owner_publishes_nothing_when_it_goes_on(
    start: Start, project: xpstore.Project, tmp_path: Path
) -> None:
    owner = start("whose", "k")
    begun(tmp_path, "k")
    owner.send_signal(signal.SIGSTOP)
    successor = start("whose", "k")
    assert begun(tmp_path, "k", 2) == [owner.pid, successor.pid], "taken over"
    (tmp_path / "k.go").touch()
    assert result(successor) == str(successor.pid)
    (entry,) = project.cache.list("whose")
    owner.send_signal(signal.SIGCONT)
    assert result(owner) == str(owner.pid), "its value is not lost"
    assert project.cache.list("whose")[0].artifact == entry.artifact
    assert [artifact.id for artifact in Artifact.load_all(project=project)] == [entry.artifact and entry.artifact.id]
    assert entry.artifact is not None and entry.artifact.load() == successor.pid


def test_killed_owner_is_succeeded(start: Start, project: xpstore.Project, tmp_path: Path) -> None:
    owner = start("whose", "k")
    begun(tmp_path, "k")
    successor = start("whose", "k")
    owner.kill()
    assert begun(tmp_path, "k", 2) == [owner.pid, successor.pid]
    (tmp_path / "k.go").touch()
    assert result(successor) == str(successor.pid)
    (artifact,) = CachedArtifact.load_all(project=project)
    assert artifact.load() == successor.pid


@pytest.mark.parametrize("function", ["whose", "exhausts"])
def test_owner_that_is_interrupted_or_out_of_memory_makes_way(start: Start, tmp_path: Path, function: str) -> None:
    owner = start(function, "k")
    begun(tmp_path, "k")
    successor = start(function, "k")
    if function == "whose":
        owner.send_signal(signal.SIGINT)
        owner.wait(60)
    else:
        (tmp_path / "k.go").touch()
        assert result(owner).startswith("MemoryError")
    assert begun(tmp_path, "k", 2) == [owner.pid, successor.pid]
    (tmp_path / "k.go").touch()
    assert result(successor) == str(successor.pid)


def test_exception_is_told_to_those_waiting_and_forgotten(
    start: Start, until_reserved: Callable[[int], None], project: xpstore.Project, tmp_path: Path
) -> None:
    owner = start("fails", "k")
    begun(tmp_path, "k")
    other = start("fails", "k")
    until_reserved(2)
    (tmp_path / "k.go").touch()
    assert result(owner) == "ValueError: no rows in k"
    told = result(other)
    assert told.startswith("ComputationFailed: 'fails', computed by cached_program.py on ")
    assert told.endswith(f"process {owner.pid}: ValueError: no rows in k")
    assert result(start("fails", "k")) == "ValueError: no rows in k", "the next one computes again"
    assert begun(tmp_path, "k", 2)[0] == owner.pid and project.cache.list() == []


def test_two_that_ask_for_each_other_both_finish(start: Start, project: xpstore.Project) -> None:
    first, second = start("f", "k"), start("g", "k")
    assert (result(first), result(second)) == ("f of k", "g of k")
    assert {entry.process for entry in project.cache.list()} == {"f", "g"}
