"""Random interleavings of upload, dedup, delete, undelete, purge, sweep and repack: no live byte is lost.

Three clients work at the same time, on one server with SQLite or on two replicas with PostgreSQL, whose janitors run
all the time with hardly any grace. Each client knows what its own versions hold; all draw from the same contents, so
that they share chunks and packs. XPSTORE_TEST_INTERLEAVINGS is the number of operations: 90 by default,
10,000 in `make chaos`.
"""

import multiprocessing
import os
import random
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.backends import Backend
from support.raw import KIB
from support.services import Server
from support.stores import NOW, check_exact, contents, needed_chunks
from xpstore import errors
from xpstore._session import current as session
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server import commands as cleaning
from xpstore_server.app import Stores
from xpstore_server.settings import load
from xpstore_server.store.errors import StoreError
from xpstore_server.store.purge import purge
from xpstore_server.store.sweep import Ends, Grace, Swept, condemn, give_up, remove_trash

OPERATIONS = int(os.environ.get("XPSTORE_TEST_INTERLEAVINGS", "60"))
CLIENTS = 3
PIECES = 80
LIVE = 60  # of each client; then it deletes instead of saving more
SECOND_US = 1_000_000
# Less than an hour, and a client that asks what is missing is promised nothing: harder than real life.
GRACE = Grace(condemn_us=SECOND_US, remove_us=SECOND_US // 2, abandon_us=5 * SECOND_US, undo_us=3 * SECOND_US)
JANITOR = {"XPSTORE_SWEEP_SECONDS": "0.3"}
# What is saved, deleted and collected in which proportion.
WEIGHTS = {
    "save": 30,
    "save_again": 10,
    "read": 15,
    "delete": 20,
    "undelete": 10,
    "purge": 4,
    "sweep": 4,
    "repack": 4,
    "repack_all": 2,
    "now": 1,
}

Tree = dict[str, int]


def piece(number: int) -> bytes:
    """One of the contents that all clients draw from, the same in each."""
    return random.Random(number).randbytes((1 + number % 12) * 12 * KIB + number % 1000)


@dataclass
class Outcome:
    """What one client did, and what must be there afterwards."""

    live: dict[str, Tree] = field(default_factory=dict)
    deleted: dict[str, Tree] = field(default_factory=dict)
    counts: "Counter[str]" = field(default_factory=Counter)


class Worker:
    """One client with what it knows, and by turns somebody who collects garbage by hand beside the servers."""

    def __init__(self, rank: int, seed: int, folder: Path, stores: Stores) -> None:
        self._random = random.Random(f"{seed}/{rank}")
        self._rank = rank
        self._folder = folder / str(rank)
        self._folder.mkdir()
        self._stores = stores
        self._trees: list[Tree] = []
        self.outcome = Outcome()

    def step(self) -> None:
        (name,) = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if name.startswith("save") and len(self.outcome.live) >= LIVE:
            name = "delete"
        self.outcome.counts[name] += 1
        operation: Callable[[], None] = getattr(self, f"_{name}")
        operation()

    def _save(self) -> None:
        numbers = self._random.sample(range(PIECES), self._random.randrange(1, 6))
        tree = {f"{number}.bin": number for number in numbers}
        # Contents of its own, so that packs hold what only one version needs.
        tree["own"] = self._random.randrange(PIECES, 1 << 30)
        self._trees.append(tree)
        self._put(tree)

    def _save_again(self) -> None:
        if self._trees:
            self._put(self._random.choice(self._trees))

    def _put(self, tree: Tree) -> None:
        source = self._folder / secrets.token_hex(8)
        source.mkdir()
        for name, number in tree.items():
            (source / name).write_bytes(piece(number))
        try:
            saved = DirectoryArtifact.save(source, f"{self._rank}-{self._random.randrange(4)}")
        except errors.Conflict:  # chunks went as fast as they came, five times
            self.outcome.counts["given up"] += 1
        else:
            self.outcome.live[saved.id] = tree

    def _read(self) -> None:
        if self.outcome.live:
            version_id, tree = self._random.choice(list(self.outcome.live.items()))
            check(version_id, tree)

    def _delete(self) -> None:
        if self.outcome.live:
            version_id = self._random.choice(list(self.outcome.live))
            self.outcome.deleted[version_id] = self.outcome.live.pop(version_id)
            Artifact.get_by_id(version_id).delete()

    def _undelete(self) -> None:
        if not self.outcome.deleted:
            return
        version_id = self._random.choice(list(self.outcome.deleted)[-5:])
        tree = self.outcome.deleted.pop(version_id)
        try:
            undelete(version_id)
        except errors.NotFound:
            self.outcome.counts["purged before"] += 1
        else:
            self.outcome.live[version_id] = tree
            check(version_id, tree)

    def _purge(self) -> None:
        purge(self._stores.database, self._ends(), Swept())

    def _sweep(self) -> None:
        ends = self._ends()
        give_up(self._stores.database, ends)
        condemn(self._stores.database, ends, Swept())
        remove_trash(self._stores.database, self._stores.blobs, ends, Swept())

    def _ends(self) -> Ends:
        return GRACE.ends(self._stores.database.read(lambda tx: tx.now_us()))

    def _repack(self) -> None:
        self._collect(GRACE)

    def _repack_all(self) -> None:
        self._collect(GRACE, repack_all=True)

    def _now(self) -> None:
        self._collect(NOW)

    def _collect(self, grace: Grace, repack_all: bool = False) -> None:
        swept = self._stores.collector.collect(grace, repack_all=repack_all)
        self.outcome.counts["repacked packs"] += swept.repacked_packs
        self.outcome.counts["purged versions"] += swept.purged_versions


def undelete(version_id: str) -> None:
    """Undeletes by id: a deleted version has no handle any more."""
    client = session.get_client()
    client.call(
        client.stubs.artifacts.UndeleteArtifactVersion, pb.UndeleteArtifactVersionRequest(version_id=version_id)
    )


def check(version_id: str, tree: Tree) -> None:
    """Downloads a version whole."""
    with tempfile.TemporaryDirectory() as folder:
        target = Artifact.get_by_id(version_id).download(Path(folder) / "tree")
        assert {path.name for path in target.iterdir()} == set(tree)
        for name, number in tree.items():
            assert (target / name).read_bytes() == piece(number), f"{name} of {version_id}"


def work(rank: int, seed: int, access: tuple[str, str], urls: tuple[str, str], folder: str, steps: int) -> Outcome:
    """One client's share of the operations."""
    stores = Stores(load(database_url=urls[0], blob_url=urls[1]))
    client = xpstore.init(*access, timeout_seconds=60)
    worker = Worker(rank, seed, Path(folder), stores)
    try:
        with client.project("interleavings"):
            for _ in range(steps):
                worker.step()
    finally:
        stores.close()
    return worker.outcome


@pytest.fixture
def servers(backend: Backend, tmp_path: Path) -> Iterator[list[Server]]:
    """As many as the database takes."""
    with ExitStack() as stack:
        replicas = 1 if backend.name == "sqlite-disk" else 2
        yield [
            stack.enter_context(
                Server(backend.database_url, backend.blob_url, tmp_path, environment=JANITOR, grace=GRACE)
            )
            for _ in range(replicas)
        ]


@pytest.mark.timeout(300 + OPERATIONS)
def test_no_live_byte_is_lost(servers: list[Server], backend: Backend, tmp_path: Path) -> None:
    seed = int(os.environ.get("XPSTORE_TEST_SEED", random.randrange(1 << 30)))
    print(f"XPSTORE_TEST_SEED={seed}")
    urls, sources, began = (backend.database_url, backend.blob_url), tmp_path / "sources", time.monotonic()
    sources.mkdir()
    xpstore.Client(servers[0].api_key, servers[0].address).project("interleavings")
    shares: list[tuple[Any, ...]] = []
    for rank in range(CLIENTS):
        server = servers[rank % len(servers)]
        shares.append((rank, seed, (server.api_key, server.address), urls, str(sources), -(-OPERATIONS // CLIENTS)))
    with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
        outcomes = pool.starmap(work, shares)
    seconds = time.monotonic() - began
    live = {version_id: tree for outcome in outcomes for version_id, tree in outcome.live.items()}
    counts = sum((outcome.counts for outcome in outcomes), Counter[str]())
    print(f"{sum(counts[name] for name in WEIGHTS)} operations in {seconds:.0f} s, {len(live)} versions live: {counts}")

    client = xpstore.init(servers[0].api_key, servers[0].address)
    with client.project("interleavings"):
        assert {artifact.id for artifact in Artifact.load_all()} == set(live)
        for version_id, tree in live.items():
            check(version_id, tree)
    stores = Stores(load(database_url=urls[0], blob_url=urls[1]))
    check_bytes(servers, stores)
    with client.project("interleavings"):
        for version_id, tree in live.items():
            check(version_id, tree)
    stores.close()
    assert counts["given up"] < OPERATIONS / 20


def check_bytes(servers: list[Server], stores: Stores) -> None:
    """What the bucket holds after the janitors had their time, and after everything is repacked."""
    deadline = time.monotonic() + 30
    while (ratio := over_needed(stores)) > 1.3 and time.monotonic() < deadline:
        time.sleep(1)
    print(f"bucket is {ratio:.3f} of what live versions need, by the janitors alone")
    assert ratio <= 1.3
    for server in servers:
        server.stop()
    assert cleaning.collect(stores, NOW, repack_all=True, dry_run=False, verify_bucket=True)
    check_exact(stores.database, stores.chunks, stores.blobs)
    print(f"bucket is {over_needed(stores):.3f} of what live versions need, after gc --now --repack all")
    for server in servers:
        server.start()


def over_needed(stores: Stores) -> float:
    """Bytes of the bucket over those of the chunks that live versions need."""
    while True:
        with suppress(StoreError):  # a janitor removed an object meanwhile
            needed = needed_chunks(stores.database, stores.chunks)
            size_bytes, sizes, _ = contents(stores.blobs)
            return size_bytes / sum(sizes[chunk] for chunk in needed)
