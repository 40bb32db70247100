"""Metric points: stored durably and read through the server, beside MLflow through its own and TensorBoard's writer.

One client, on both databases. MLflow gets 1,000 points a call, the most its batch call takes; TensorBoard only writes a
file on this machine, and nothing is readable on a server when its clock stops.
"""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.figure import Figure, Goal, Spread, seconds_of
from bench.transfer import mlflow
from bench.transfer.contest import Store
from bench.transfer.progress import say
from services import Postgres, Server
from xpstore.client import Client, new_id
from xpstore.model import Model
from xpstore.series import read_many
from xpstore.v1 import ingest_pb2, metric_pb2

SERIES = 10
RECORD_POINTS = 100_000
POINTS = 1_000_000
ROUNDS = 5
INGEST_GOALS = {"SQLite": (Goal(">=", 3.0),), "PostgreSQL": (Goal(">=", 1.5),)}
MLFLOW_POINTS = 20_000
MLFLOW_BATCH = 1_000
WRITER_POINTS = 100_000
WRITER = f"""
import tempfile, time
from tensorboardX import SummaryWriter
with tempfile.TemporaryDirectory() as folder:
    writer = SummaryWriter(folder)
    start = time.perf_counter()
    for step in range({WRITER_POINTS}):
        writer.add_scalar("loss", 0.5, step)
    writer.close()
    print({WRITER_POINTS} / (time.perf_counter() - start) / 1e6)
"""


@dataclass(frozen=True, slots=True)
class Peers:
    """What others need: millions of points a second, and milliseconds for a million points."""

    writes: dict[str, Spread]
    reads: dict[str, Spread]


def measure(folder: Path, notes: dict[str, str], *, is_quick: bool = False, has_mlflow: bool = True) -> list[Figure]:
    """Ingest of packed columns, reads of whole series, buckets and summaries."""
    peers = Peers({}, {}) if is_quick or not has_mlflow else _peers(folder, notes)
    rounds = 1 if is_quick else ROUNDS
    figures = _measure_on("SQLite", f"sqlite:///{folder}/metrics.db", folder / "metrics-sqlite", peers, rounds)
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
            f"summary of {POINTS:,} points": (lambda: _summary(client, whole), Goal("<", 5)),
        }
        figures = [
            Figure(f"{name}: packed points stored", "M points/s", Spread.of(speeds), peers.writes, INGEST_GOALS[name])
        ]
        for number, (what, (run, goal)) in enumerate(runs.items()):
            run()
            beside = peers.reads if number == 0 else {}
            figures.append(Figure(f"{name}: {what}", "ms", _in_ms(seconds_of(run, 4 * rounds)), beside, (goal,)))
        client.close()
    return figures


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


def _summary(client: Client, model: Model) -> object:
    request = metric_pb2.ListSeriesRequest(model_ids=[str(model.id)])
    return client.call(client.stubs.metrics.ListSeries, request)


def _in_ms(seconds: Spread) -> Spread:
    return Spread(1e3 * seconds.median, 1e3 * seconds.lowest, 1e3 * seconds.highest, seconds.runs)


def _peers(folder: Path, notes: dict[str, str]) -> Peers:
    peers = Peers({}, {})
    for who, run in (("MLflow", _mlflow), ("TensorBoard's writer", _tensorboard)):
        try:
            run(folder, peers)
        except (mlflow.Missing, RuntimeError, OSError, subprocess.SubprocessError) as error:
            say(f"skipped: {who}: {error}")
            notes[who] = f"skipped: {str(error).strip().splitlines()[-1]}"
    return peers


def _mlflow(folder: Path, peers: Peers) -> None:
    say("metrics of MLflow")
    peer = mlflow.MLflow(mlflow.install(), folder, Store("disk", folder / "mlflow-blobs"))
    with contextlib.ExitStack() as stack:
        stack.callback(peer.stop)
        peer.open(0)
        speeds = []
        for _ in range(3):
            run_id, start = peer.create_run(), time.perf_counter()
            for batch in _batches():
                peer.request("POST", "mlflow/runs/log-batch", json.dumps({"run_id": run_id, "metrics": batch}).encode())
            speeds.append(MLFLOW_POINTS / (time.perf_counter() - start) / 1e6)
        peers.writes["MLflow"] = Spread.of(speeds)
        query = f"mlflow/metrics/get-history?run_id={run_id}&metric_key=loss&max_results={MLFLOW_POINTS}"
        seconds = seconds_of(lambda: json.loads(peer.request("GET", query)), 3)
        scale = 1e3 * POINTS / MLFLOW_POINTS
        peers.reads["MLflow"] = Spread(scale * seconds.median, scale * seconds.lowest, scale * seconds.highest, 3)


def _batches() -> Iterator[list[dict[str, object]]]:
    for first in range(0, MLFLOW_POINTS, MLFLOW_BATCH):
        steps = range(first, first + MLFLOW_BATCH)
        yield [{"key": "loss", "value": 0.5, "timestamp": 1_700_000_000_000 + step, "step": step} for step in steps]


def _tensorboard(_folder: Path, peers: Peers) -> None:
    python = mlflow.environment("bench-tensorboard", "tensorboardX")
    speeds = []
    for _ in range(3):
        done = subprocess.run([str(python), "-c", WRITER], capture_output=True, text=True, check=True, timeout=300)
        speeds.append(float(done.stdout))
    peers.writes["TensorBoard's writer"] = Spread.of(speeds)
