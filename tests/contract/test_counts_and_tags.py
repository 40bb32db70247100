"""Experiments and projects have descriptions, tags and counts, models a time that an importer may give."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from sqlalchemy import event, func, select

import xpstore
from support.backends import sqlite_url
from support.contract.plain_client import PlainClient, PlainError, new_id
from support.growth.grown import Grown
from support.growth.rows import EXPERIMENT, MODEL, PROJECT, uuid
from xpstore import errors
from xpstore.v1 import experiment_pb2, model_pb2, project_pb2
from xpstore_server.store import tables
from xpstore_server.store.limbo import HIDDEN
from xpstore_server.store.purge import purge
from xpstore_server.store.sweep import Ends, Swept

STEPS, SEED = 120, 5
PROJECT_IS_THERE = Lock()
BOTH = pytest.mark.parametrize("kind", ["experiment", "project"])


class Kind:
    """The calls of experiments or of projects."""

    def __init__(self, client: PlainClient, uid: str, kind: str) -> None:
        self.client = client
        self.is_project = kind == "project"
        self.name = kind.capitalize()
        self.owner = {} if self.is_project else {"project_uid": uid}

    def create(self, **fields: Any) -> Any:
        own: dict[str, Any] = {"name": f"n {new_id()}", "experiment_id": new_id(), **self.owner}
        if self.is_project:
            own = {"project_id": f"p {new_id()}", "name": "n", "creation_id": new_id()}
        return self._of(self.client(f"Create{self.name}", **own, **fields))

    def get(self, made: Any) -> Any:
        return self._of(self.client(f"Get{self.name}", **self._key(made)))

    def update(self, made: Any, **fields: Any) -> Any:
        mask = {"paths": list(fields)}
        return self._of(self.client(f"Update{self.name}", **self._key(made), **fields, update_mask=mask))

    def _key(self, made: Any) -> dict[str, str]:
        return {"project_uid": made.uid} if self.is_project else {"experiment_id": made.id}

    def _of(self, answer: Any) -> Any:
        return answer.project if self.is_project else answer.experiment


@pytest.fixture
def calls(plain: PlainClient, uid: str, kind: str) -> Kind:
    return Kind(plain, uid, kind)


@BOTH
def test_description_and_tags_are_kept(calls: Kind) -> None:
    made = calls.create(description="a\nb", tags=["b", "a b", "b", "é"])
    assert (made.description, list(made.tags)) == ("a\nb", ["b", "a b", "é"])
    assert calls.get(made) == made
    changed = calls.update(made, tags=["c"])
    assert (changed.description, list(changed.tags)) == ("a\nb", ["c"])
    changed = calls.update(made, description="", tags=[])
    assert (changed.description, list(changed.tags)) == ("", [])
    assert changed.etag != made.etag and calls.get(made) == changed


@BOTH
@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("tags[1]", {"tags": ["a", ""]}),
        ("tags[0]", {"tags": ["a\n"]}),
        ("tags[0]", {"tags": ["x" * 257]}),
        ("tags", {"tags": [f"{number}" for number in range(1_001)]}),
        ("tags", {"tags": [f"{number:0256}" for number in range(257)]}),
        ("description", {"description": "x" * 16_385}),
        ("description", {"description": "a\0"}),
    ],
)
def test_malformed_ones_are_refused(calls: Kind, field: str, fields: dict[str, Any]) -> None:
    made = calls.create()
    for call in (calls.create, lambda **given: calls.update(made, **given)):
        with pytest.raises(PlainError) as caught:
            call(**fields)
        assert (caught.value.reason, caught.value.metadata["field"]) == ("INVALID_ARGUMENT", field)
    most = [f"{number:0255}" for number in range(256)]  # with the ends of lines 64 KiB and one byte less
    assert list(calls.create(tags=most).tags) == most


@BOTH
def test_existing_one_stays_as_it_is(calls: Kind) -> None:
    made = calls.create(description="first", tags=["first"])
    key = {"project_id": made.id} if calls.is_project else {"name": made.name}
    other = {"name": "n", "creation_id": new_id()} if calls.is_project else {"experiment_id": new_id(), **calls.owner}
    found = calls.client(
        f"Create{calls.name}", **other, **key, description="second", tags=["second"], allow_existing=True
    )
    assert calls._of(found) == made and not found.created


def test_models_have_the_time_that_is_given(plain: PlainClient, uid: str) -> None:
    experiment = plain("CreateExperiment", project_uid=uid, experiment_id=new_id(), name="e").experiment.id

    def create(hash_: str, **fields: Any) -> Any:
        return plain("CreateModel", experiment_id=experiment, model_id=new_id(), hash=hash_, **fields).model

    now = create("now").created_at_us
    day = 24 * 3600 * 10**6
    for hash_, at_us in (("old", 7), ("ahead", now + day - 60 * 10**6), ("older", 0), ("middle", now - 10**9)):
        assert create(hash_, created_at_us=at_us).created_at_us == at_us
    listed = [one.hash for one in plain("ListModels", experiment_id=experiment).models]
    assert listed == ["older", "old", "middle", "now", "ahead"]
    assert [one.hash for one in plain("SearchModels", experiment_id=experiment).models] == listed
    for at_us in (-1, now + 2 * day):
        with pytest.raises(PlainError) as caught:
            create("refused", created_at_us=at_us)
        assert (caught.value.reason, caught.value.metadata["field"]) == ("INVALID_ARGUMENT", "created_at_us")


@pytest.fixture(params=["sqlite", "postgres"])
def grown(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Grown]:
    is_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "x.db") if is_sqlite else request.getfixturevalue("postgres").create_database()
    grown = Grown(url, tmp_path)
    grown.grow(30)
    yield grown
    grown.close()


def assert_counted(grown: Grown) -> None:
    """Whether all counts are those of the rows that there are."""
    experiment, model = tables.experiment, tables.model

    def count(tx: Any) -> tuple[dict[str, int], dict[str, int], int]:
        live = select(model.c.id, model.c.experiment_id).join(experiment, experiment.c.id == model.c.experiment_id)
        rows = tx.execute(live.where(experiment.c.project_uid == uuid(PROJECT))).all()
        mine = tx.execute(select(experiment.c.id).where(experiment.c.project_uid == uuid(PROJECT))).scalars().all()
        of = {id_: sum(row.experiment_id == id_ for row in rows) for id_ in mine}
        limbo = select(func.count()).where(tables.experiment_total.c.experiment_id.in_(HIDDEN))
        return of, {"experiments": len(mine), "models": len(rows)}, tx.execute(limbo).scalar()

    of_experiments, of_project, in_limbo = grown.database.read(count)
    listed = grown.call(
        lambda _: (
            "Experiment.ListExperiments",
            experiment_pb2.ListExperimentsRequest(project_uid=uuid(PROJECT), page_size=1_000),
        )
    )
    assert {one.id: one.model_count for one in listed.experiments} == of_experiments
    told = grown.call(
        lambda _: ("Project.GetProject", project_pb2.GetProjectRequest(project_uid=uuid(PROJECT)))
    ).project
    assert {"experiments": told.experiment_count, "models": told.model_count} == of_project
    assert in_limbo == 0


def _change(grown: Grown, chance: random.Random) -> None:
    experiment, model = uuid(EXPERIMENT + chance.randrange(30)), uuid(MODEL + chance.randrange(30))
    requests: list[tuple[str, Any]] = [
        ("Experiment.CreateExperiment", _new_experiment(grown, chance)),
        ("Model.CreateModel", _new_model(grown, experiment, chance)),
        ("Model.DeleteModel", model_pb2.DeleteModelRequest(model_id=model)),
        ("Model.UndeleteModel", model_pb2.UndeleteModelRequest(model_id=model)),
        ("Experiment.DeleteExperiment", experiment_pb2.DeleteExperimentRequest(experiment_id=experiment)),
        ("Experiment.UndeleteExperiment", experiment_pb2.UndeleteExperimentRequest(experiment_id=experiment)),
        ("Project.DeleteProject", project_pb2.DeleteProjectRequest(project_uid=uuid(PROJECT))),
        ("Project.UndeleteProject", project_pb2.UndeleteProjectRequest(project_uid=uuid(PROJECT))),
    ]
    request = chance.choices(requests, (3, 6, 3, 2, 0.6, 0.5, 0.3, 0))[0]
    try:
        if request[0] == "Project.DeleteProject":
            with PROJECT_IS_THERE:
                grown.call(lambda _: request)
                grown.call(lambda _: requests[-1])
        else:
            grown.call(lambda _: request)
    except Exception as error:
        assert getattr(error, "reason", "") in ("NOT_FOUND", "ALREADY_EXISTS"), error
    if chance.random() < 0.05:
        with PROJECT_IS_THERE:  # else it would go for good between its deletion and its return
            _purge(grown)


def _purge(grown: Grown) -> None:
    """As if the undo window of all that is deleted now were over."""
    now = grown.database.read(lambda tx: tx.now_us())
    purge(grown.database, Ends(now, 0, 0, 0, now), Swept())


def _new_experiment(grown: Grown, chance: random.Random) -> experiment_pb2.CreateExperimentRequest:
    name = f"e {chance.randrange(60)}"
    return experiment_pb2.CreateExperimentRequest(
        project_uid=uuid(PROJECT), experiment_id=new_id(), name=name, allow_existing=chance.random() < 0.5
    )


def _new_model(grown: Grown, experiment: str, chance: random.Random) -> model_pb2.CreateModelRequest:
    return model_pb2.CreateModelRequest(
        experiment_id=experiment, model_id=new_id(), hash=f"h {chance.randrange(60)}", allow_existing=True
    )


def test_counts_are_right_whatever_happens(grown: Grown) -> None:
    chance = random.Random(SEED)
    assert_counted(grown)
    for step in range(STEPS):
        _change(grown, chance)
        if step % 10 == 0:
            assert_counted(grown)
    _purge(grown)
    assert_counted(grown)


def test_counts_are_right_with_many_at_once(grown: Grown) -> None:
    def work(number: int) -> None:
        chance = random.Random(SEED + number)
        for _ in range(25):
            _change(grown, chance)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert_counted(grown)


def _always(request: tuple[str, Any], _: object) -> tuple[str, Any]:
    return request


@pytest.mark.parametrize("grown", ["postgres"], indirect=True)
def test_models_of_one_moment_are_counted_in_many_rows(grown: Grown) -> None:
    """Who counts in a row waits for those who did before: ids of one moment differ in their last digits alone."""

    def parts() -> set[int]:
        query = select(tables.experiment_total.c.part).where(
            tables.experiment_total.c.experiment_id == uuid(EXPERIMENT)
        )
        return set(grown.database.read(lambda tx: tx.execute(query).scalars().all()))

    ids = [f"019acb4e-5c00-7000-8000-00000000000{digit:x}" for digit in range(16)]
    for id_ in ids:
        request = model_pb2.CreateModelRequest(experiment_id=uuid(EXPERIMENT), model_id=id_, hash=id_)
        grown.call(partial(_always, ("Model.CreateModel", request)))
    assert parts() == set(range(1, 17))
    assert_counted(grown)
    grown.call(lambda _: ("Model.DeleteModel", model_pb2.DeleteModelRequest(model_id=ids[0])))
    assert_counted(grown)


def test_counting_takes_no_more_statements_for_more_models(grown: Grown) -> None:
    statements = list[str]()
    event.listen(grown.database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    request = project_pb2.GetProjectRequest(project_uid=uuid(PROJECT))
    grown.call(lambda _: ("Project.GetProject", request))
    assert len([one for one in statements if one.startswith("SELECT")]) <= 2


@pytest.mark.client
def test_client_has_them(project: xpstore.Project, client: xpstore.Client) -> None:
    made = project.experiments.create("first", description="what it is for", tags=["a", "b"])
    assert (made.description, made.tags, made.model_count) == ("what it is for", ["a", "b"], 0)
    long_ago = datetime(2001, 2, 3, 4, 5, 6, 7, UTC)
    made.model("new")
    old = made.models.create("old", created_at=long_ago)
    assert old.created_at == long_ago
    assert [model.hash for model in made.models.list()] == ["old", "new"]
    read = project.experiments.read("first")
    assert read is not None and read.model_count == 2
    project.experiments.update(made.id, description="other", tags=[])
    read = project.experiments.read("first")
    assert read is not None and (read.name, read.description, read.tags) == ("first", "other", [])
    project.update(tags=["x"], description="d")
    found = xpstore.Project.get_by_id(project.id)
    assert (found.description, found.tags, found.experiment_count, found.model_count) == ("d", ["x"], 1, 2)
    made.models.delete(old.id)
    assert xpstore.Project.get_by_id(project.id).model_count == 1


@pytest.mark.client
@pytest.mark.parametrize("moment", [datetime(2001, 1, 1), datetime(1969, 1, 1, tzinfo=UTC), "yesterday", 7])
def test_time_that_is_none_is_refused(project: xpstore.Project, moment: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="created_at"):
        project.experiment("e").models.create("h", created_at=moment)


@pytest.mark.client
def test_time_ahead_is_refused(project: xpstore.Project) -> None:
    with pytest.raises(errors.InvalidArgument, match="created_at_us"):
        project.experiment("e").models.create("h", created_at=datetime.now(UTC) + timedelta(days=3))
