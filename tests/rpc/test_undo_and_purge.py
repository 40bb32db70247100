"""What was deleted is purged after the undo window, whole, and what is brought back at that moment is not."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table

from support.backends import Backend, sqlite_url
from support.everything import full_model, links_of
from support.services import Server
from xpstore import errors
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project
from xpstore_server.app import Stores
from xpstore_server.core.paging import Page
from xpstore_server.core.search import fields
from xpstore_server.settings import load
from xpstore_server.store import tables
from xpstore_server.store.purge import purge
from xpstore_server.store.sweep import NO_GRACE, Grace, Swept
from xpstore_server.store.transaction import Transaction


@pytest.fixture
def stores(backend: Backend) -> Iterator[Stores]:
    """The server's stores, to purge. What other tests deleted is."""
    stores = Stores(load(database_url=backend.database_url, blob_url=backend.blob_url))
    stores.collector.collect(NO_GRACE)
    yield stores
    stores.close()


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


@pytest.fixture
def model(experiment: Experiment, tmp_path: Path) -> Model:
    return full_model(experiment, "h", tmp_path)


def rows_of(stores: Stores, table: Table, which: Any) -> list[Any]:
    return list(stores.database.read(lambda tx: tx.execute(table.select().where(which)).all()))


def test_nothing_is_purged_in_the_undo_window_and_all_after_it(
    project: Project, experiment: Experiment, model: Model, stores: Stores
) -> None:
    gone = project.experiment("gone")
    of_gone = gone.model("h")
    early = gone.model("early")
    gone.models.delete(early.id)
    project.experiments.delete(gone.id)
    experiment.models.delete(model.id)
    due = stores.collector.preview(NO_GRACE)
    assert (due.purged_experiments, due.purged_models) == (1, 2)
    kept = stores.collector.collect(Grace())
    assert (kept.purged_experiments, kept.purged_models) == (0, 0)
    assert project.experiments.deleted() == [gone] and project.models.deleted() == [early, model]
    swept = stores.collector.collect(NO_GRACE)
    assert (swept.purged_experiments, swept.purged_models) == (1, 2)
    assert project.experiments.deleted() == project.models.deleted() == []
    for one in (model, of_gone, early):
        with pytest.raises(errors.NotFound) as caught:
            experiment.models.undelete(one)
        assert (caught.value.metadata["resource"], caught.value.metadata["value"]) == ("model", str(one.id))
    with pytest.raises(errors.NotFound):
        project.experiments.undelete(gone)
    ids = [str(one.id) for one in (model, of_gone, early)]
    for table in (tables.series, tables.run, tables.artifact_link, tables.module):
        assert rows_of(stores, table, table.c.model_id.in_(ids)) == []
    assert [link for links in links_of(project) for link in links.get("links", [])] == []


@pytest.mark.parametrize("few", [0, fields.FEW])
def test_fields_of_deleted_models_are_left_out_however_many_they_are(
    few: int, project: Project, experiment: Experiment, model: Model, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "FEW", few)
    kept = experiment.models.create("kept", config={"lr": 0.25})
    kept.metrics.log("loss", 8.0, phase="train")
    gone = project.experiment("gone")
    gone.models.create("gone", config={"lr": 100, "of": "gone"})
    kept._client.flush()

    def found() -> dict[str, tuple[int, float | None, float | None]]:
        def unit(tx: Transaction) -> list[fields.Summary]:
            return fields.list_fields(tx, fields.Scope.of(tx, project_uid=project.uid), "", Page(100))[0]

        return {one.field: (one.numbers, one.min, one.max) for one in stores.database.read(unit)}

    before = found()
    assert before["config.lr"] == (3, 0.25, 100) and "config.of" in before and before["metrics.loss[train]"][0] == 2
    experiment.models.delete(model.id)
    project.experiments.delete(gone.id)
    assert found() == {"config.lr": (1, 0.25, 0.25), "metrics.loss[train]": (1, 8, 8)}
    experiment.models.undelete(model)
    project.experiments.undelete(gone)
    assert found() == before


def test_project_takes_what_is_deleted_in_it_along(
    client: Client, project: Project, experiment: Experiment, model: Model, stores: Stores
) -> None:
    other = project.experiment("other")
    other.model("h")
    experiment.models.delete(model.id)
    project.experiments.delete(other.id)
    project.delete()
    with pytest.raises(errors.NotFound):
        experiment.models.undelete(model)
    with pytest.raises(errors.NotFound):
        project.experiments.undelete(other)
    Project.undelete(project.uid, client=client)
    assert project.models.deleted() == [model] and project.experiments.deleted() == [other]
    project.delete()
    swept = stores.collector.collect(NO_GRACE)
    assert (swept.purged_projects, swept.purged_experiments, swept.purged_models) == (1, 0, 0)
    assert rows_of(stores, tables.model, tables.model.c.id == str(model.id)) == []
    for notes in (tables.deleted_model, tables.deleted_experiment):
        assert rows_of(stores, notes, notes.c.project_uid == project.uid) == []


def test_purge_and_undelete_at_the_same_moment_leave_it_whole_or_gone(
    client: Client, project: Project, experiment: Experiment, stores: Stores
) -> None:
    models = [experiment.model(f"h {number}", config={"n": number}) for number in range(24)]
    for model in models:
        model.metrics.log("loss", 1.0, step=0)
    client.flush()
    others = [project.experiment(f"e {number}") for number in range(8)]
    for other in others:
        other.model("inside", config={"x": 1})
    for model in models:
        experiment.models.delete(model.id)
    for other in others:
        project.experiments.delete(other.id)
    begin = threading.Barrier(4)

    def bring_back(number: int) -> set[Any]:
        begin.wait()
        back = set[Any]()
        for model in models[number::3]:
            with suppress(errors.NotFound):
                back.add(experiment.models.undelete(model))
        for other in others[number::3]:
            with suppress(errors.NotFound):
                back.add(project.experiments.undelete(other))
        return back

    def take() -> None:
        begin.wait()
        purge(stores.database, NO_GRACE.ends(1), Swept())

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(bring_back, number) for number in range(3)]
        pool.submit(take).result()
        back = set[Any]().union(*(call.result() for call in calls))
    assert set(experiment.models.list()) == back & set(models)
    assert set(project.experiments.list()) - {experiment} == back & set(others)
    for model in back & set(models):
        assert [point.value for point in model.metrics.list()] == [1.0]
    for other in back & set(others):
        assert [one.config for one in other.models.list()] == [{"x": 1}]
    told = Project.get_by_id(project.id)
    assert told.model_count == len(back), "one in each experiment"
    assert (told.experiment_count, experiment.models.deleted()) == (1 + len(back & set(others)), [])


def test_killed_server_leaves_each_model_there_or_deleted(tmp_path: Path) -> None:
    with Server(sqlite_url(tmp_path / "x.db"), (tmp_path / "blobs").as_uri(), tmp_path) as server:
        client = Client(server.api_key, server.address)
        experiment = client.project("p").experiment("e")
        models = [experiment.models.create(number) for number in range(20)]
        moved = threading.Semaphore(0)

        def move() -> None:
            with suppress(errors.Error):
                while True:
                    for model in models:
                        experiment.models.delete(model.id)
                        moved.release()
                    for model in models:
                        experiment.models.undelete(model)
                        moved.release()

        mover = threading.Thread(target=move, daemon=True)
        mover.start()
        for _ in range(50):
            assert moved.acquire(timeout=60)
        server.kill()
        client.close()
        mover.join(60)
        server.start()
        client = Client(server.api_key, server.address)
        experiment = client.project("p").experiment("e")
        live, deleted = experiment.models.list(), experiment.models.deleted()
        assert sorted(int(one.hash) for one in [*live, *deleted]) == list(range(20))
        for model in deleted:
            experiment.models.undelete(model)
        assert client.project("p").experiment("e").model_count == 20
        client.close()
