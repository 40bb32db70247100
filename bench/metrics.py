"""Metric points: stored durably and read through the server, on both databases, beside others (`metric_peers.py`)."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from bench.figure import Figure, Goal, Spread, say, seconds_of
from bench.metric_peers import Peers, peers_of
from support.backends import sqlite_url
from support.services import Postgres, Server
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.series import read_many
from xpstore.v1 import ingest_pb2, metric_pb2

SERIES = 10
RECORD_POINTS = 100_000
POINTS = 1_000_000
SHORT_POINTS = 10_000
LONG_POINTS = 100_000_000
ROUNDS = 5
INGEST_GOALS = {"SQLite": (Goal(">=", 3.0),), "PostgreSQL": (Goal(">=", 1.5),)}


def measure(folder: Path, notes: dict[str, str], *, is_quick: bool = False, has_mlflow: bool = True) -> list[Figure]:
    """Ingest of packed columns, reads of whole series, buckets and summaries."""
    peers = Peers() if is_quick or not has_mlflow else peers_of(folder, notes, POINTS)
    rounds = 1 if is_quick else ROUNDS
    figures = _measure_on("SQLite", sqlite_url(folder / "metrics.db"), folder / "metrics-sqlite", peers, rounds)
    with Postgres() as postgres:
        url = postgres.create_database()
        return figures + _measure_on("PostgreSQL", url, folder / "metrics-postgres", peers, rounds)


def _measure_on(name: str, database_url: str, folder: Path, peers: Peers, rounds: int) -> list[Figure]:
    folder.mkdir()
    with Server(database_url, (folder / "blobs").as_uri(), folder) as server:
        client = Client(server.api_key, server.address)
        experiment = client.project("bench").experiment("bench")
        models = [experiment.model(f"hash {number}") for number in range(rounds)]
        columns = _columns()
        say(f"metrics on {name}")
        speeds = [_ingest(client, model, columns) for model in models]
        whole = _one_series(client, experiment.model("one"))
        long = rounds * LONG_POINTS // ROUNDS
        long_one = _long_series(client, experiment.model("long"), long)
        short = experiment.model("short")
        _ingest(client, short, [("loss", values[: 8 * SHORT_POINTS], b"") for _, values, _ in columns[:1]])
        names = [f"metric {number}" for number in range(SERIES)]
        runs: dict[str, tuple[Callable[[], object], Goal]] = {
            f"read {POINTS:,} points of {SERIES} series to numpy": (
                lambda: read_many([models[0]], names),
                Goal("<", 150),
            ),
            "1,000 exact buckets of 1,000,000 points": (
                lambda: whole.metrics.read("loss", buckets=1_000),
                Goal("<", 30),
            ),
            f"1,000 exact buckets of {long:,} points": (
                lambda: long_one.metrics.read("loss", buckets=1_000),
                Goal("<", 200),
            ),
            f"summary of {POINTS:,} points": (lambda: _summary(client, whole), Goal("<", 5)),
        }
        figures = [
            Figure(f"{name}: packed points stored", "M points/s", Spread.of(speeds), peers.writes, INGEST_GOALS[name])
        ]
        for number, (what, (run, goal)) in enumerate(runs.items()):
            run()
            beside = peers.reads if number == 0 else {}
            figures.append(Figure(f"{name}: {what}", "ms", _in_ms(seconds_of(run, 4 * rounds)), beside, (goal,)))
        figures.append(_growth(name, server, {SHORT_POINTS: short, POINTS: whole, long: long_one}, rounds))
        client.close()
    return figures


def _growth(name: str, server: Server, models: dict[int, Model], rounds: int) -> Figure:
    """What buckets of the longest series take of the server, beside those of shorter ones."""
    found = {}
    for points, model in models.items():
        found[points] = Spread.of(
            [_cpu_ms(server, partial(model.metrics.read, "loss", buckets=1_000)) for _ in range(rounds)]
        )
    most = max(found)
    beside = {f"of {points:,}": found[points] for points in sorted(found, reverse=True)[1:]}
    what = f"{name}: the server's CPU for 1,000 exact buckets of {most:,} points"
    return Figure(what, "ms", found[most], beside, (Goal("<", 200),))


def _cpu_ms(server: Server, run: Callable[[], object]) -> float:
    """What each of ten runs took of the server: the kernel counts in hundredths of a second."""
    process = psutil.Process(server.pid)
    began = process.cpu_times()
    for _ in range(10):
        run()
    ended = process.cpu_times()
    return 100 * float(ended.user + ended.system - began.user - began.system)


def _columns() -> list[tuple[str, bytes, bytes]]:
    """Name, values and steps of each record: random floats at steps that count on."""
    chance = np.random.default_rng(7)
    columns = []
    for number in range(POINTS // RECORD_POINTS):
        steps = np.arange(RECORD_POINTS, dtype="<i8")
        columns.append((f"metric {number % SERIES}", chance.standard_normal(RECORD_POINTS).tobytes(), steps.tobytes()))
    return columns


def _ingest(client: Client, model: Model, columns: list[tuple[str, bytes, bytes]]) -> float:
    writer, start = new_id(), time.perf_counter()
    for number, (name, values, steps) in enumerate(columns):
        series = ingest_pb2.PackedSeries(name=name, float_values=values, steps=steps)
        records = ingest_pb2.ModelRecords(model_id=str(model.id), series=[series])
        request = ingest_pb2.IngestRequest(
            project_uid=model.project_uid, writer_id=writer, first_record=number, record_count=1, models=[records]
        )
        client.call(client.stubs.ingest.Ingest, request)
    return POINTS / (time.perf_counter() - start) / 1e6


def _one_series(client: Client, model: Model) -> Model:
    _ingest(client, model, [("loss", values, steps) for _, values, steps in _columns()])
    return model


def _long_series(client: Client, model: Model, points: int) -> Model:
    """The first record is half as long as others, so buckets do not end where blocks do."""
    (_, values, steps), *_ = _columns()
    half = ("loss", values[: len(values) // 2], steps[: len(steps) // 2])
    _ingest(client, model, [half, *[("loss", values, steps)] * (points // RECORD_POINTS - 1), half])
    return model


def _summary(client: Client, model: Model) -> object:
    request = metric_pb2.ListSeriesRequest(model_ids=[str(model.id)])
    return client.call(client.stubs.metrics.ListSeries, request)


def _in_ms(seconds: Spread) -> Spread:
    return Spread(1e3 * seconds.median, 1e3 * seconds.lowest, 1e3 * seconds.highest, seconds.runs)
