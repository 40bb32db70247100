"""Logging: what `log()` costs a training loop, with the server there, gone and hanging, and how fast it is shipped."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import numpy

from bench.figure import Figure, Goal, Spread
from support.backends import sqlite_url
from support.services import Postgres, Server
from xpstore import Client
from xpstore.model import Model

RUNS = 3
POINTS = 200_000
PACED_POINTS = 5_000
PACE_SECONDS = 0.001
ARRAY_POINTS = 6_000_000
ALTERNATIONS = 20
TRAINED_STEPS = 1_000
WEIGHTS = 100_000  # their sines take about a millisecond
ARRAY_GOALS = {"SQLite": (Goal(">=", 3_000_000),), "PostgreSQL": (Goal(">=", 1_500_000),)}


def measure(folder: Path) -> list[Figure]:
    """Rates on both databases, and latencies and CPU time that do not depend on them."""
    os.environ["XPSTORE_SPOOL"] = tempfile.mkdtemp(dir=folder)
    figures = []
    with Postgres() as postgres:
        urls = {"SQLite": sqlite_url(folder / "logging.db"), "PostgreSQL": postgres.create_database()}
        for name, url in urls.items():
            home = folder / f"logging-{name}"
            home.mkdir()
            with Server(url, (home / "blobs").as_uri(), home) as server:
                with _a_model(server) as model:
                    figures += _rates(name, model)
                figures.append(_alternated(name, server))
                if name == "SQLite":
                    figures += _latencies(server)
    return figures


@contextmanager
def _a_model(server: Server) -> Iterator[Model]:
    client = Client(server.api_key, server.address, timeout_seconds=300)
    yield client.project("bench").experiment("bench").model()
    client.close()


def _rates(name: str, model: Model) -> list[Figure]:
    singles = [_rate(model, POINTS, lambda: _log_all(model)) for _ in range(RUNS)]
    steps: Any = numpy.arange(ARRAY_POINTS)
    values: Any = numpy.random.default_rng(0).random(ARRAY_POINTS)
    arrays = [_rate(model, ARRAY_POINTS, lambda: model.metrics.log_arrays("array", steps, values)) for _ in range(RUNS)]
    return [
        Figure(f"{name}: log(), accepted and shipped", "points/s", Spread.of(singles), {}, (Goal(">=", 100_000),)),
        Figure(f"{name}: log_arrays(), the same", "points/s", Spread.of(arrays), {}, ARRAY_GOALS[name]),
    ]


def _rate(model: Model, count: int, run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    model._client.flush()
    return count / (time.perf_counter() - began)


def _log_all(model: Model) -> None:
    metrics = model.metrics
    for step in range(POINTS):
        metrics.log("loss", 0.5, step, "train")


def _alternated(name: str, server: Server) -> Figure:
    """Speed of a training loop that logs a point a step, in shares of its speed without, one after the other."""
    weights: Any = numpy.random.default_rng(0).random(WEIGHTS)
    shares = []
    with _a_model(server) as model:
        log = model.metrics.log
        loops: list[Callable[[int], None]] = [lambda step: None, lambda step: log("loss", 0.5, step, "train")]
        for number in range(ALTERNATIONS):
            order = loops if number % 2 else loops[::-1]
            seconds = {run: _trained(weights, run) for run in order}
            shares.append(seconds[loops[0]] / seconds[loops[1]])
    what = f"{name}: speed of a loop that logs, {ALTERNATIONS} alternations"
    return Figure(what, "x without", Spread.of(shares), {}, (Goal(">=", 0.97),))


def _trained(weights: Any, run: Callable[[int], None]) -> float:
    began = time.perf_counter()
    for step in range(TRAINED_STEPS):
        numpy.sin(weights, out=weights)
        run(step)
    return time.perf_counter() - began


def _latencies(server: Server) -> list[Figure]:
    figures = []
    with _a_model(server) as model:
        figures += _paced("server there", model)
        os.kill(server.pid, signal.SIGSTOP)
        figures += _paced("server hanging", model)
        os.kill(server.pid, signal.SIGCONT)
        server.kill()
        figures += _paced("server gone", model)
        server.start()
    return figures


def _paced(name: str, model: Model) -> list[Figure]:
    """1,000 points a second, as a training loop logs; CPU time is that of the loop less that of an empty one."""
    log = model.metrics.log
    took, cpu = _loop(lambda step: log("loss", 0.5, step, "train"))
    _, empty_cpu = _loop(lambda step: None)
    cuts = quantiles(took, n=100)
    share = 100 * (cpu - empty_cpu) / (PACED_POINTS * PACE_SECONDS)
    return [
        Figure(f"{name}: log(), p50", "us", Spread.of([cuts[49]])),
        Figure(f"{name}: log(), p99", "us", Spread.of([cuts[98]]), {}, (Goal("<", 50),)),
        Figure(f"{name}: CPU of the loop in log()", "%", Spread.of([share]), {}, (Goal("<=", 1),)),
    ]


def _loop(run: Callable[[int], None]) -> tuple[list[float], float]:
    """How many microseconds each call took, and the CPU time of this thread for all."""
    took = []
    began, cpu_began = time.perf_counter(), time.thread_time()
    for step in range(PACED_POINTS):
        before = time.perf_counter()
        run(step)
        took.append((time.perf_counter() - before) * 1e6)
        time.sleep(max(began + (step + 1) * PACE_SECONDS - time.perf_counter(), 0))
    return took, time.thread_time() - cpu_began
