"""Processes save overlapping content and delete, while sweeps without any grace run beside them.

Four of them; XPSTORE_TEST_SAVERS=8 in `make chaos`.
"""

import multiprocessing
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest
from blake3 import blake3

import xpstore
from support.backends import Backend
from support.raw import KIB
from support.services import Server
from xpstore import errors
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore_server.store.sweep import Grace

PROCESSES = int(os.environ.get("XPSTORE_TEST_SAVERS", "4"))
# Saves that each process tries: not seconds, of which a busy machine may take some and the start the rest.
ROUNDS = 20
# Sweeps that found something, and how often all may save again until there were more: they too get little time there.
SWEPT = 3
MOST_TURNS = 6
SWEEPS = {"XPSTORE_SWEEP_SECONDS": "0.05"}
GRACE = Grace(condemn_us=0, remove_us=0, abandon_us=500_000)
PIECES = 60


def piece(number: int) -> bytes:
    """One of the contents that all processes draw from, the same in each."""
    return random.Random(number).randbytes((1 + number % 7) * 40 * KIB)


def work(rank: int, api_key: str, address: str, project_id: str, folder: str, start: Barrier) -> tuple[int, int]:
    """Saves folders of pieces, and deletes some; returns how many saves there were, and how often one gave up."""
    client = xpstore.init(api_key, address, timeout_seconds=60)
    choice, saves, given_up = random.Random(rank), 0, 0
    with client.project(project_id):
        start.wait(120)
        for round_ in range(ROUNDS):
            source = Path(folder) / f"{rank}-{round_}"
            source.mkdir()
            for number in choice.sample(range(PIECES), 5):
                (source / f"{number}.bin").write_bytes(piece(number))
            try:
                saved = DirectoryArtifact.save(source, f"storm {choice.randrange(4)}")
                saves += 1
                if choice.random() < 0.3:
                    saved.delete()
            except errors.Conflict:  # chunks went as fast as they came, five times
                given_up += 1
    return saves, given_up


@pytest.fixture
def servers(backend: Backend, tmp_path: Path) -> Iterator[list[Server]]:
    """As many as the database takes, all sweeping."""
    with ExitStack() as stack:
        replicas = 1 if backend.name == "sqlite-disk" else 2
        yield [
            stack.enter_context(
                Server(backend.database_url, backend.blob_url, tmp_path, environment=SWEEPS, grace=GRACE)
            )
            for _ in range(replicas)
        ]


def swept(servers: list[Server]) -> int:
    """How many sweeps found something."""
    return sum(server.log.read_text().count("swept") for server in servers)


@pytest.mark.store
def test_no_artifact_lacks_a_chunk_while_sweeps_without_grace_run(servers: list[Server], tmp_path: Path) -> None:
    project_id, context = "storm", multiprocessing.get_context("spawn")
    (tmp_path / "sources").mkdir()
    with context.Manager() as manager, context.Pool(PROCESSES) as pool:
        start = manager.Barrier(PROCESSES)
        results: list[tuple[int, int]] = []
        while not results or (swept(servers) <= SWEPT and len(results) < MOST_TURNS * PROCESSES):
            ranks = range(len(results), len(results) + PROCESSES)
            results += pool.starmap(
                work,
                [
                    (rank, server.api_key, server.address, project_id, str(tmp_path / "sources"), start)
                    for rank, server in zip(ranks, servers * PROCESSES, strict=False)
                ],
            )
    saves, given_up = map(sum, zip(*results, strict=True))
    digests = {number: blake3(piece(number)).hexdigest() for number in range(PIECES)}
    with xpstore.Client(servers[0].api_key, servers[0].address).project(project_id) as project:
        alive = Artifact.load_all(project=project)
        print(f"{saves} saves, {given_up} gave up, {len(alive)} versions are live")
        assert saves > PROCESSES and len(alive) > 1
        for number, artifact in enumerate(alive):
            target = artifact.download(tmp_path / str(number))
            found = {path.stem: blake3(path.read_bytes()).hexdigest() for path in target.iterdir()}
            assert found == {stem: digests[int(stem)] for stem in found} and len(found) == 5
    assert swept(servers) > SWEPT, "the sweeps had nothing to do"
