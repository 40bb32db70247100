"""What a call costs follows what it returns: four times as much of everything, and no call costs twice as much."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event

from support.backends import sqlite_url
from support.growth.calls import READS, WRITES, Request
from support.growth.grown import Grown
from support.growth.rows import EXPERIMENT, MANY, MODEL, PROJECT, uuid
from support.rows import fill, id_of
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import experiment_pb2, model_pb2
from xpstore_server.core import limits
from xpstore_server.store import tables

# More than few of all, so that lists are made in the same way (`core/versions/lists.py`).
SIZES = (1_100, 4_400)


@pytest.fixture(params=["sqlite", "postgres"])
def grown(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Grown]:
    is_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "x.db") if is_sqlite else request.getfixturevalue("postgres").create_database()
    grown = Grown(url, tmp_path)
    yield grown
    grown.close()


def test_no_call_costs_more_for_what_it_does_not_return(grown: Grown) -> None:
    calls, costs = {**READS, **WRITES}, list[dict[str, int]]()
    for size in SIZES:
        grown.grow(size)
        costs.append(grown.costs(calls))
    few, many = costs
    assert {name: (few[name], many[name]) for name in calls if many[name] > 2 * few[name]} == {}


DELETED: dict[str, Request] = {
    "of an experiment": lambda _: (
        "Model.ListModels",
        model_pb2.ListModelsRequest(experiment_id=uuid(EXPERIMENT + 1), deleted=True, page_size=5),
    ),
    "of a project": lambda _: (
        "Model.ListModels",
        model_pb2.ListModelsRequest(project_uid=uuid(PROJECT), deleted=True, page_size=5),
    ),
    "experiments": lambda _: (
        "Experiment.ListExperiments",
        experiment_pb2.ListExperimentsRequest(project_uid=uuid(PROJECT), deleted=True, page_size=5),
    ),
}


def note_deleted(grown: Grown, past: int, size: int) -> None:
    """Notes that all there is was deleted: of each hundred models one was of the experiment that is listed."""
    as_id = partial(id_of, grown.database)
    models = [
        {
            "model_id": as_id(MODEL + n),
            "experiment_id": as_id(EXPERIMENT + (1 if n % 100 == 0 else 2)),
            "project_uid": as_id(PROJECT),
            "hash": f"h {n}",
            "deleted_at_us": n,
        }
        for n in range(past, size)
    ]
    experiments = [
        {"experiment_id": as_id(EXPERIMENT + n), "project_uid": as_id(PROJECT), "name": f"e {n}", "deleted_at_us": n}
        for n in range(past, size)
    ]
    fill(grown.database, {tables.deleted_model: models, tables.deleted_experiment: experiments})


def test_lists_of_what_is_deleted_walk_past_no_others(grown: Grown) -> None:
    costs = list[dict[str, int]]()
    for size in SIZES:
        past = grown.size
        grown.grow(size)
        note_deleted(grown, past, size)
        costs.append(grown.costs(DELETED))
    few, many = costs
    assert {name: (few[name], many[name]) for name in DELETED if many[name] > 2 * few[name]} == {}
    assert [len(one.models) for one in map(grown.call, list(DELETED.values())[:2])] == [5, 5]
    assert len(grown.call(DELETED["experiments"]).experiments) == 5


def test_many_links_take_few_statements(grown: Grown) -> None:
    grown.grow(1_000)
    statements = list[str]()

    @event.listens_for(grown.database.engine, "before_cursor_execute")
    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    draft = pb.ArtifactDraft(name="many", type="directory")
    draft.links.extend(pb.ArtifactLink(model_id=uuid(MODEL + number), step=1) for number in range(1_000))
    request = pb.CommitArtifactRequest(project_uid=uuid(PROJECT), version_id=grown.fresh_id(), draft=draft)
    made = grown.call(lambda _: ("Artifact.CommitArtifact", request)).version
    assert [link.model_id for link in made.links] == [link.model_id for link in draft.links[: len(made.links)]]
    assert (len(made.links), made.link_count) == (limits.FIRST, 1_000)
    assert len(statements) < 60
    assert made.id != uuid(MANY)
