"""Console: what a run that records what is printed costs a training loop, and what becomes of a million lines."""

import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy
import psutil

from bench.figure import Figure, Goal, Spread
from support.backends import sqlite_url
from support.services import Server
from xpstore import Client
from xpstore.model import Model

ALTERNATIONS = 20
STEPS = 1_000
WEIGHTS = 100_000  # their sines take about a millisecond
STEPS_A_LINE = 10
# Ten times as often as a run does unless it is told, so that each loop has a reading or two.
USAGE_SECONDS = "1"
LINES = 1_000_000


def measure(folder: Path, *, alternations: int = ALTERNATIONS, lines: int = LINES) -> list[Figure]:
    """Speed beside a loop without a run, and time, memory, spool and database of many lines."""
    os.environ["XPSTORE_SPOOL"] = spool = tempfile.mkdtemp(dir=folder)
    os.environ["XPSTORE_SYSTEM_METRICS"] = USAGE_SECONDS
    database = folder / "console.db"
    with Server(sqlite_url(database), (folder / "blobs").as_uri(), folder) as server, _printing_nowhere():
        client = Client(server.api_key, server.address, timeout_seconds=300)
        model = client.project("bench").experiment("bench").model()
        figures = [_alternated(model, alternations)]
        figures += _many(model, lines, Path(spool))
        client.close()
    kept = sqlite3.connect(database).execute("SELECT sum(length(body)) FROM run_console").fetchone()[0]
    return [*figures, Figure(f"{lines:,} lines: in the database", "KiB", Spread.of([kept / 1024]))]


@contextlib.contextmanager
def _printing_nowhere() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _alternated(model: Model, alternations: int) -> Figure:
    """Speed of a loop that prints in a run, in shares of its speed without a run, one after the other."""
    weights: Any = numpy.random.default_rng(0).random(WEIGHTS)
    shares = []
    for number in range(alternations):
        order: list[Callable[[], Any]] = [contextlib.nullcontext, model.run]
        seconds = {make: _trained(weights, make) for make in (order if number % 2 else order[::-1])}
        shares.append(seconds[order[0]] / seconds[order[1]])
    what = f"speed of a loop that prints, with console and system metrics, {alternations} alternations"
    return Figure(what, "x without", Spread.of(shares), {}, (Goal(">=", 0.99),))


def _trained(weights: Any, make: Callable[[], Any]) -> float:
    with make():
        began = time.perf_counter()
        for step in range(STEPS):
            numpy.sin(weights, out=weights)
            if step % STEPS_A_LINE == 0:
                print(f"step {step} loss {weights[0]:.6f}")
        return time.perf_counter() - began


def _many(model: Model, lines: int, spool: Path) -> list[Figure]:
    without = _printed(lines)
    process = psutil.Process()
    before_bytes = process.memory_info().rss
    position = model._client.recorder.spool.tail()
    with model.run():
        took = _printed(lines)
        more_bytes = process.memory_info().rss - before_bytes
    after = model._client.recorder.spool.tail()
    segments = sum(path.stat().st_size for path in spool.rglob("*.log")) if after.segment > position.segment else 0
    spool_bytes = segments + after.offset - position.offset
    model._client.flush()
    beside = {"without": Spread.of([without / lines * 1e6])}
    return [
        Figure(f"{lines:,} lines: each", "us", Spread.of([took / lines * 1e6]), beside),
        Figure(f"{lines:,} lines: more memory", "MiB", Spread.of([more_bytes / 2**20])),
        Figure(f"{lines:,} lines: in the spool, about", "KiB", Spread.of([spool_bytes / 1024])),
    ]


def _printed(lines: int) -> float:
    began = time.perf_counter()
    for number in range(lines):
        print("a line of the log of a training that prints too much:", number)
    return time.perf_counter() - began
