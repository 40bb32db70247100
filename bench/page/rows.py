"""Many models with all points of their metrics, written straight to the driver: the client would take hours."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np

from support.rows import fill, id_of
from xpstore.experiment import Experiment
from xpstore_server.store import tables
from xpstore_server.store.columns import Floats, encode_floats, encode_integers
from xpstore_server.store.database import Database

STEPS = 1_000
STEP_US = 1_000_000
HOUR_US = 3_600 * 1_000_000
# Of as many shapes as there are metrics, each model with a bend and a noise of its own.
NAMES = [("loss", "train"), ("loss", "test"), ("accuracy", "train"), ("accuracy", "test")]


def names_of(metrics: int) -> list[tuple[str, str]]:
    """Names and phases of so many metrics."""
    return [*NAMES, *((f"metric {number:02}", "") for number in range(len(NAMES), metrics))][:metrics]


class Campaign:
    """Models that all have ended, the newest an hour ago, and all that the page reads of them.

    Args:
        metrics: that each model has, STEPS points in each.
    """

    def __init__(self, database: Database, experiment: Experiment, models: int, metrics: int) -> None:
        chance = random.Random(1)
        self._database = database
        self._names = names_of(metrics)
        self._ids = [id_of(database, chance.getrandbits(128)) for _ in range(models)]
        self._of = {"project_uid": id_of(database, UUID(experiment.project_uid).int)}
        self._experiment = id_of(database, UUID(str(experiment.id)).int)
        self._configs = [{"lr": 10 ** chance.uniform(-4, -1), "depth": chance.choice([2, 4, 8, 16])} for _ in self._ids]
        ended = time.time_ns() // 1_000 - HOUR_US
        self._created = [ended - 60_000_000 * (models - number) for number in range(models)]

    def fill(self) -> None:
        """Puts them into the database."""
        every = {tables.model: self._models(), tables.run: self._runs(), tables.attribute: self._attributes()}
        fill(self._database, {**every, tables.series: self._series(), tables.block: self._blocks()})

    def _models(self) -> Iterator[dict[str, Any]]:
        stamps = {"created_by": "", "updated_by": "", "revision": 1, "next_ordinal": STEPS * len(self._names)}
        for number, (id_, at) in enumerate(zip(self._ids, self._created, strict=True)):
            parents = {"id": id_, "experiment_id": self._experiment, "hash": f"hash {number}", **self._of}
            values = {"name": f"model {number}", "step": STEPS, "config_json": json.dumps(self._configs[number])}
            yield {**parents, **values, **stamps, "created_at_us": at, "updated_at_us": at}

    def _runs(self) -> Iterator[dict[str, Any]]:
        texts = dict.fromkeys(("host", "user", "command", "python", "git_commit", "error"), "")
        for number, (id_, at) in enumerate(zip(self._ids, self._created, strict=True)):
            end = at + STEPS * STEP_US
            times = {"started_at_us": at, "ended_at_us": end, "heartbeat_at_us": end}
            of = {"id": id_of(self._database, number + 1), "model_id": id_, "ended_status": "finished"}
            yield {**of, **times, **texts, "rank": 0, "packages_json": "[]", "git_dirty": 0}

    def _attributes(self) -> Iterator[dict[str, Any]]:
        for id_, config in zip(self._ids, self._configs, strict=True):
            for path, number in config.items():
                yield {"model_id": id_, "path": f"config.{path}", "number": number, **self._of}

    def _values(self, number: int) -> Floats:
        """All values of a model, a row for each metric. The same each time."""
        chance = np.random.default_rng(number)
        steps = np.arange(STEPS) / STEPS
        bends = chance.uniform(2, 9, (len(self._names), 1))
        falling = np.exp(-bends * steps) + chance.uniform(0.02, 0.4, bends.shape)
        falling += chance.standard_normal(falling.shape) * 0.01
        rises = np.array([[name == "accuracy"] for name, _ in self._names])
        return np.where(rises, 1 - falling / 2, falling)

    def _series(self) -> Iterator[dict[str, Any]]:
        count = len(self._names)
        for number, (id_, at) in enumerate(zip(self._ids, self._created, strict=True)):
            values = self._values(number)
            lows, highs, lasts = values.min(axis=1).tolist(), values.max(axis=1).tolist(), values[:, -1].tolist()
            for place, (name, phase) in enumerate(self._names):
                last = {"last_step": STEPS - 1, "last_time_us": at + (STEPS - 1) * STEP_US, "last_kind": "float"}
                last |= {"last_text": repr(lasts[place]), "last_ordinal": (STEPS - 1) * count + place}
                numbers = {"last_number": lasts[place], "min_number": lows[place], "max_number": highs[place]}
                of = {"id": self._series_id(number, place), "model_id": id_, "name": name, "phase": phase}
                yield {**of, **self._of, **last, **numbers, "points": STEPS, "small_blocks": 0}

    def _series_id(self, number: int, place: int) -> str:
        return id_of(self._database, number * len(self._names) + place + 1)

    def _blocks(self) -> Iterator[dict[str, Any]]:
        """One of each series: its metrics were logged in turn, so the ordinals of each have a stride."""
        count, steps = len(self._names), np.arange(STEPS)
        ordinals = [steps * count + place for place in range(count)]
        whole = {"points": STEPS, "kind": "float", "max_step": STEPS - 1, "steps": encode_integers(steps)}
        packed = [encode_integers(one) for one in ordinals]
        for number, (id_, at) in enumerate(zip(self._ids, self._created, strict=True)):
            values, times = self._values(number), encode_integers(at + steps * STEP_US)
            lows, highs = values.min(axis=1).tolist(), values.max(axis=1).tolist()
            for place in range(count):
                ends = {"first_ordinal": place, "last_ordinal": int(ordinals[place][-1]), "ordinals": packed[place]}
                numbers = {"min_number": lows[place], "max_number": highs[place], "data": encode_floats(values[place])}
                yield {
                    "model_id": id_,
                    "series_id": self._series_id(number, place),
                    "times": times,
                    **whole,
                    **ends,
                } | numbers
