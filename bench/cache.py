"""The cache: what a hit costs, and how often a crowd computes the same.

A small hit is shown beside an empty call of the same server and joblib.Memory, one of many beside a single one, and
one of 100 MB beside joblib.Memory.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from joblib import Memory

from bench.figure import Figure, Goal, Spread, seconds_of
from support.backends import sqlite_url
from support.cached_program import storm
from support.services import Postgres, Server
from xpstore import Client, cached
from xpstore._caching.state import CacheState
from xpstore._results import copies as local_copies
from xpstore._service.address import parse_address
from xpstore._service.channel import open_channel
from xpstore.cached_function import CachedFunction
from xpstore.v1 import cache_pb2

LOOKUPS = 2_000
MAPPED = 1_000
MAPS = 7
# Of those mapped, as many are asked for one by one beside each map.
SINGLE_HITS = 100
LARGE_BYTES = 100_000_000
FIRST_RUNS = 5
RUNS = 15
PROCESSES = 64
KEYS = 200


def measure(folder: Path, processes: int = PROCESSES, keys: int = KEYS, mapped: int = MAPPED) -> list[Figure]:
    """Latencies on SQLite, which differ little on PostgreSQL, and storms on both."""
    sqlite = sqlite_url(folder / "cache.db")
    with _servers(sqlite, folder / "one", 1) as servers:
        client = Client(servers[0].api_key, servers[0].address)
        figures = _small(client, servers[0].address, folder / "joblib-small", mapped)
        figures += _large(client, folder / "joblib-large")
        client.close()
        figures.append(_storm("one server, SQLite", servers, processes, keys))
    with Postgres() as postgres, _servers(postgres.create_database(), folder / "two", 2) as servers:
        figures.append(_storm("two replicas, PostgreSQL", servers, processes, keys))
    return figures


@contextmanager
def _servers(database_url: str, folder: Path, number: int) -> Iterator[list[Server]]:
    folder.mkdir()
    servers = [Server(database_url, (folder / "blobs").as_uri(), folder) for _ in range(number)]
    try:
        yield [server.start() for server in servers]
    finally:
        for server in servers:
            server.kill()


def _small(client: Client, address: str, folder: Path, calls: int) -> list[Figure]:
    """A look-up alone, and a whole hit: code and arguments fingerprinted, looked up, read from the local copy.

    All take turns, call by call, so that what else the machine does meets each of them.
    """
    project = client.project("bench").open()
    ours, theirs = cached(project=project)(_squares), Memory(folder, verbose=0).cache(_squares)
    keys = list(range(calls))
    for key in keys:
        theirs(key)
    ours.map(keys)  # computed now
    request = cache_pb2.LookupCacheEntriesRequest(project_uid=project.uid, fingerprints=[ours.artifact(7).hash_])
    look_up = client.stubs.cache.LookupCacheEntries
    nothing = health_pb2.HealthCheckRequest()
    with open_channel(parse_address(address)) as channel:
        health = HealthStub(channel)
        lookup, empty, hit, joblib = _in_turns(
            lambda: client.call(look_up, request), lambda: health.Check(nothing), lambda: ours(7), lambda: theirs(7)
        )
    single, many = _hits(ours, keys)
    return [
        Figure("look-up, p50", "ms", lookup, {"empty call": empty}, (Goal("<", 3),)),
        Figure(
            "hit of a small result, p50",
            "ms",
            hit,
            {"empty call": empty, "joblib.Memory": joblib},
            (Goal("<=", 2.5, "empty call"),),
        ),
        Figure(f"map of {calls:,} hits, each", "ms", many, {"single hit": single}, (Goal("<=", 0.1, "single hit"),)),
    ]


def _squares(number: int) -> list[int]:
    return [one * one for one in range(number % 100)]


def _in_turns(*calls: Callable[[], object]) -> list[Spread]:
    """The median of each, in milliseconds."""
    milliseconds = [list[float]() for _ in calls]
    for call in calls:
        call()
    for _ in range(LOOKUPS):
        for call, durations in zip(calls, milliseconds, strict=True):
            began = time.perf_counter()
            call()
            durations.append((time.perf_counter() - began) * 1000)
    return [Spread.of([statistics.median(durations)]) for durations in milliseconds]


def _hits(function: CachedFunction[[int], Any], keys: list[int]) -> tuple[Spread, Spread]:
    """What a hit costs alone and as one of many, in milliseconds; in turns too."""
    single, many = list[float](), list[float]()
    some = keys[:: max(len(keys) // SINGLE_HITS, 1)]
    for _ in range(MAPS):
        began = time.perf_counter()
        for key in some:
            function(key)
        between = time.perf_counter()
        function.map(keys)
        single.append((between - began) * 1000 / len(some))
        many.append((time.perf_counter() - between) * 1000 / len(keys))
    return Spread.of(single), Spread.of(many)


def _large(client: Client, folder: Path) -> list[Figure]:
    """A hit on an array of 100 MB: downloaded, and from the copy on this machine. The order rotates."""
    project = client.project("bench").open()
    ours, theirs = cached(project=project)(_numbers), Memory(folder, verbose=0).cache(_numbers)
    artifact, expected = ours.artifact(LARGE_BYTES), theirs(LARGE_BYTES)
    first, plain = list[float](), list[float]()
    for number in range(FIRST_RUNS):
        client.kept(CacheState).copies.drop(bytes.fromhex(artifact.digest), artifact.size_bytes)
        first.append(_seconds(lambda: ours(LARGE_BYTES), expected))
        plain.append(seconds_of(partial(artifact.download, folder / str(number)), 1).median)
    again, verified, joblib = list[float](), list[float](), list[float]()
    for _ in range(RUNS):
        again.append(_seconds(lambda: ours(LARGE_BYTES), expected))
        local_copies.forget()
        verified.append(_seconds(lambda: ours(LARGE_BYTES), expected))
        joblib.append(_seconds(lambda: theirs(LARGE_BYTES), expected))
    beside, goal = {"joblib.Memory": Spread.of(joblib)}, Goal("<", 1, "joblib.Memory")
    return [
        Figure("hit of 100 MB, first", "s", Spread.of(first), {"download": Spread.of(plain)}),
        Figure("hit of 100 MB, first of a process", "s", Spread.of(verified), beside, (goal,)),
        Figure("hit of 100 MB, again", "s", Spread.of(again), beside, (goal,)),
    ]


def _numbers(size_bytes: int) -> Any:
    return numpy.random.default_rng(0).random(size_bytes // 8)


def _seconds(call: Callable[[], Any], expected: Any) -> float:
    began = time.perf_counter()
    value = call()
    duration = time.perf_counter() - began
    assert (value == expected).all()
    return duration


def _storm(where: str, servers: list[Server], processes: int, keys: int) -> Figure:
    arguments = [
        (rank, server.api_key, server.address, f"storm on {where}", keys)
        for rank, server in zip(range(processes), cycle(servers), strict=False)
    ]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "support.cached_program"])  # imported once, not by each
    with context.Pool(processes) as pool:
        computed = sum(pool.starmap(storm, arguments, chunksize=1))
    bound = (Goal(">=", keys), Goal("<=", keys))
    return Figure(f"{where}: computations, {processes} x {keys} calls", "", Spread.of([computed]), goals=bound)
