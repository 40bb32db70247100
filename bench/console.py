"""Console: what a run that records what is printed costs a training loop, and what becomes of a million lines."""

import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
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
# What a run does once, as sending its start, is over then.
START_SECONDS = 0.7
# Ten times as often as a run does unless it is told, so that each loop has a reading or two.
USAGE_SECONDS = "1"
LINES = 1_000_000


def measure(folder: Path, *, alternations: int = ALTERNATIONS, lines: int = LINES) -> list[Figure]:
    """Speed beside a loop without a run, and time, memory, spool and database of many lines."""
    os.environ["XPSTORE_SPOOL"] = spool = tempfile.mkdtemp(dir=folder)
    database = folder / "console.db"
    with Server(sqlite_url(database), (folder / "blobs").as_uri(), folder) as server, _printing_nowhere():
        client = Client(server.api_key, server.address, timeout_seconds=300)
        model = client.project("bench").experiment("bench").model()
        figures = _alternated(model, alternations)
        figures += _many(model, lines, Path(spool))
        client.close()
    kept = sqlite3.connect(database).execute("SELECT sum(length(body)) FROM run_console").fetchone()[0]
    return [*figures, Figure(f"{lines:,} lines: in the database", "KiB", Spread.of([kept / 1024]))]


@contextlib.contextmanager
def _printing_nowhere() -> Iterator[None]:
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _alternated(model: Model, alternations: int) -> list[Figure]:
    """Speed of a loop that prints and logs a point a step, and CPU time of the process, beside those with neither."""
    weights: Any = numpy.random.default_rng(0).random(WEIGHTS)
    speeds, cpu = [], []
    for number in range(alternations):
        took = {is_on: _trained(model, weights, is_on) for is_on in (number % 2 == 0, number % 2 == 1)}
        (without, cpu_without), (within, cpu_within) = took[False], took[True]
        speeds.append(without / within)
        cpu.append(cpu_within / cpu_without)
    what = "of a loop that prints, with console and system metrics"
    return [
        Figure(f"speed {what}, {alternations} alternations", "x without", Spread.of(speeds), {}, (Goal(">=", 0.99),)),
        Figure(f"CPU time {what}, the same", "x without", Spread.of(cpu), {}, (Goal("<=", 1.01),)),
    ]


def _trained(model: Model, weights: Any, is_on: bool) -> tuple[float, float]:
    """Seconds, and seconds of CPU time, of a run that records console and system metrics, or does not."""
    os.environ["XPSTORE_RECORD_CONSOLE"] = str(int(is_on))
    os.environ["XPSTORE_SYSTEM_METRICS"] = USAGE_SECONDS if is_on else "0"
    log = model.metrics.log
    with model.run():
        time.sleep(START_SECONDS)
        began, cpu_began = time.perf_counter(), time.process_time()
        for step in range(STEPS):
            numpy.sin(weights, out=weights)
            log("loss", 0.5, step, "train")
            if step % STEPS_A_LINE == 0:
                print(f"step {step} loss {weights[0]:.6f}")
        return time.perf_counter() - began, time.process_time() - cpu_began


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
