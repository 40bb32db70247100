"""Search over many models through its RPC: filters that an index serves, and orders by a metric."""

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, Goal, Spread
from bench.models import rows_of_models
from support.backends import sqlite_url
from support.rows import fill
from support.services import Postgres, Server
from xpstore import Client
from xpstore.experiment import Experiment
from xpstore.v1 import model_pb2
from xpstore_server.store.database import Database

MODELS = 100_000
METRICS = 50
CALLS = 200
PAGE = 100

# What is asked, of one of the metrics each time: filter, order.
QUESTIONS: dict[str, tuple[str, str, float]] = {
    "filter, 1 % of the models": ('metrics."{}".max > 0.99', "", 150),
    "filter, half of the models": ('metrics."{}".last < 0.5', "", 150),
    "filter of config and metric": ('config.lr < 0.1 and metrics."{}".min < 0.1', "", 150),
    "order by a metric": ("", 'metrics."{}".min', 300),
    "order by a metric, 10 % of the models": ("config.lr < 0.1", 'metrics."{}".last desc', 300),
}


def measure(folder: Path, models: int = MODELS) -> list[Figure]:
    """p50 and p95 of the first page of 100 models."""
    figures = _measure_on("SQLite", sqlite_url(folder / "search.db"), folder / "search-sqlite", models)
    with Postgres() as postgres:
        return figures + _measure_on("PostgreSQL", postgres.create_database(), folder / "search-postgres", models)


def _measure_on(name: str, database_url: str, folder: Path, models: int) -> list[Figure]:
    folder.mkdir()
    with Server(database_url, (folder / "blobs").as_uri(), folder) as server:
        client = Client(server.api_key, server.address)
        experiment = client.project("bench").experiment("bench")
        _fill(database_url, experiment, models)
        figures = []
        for question, (filter, order_by, bound) in QUESTIONS.items():
            milliseconds = sorted(_ask(client, experiment, filter, order_by))
            p95 = milliseconds[int(len(milliseconds) * 0.95)]
            what = f"{name}, {models:,} models: {question}"
            figures.append(Figure(f"{what}, p50", "ms", Spread.of([statistics.median(milliseconds)])))
            figures.append(Figure(f"{what}, p95", "ms", Spread.of([p95]), goals=(Goal("<", bound),)))
        client.close()
    return figures


def _ask(client: Client, experiment: Experiment, filter: str, order_by: str) -> Iterator[float]:
    for number in range(CALLS):
        metric = f"metric {number % METRICS}"
        request = model_pb2.SearchModelsRequest(
            experiment_id=str(experiment.id),
            filter=filter.format(metric),
            order_by=order_by.format(metric),
            page_size=PAGE,
        )
        began = time.perf_counter()
        client.call(client.stubs.models.SearchModels, request)
        yield (time.perf_counter() - began) * 1000


def _fill(database_url: str, experiment: Experiment, models: int) -> None:
    database = Database(database_url)
    _, rows = rows_of_models(database, experiment, models, METRICS, random.Random(1))
    fill(database, rows)
    database.close()
