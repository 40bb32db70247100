"""Models with a config value and many series each, written straight to the driver: the client would take hours."""

import random
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from support.rows import id_of
from xpstore.experiment import Experiment
from xpstore_server.store import tables
from xpstore_server.store.database import Database

Rows = dict[Table, Iterator[dict[str, Any]]]


def rows_of_models(
    database: Database, experiment: Experiment, models: int, metrics: int, chance: random.Random
) -> tuple[list[str], Rows]:
    """The ids of new models of an experiment, and rows of all that they have."""
    ids = sorted(id_of(database, chance.getrandbits(128)) for _ in range(models))
    project, its = (id_of(database, UUID(id_).int) for id_ in (experiment.project_uid, str(experiment.id)))
    return ids, {
        tables.model: _models(ids, project, its, metrics, chance),
        tables.attribute: (
            {"model_id": id_, "path": "config.lr", "project_uid": project, "number": chance.random()} for id_ in ids
        ),
        tables.series: _series(ids, project, metrics, chance, lambda number: id_of(database, number)),
    }


def _models(
    ids: list[str], project: str, experiment: str, metrics: int, chance: random.Random
) -> Iterator[dict[str, Any]]:
    stamps = {"created_by": "", "updated_by": "", "revision": 1, "next_ordinal": metrics}
    created = chance.sample(range(len(ids)), len(ids))  # ids are random, so their order is no order of creation
    for number, (id_, at) in enumerate(zip(ids, created, strict=True)):
        parents = {"id": id_, "experiment_id": experiment, "project_uid": project, "hash": f"hash {number}"}
        values = {"name": f"model {number}", "description": None, "step": number, "config_json": '{"lr": 0.1}'}
        yield {**parents, **values, **stamps, "created_at_us": at, "updated_at_us": at}


def _series(
    ids: list[str], project: str, metrics: int, chance: random.Random, as_id: Callable[[int], str]
) -> Iterator[dict[str, Any]]:
    point = {"points": 10, "last_step": 10, "last_time_us": 5, "last_kind": "float", "last_text": "0.5"}
    for number, id_ in enumerate(ids):
        for metric in range(metrics):
            of = {"id": as_id(number * metrics + metric), "model_id": id_, "project_uid": project}
            last = chance.random()
            numbers = {"last_number": last, "min_number": last * 0.9, "max_number": last, "small_blocks": 0}
            yield {**of, "name": f"metric {metric}", "phase": "", "last_ordinal": metric, **point, **numbers}
