"""The longest that a write waits while the rows of a large experiment are removed, and while nothing else happens."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench.figure import Figure, Goal, Spread
from bench.models import rows_of_models
from support.backends import sqlite_url
from support.rows import fill, id_of
from support.services import Postgres, Server
from xpstore import Client
from xpstore.experiment import Experiment
from xpstore_server.store import tables
from xpstore_server.store.database import Database

MODELS = 100_000
SERIES, MODULES = 5, 2  # of each model
WRITERS = 4
QUIET_SECONDS = 10.0
MOST_MS = 200.0
AT_ONCE = {"XPSTORE_UNDO_SECONDS": "0", "XPSTORE_SWEEP_SECONDS": "1"}


def measure(folder: Path, models: int = MODELS) -> list[Figure]:
    """The longest write of four writers that create and change models, one after the other, on both databases."""
    figures = _measure_on("SQLite", sqlite_url(folder / "deletion.db"), folder / "deletion-sqlite", models)
    with Postgres() as postgres:
        return figures + _measure_on("PostgreSQL", postgres.create_database(), folder / "deletion-postgres", models)


def _measure_on(name: str, database_url: str, folder: Path, models: int) -> list[Figure]:
    folder.mkdir()
    with Server(database_url, (folder / "blobs").as_uri(), folder, environment=AT_ONCE) as server:
        client = Client(server.api_key, server.address)
        project = client.project("bench")
        large = project.experiment("large")
        database = Database(database_url)
        _fill(database, large, models)
        writers = [_Writer(project.experiment(f"writer {number}")) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        time.sleep(1)
        for writer in writers:
            writer.waits.clear()
        time.sleep(QUIET_SECONDS)
        quiet = [wait for writer in writers for wait in _taken(writer)]
        began = time.monotonic()
        project.experiments.delete(large.id)
        while _count(database) > sum(writer.created for writer in writers) + WRITERS:
            time.sleep(0.5)
        seconds = time.monotonic() - began
        time.sleep(2)  # SQLite's log is emptied after it
        beside = [wait for writer in writers for wait in _taken(writer)]
        for writer in writers:
            writer.stop()
        database.close()
        client.close()
    what = f"{name}: rows of {models:,} models removed"
    quiet_name = "nothing else happens"
    return [
        Figure(what, "s", Spread.of([seconds])),
        Figure(
            f"{what}: longest of {len(beside):,} writes",
            "ms",
            Spread.of([max(beside) * 1000]),
            {f"{quiet_name}, of {len(quiet):,}": Spread.of([max(quiet) * 1000])},
            (Goal("<=", MOST_MS),),
        ),
        Figure(
            f"{what}: p99 of writes",
            "ms",
            Spread.of([_p99(beside) * 1000]),
            {quiet_name: Spread.of([_p99(quiet) * 1000])},
        ),
    ]


class _Writer(threading.Thread):
    """Writes one thing after the other, and how long each took."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__(daemon=True)
        self.waits = list[float]()
        self.created = 0
        self._experiment = experiment
        self._model = experiment.model("its own")
        self._ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            began = time.perf_counter()
            if number % 3 == 0:
                self._experiment.models.create(f"hash {number}")
                self.created += 1
            elif number % 3 == 1:
                self._experiment.models.update("its own", f"name {number}")
            else:
                self._model.advance()
            self.waits.append(time.perf_counter() - began)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _taken(writer: _Writer) -> list[float]:
    """How long its writes took since this was asked last."""
    taken, writer.waits = writer.waits, []
    return taken


def _p99(waits: list[float]) -> float:
    return sorted(waits)[int(len(waits) * 0.99)]


def _count(database: Database) -> int:
    return int(database.read(lambda tx: tx.execute(select(func.count()).select_from(tables.model)).scalar_one()))


def _fill(database: Database, experiment: Experiment, models: int) -> None:
    chance = random.Random(1)
    ids, rows = rows_of_models(database, experiment, models, SERIES, chance)
    rows[tables.model_tag] = ({"model_id": id_, "tag": "a", "position": 0} for id_ in ids)
    rows[tables.module] = _modules(database, ids, chance)
    fill(database, rows)


def _modules(database: Database, ids: list[str], chance: random.Random) -> Iterator[dict[str, Any]]:
    for id_ in ids:
        for number in range(MODULES):
            its = {"id": id_of(database, chance.getrandbits(128)), "model_id": id_, "name": f"part {number}"}
            yield {**its, "iteration_id": None, "attributes_json": '{"width": 512}', "created_at_us": number}
