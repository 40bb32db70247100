"""Deleted models and experiments are gone for all, are listed, and come back as they were until they are purged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from support.backends import Backend
from support.everything import everything, full_model
from support.search.searching import hashes
from xpstore import errors
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import (
    artifact_pb2,
    model_pb2,
    run_pb2,
)
from xpstore_server.app import Stores
from xpstore_server.core.limits import RUN_LOST_AFTER_US
from xpstore_server.settings import load
from xpstore_server.store import tables


@pytest.fixture
def stores(backend: Backend) -> Iterator[Stores]:
    """The server's stores, to purge."""
    stores = Stores(load(database_url=backend.database_url, blob_url=backend.blob_url))
    yield stores
    stores.close()


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiments.create("e", description="about", tags=["first"])


@pytest.fixture
def model(experiment: Experiment, tmp_path: Path) -> Model:
    return full_model(experiment, "h", tmp_path)


def raised(kind: type[errors.Error], call: Callable[[], Any]) -> errors.Error:
    with pytest.raises(kind) as caught:
        call()
    return caught.value


def test_model_comes_back_as_it_was(client: Client, project: Project, experiment: Experiment, model: Model) -> None:
    other = experiment.model("other", config={"lr": 0.25, "other": "only here"})
    before = everything(client, project, model, other)
    experiment.models.delete(model.id)

    raised(errors.NotFound, model.metrics.list)
    assert experiment.models.list() == [other] and hashes(project) == ["other"]
    assert [field.field for field in project.models.fields()] == ["config.lr", "config.other"]
    assert (project.experiments.list()[0].model_count, Project.get_by_id(project.id).model_count) == (1, 1)
    (deleted,) = experiment.models.deleted()
    assert deleted == model and project.models.deleted() == [model]
    assert deleted.deleted_at is not None and model.deleted_at is None
    shown = ("hash", "name", "config", "experiment_id", "project_uid", "created_at")
    assert [getattr(deleted, name) for name in shown] == [getattr(model, name) for name in shown]
    assert (deleted._wire.status, list(deleted._wire.tags)) == (run_pb2.RUN_STATUS_FINISHED, ["b", "a"])

    back = experiment.models.undelete(deleted)
    assert back == model and back.deleted_at is None
    assert everything(client, project, model, other) == before
    assert int(back._wire.etag) == int(deleted._wire.etag) + 1
    assert experiment.models.deleted() == project.models.deleted() == []
    again = experiment.models.undelete(str(model.id))
    assert again._wire == back._wire, "one that is there stays as it is"
    model.metrics.log("loss", 0.125, step=3, phase="train")
    assert model.metrics.read("loss", "train").values.tolist() == [1, 0.5, 1 / 3, 0.125]


def test_experiment_comes_back_with_its_models(
    client: Client, project: Project, experiment: Experiment, tmp_path: Path
) -> None:
    models = [full_model(experiment, f"h {number}", tmp_path) for number in range(3)]
    beside = full_model(project.experiment("beside"), "beside", tmp_path)
    before = everything(client, project, *models, beside)
    project.experiments.delete(experiment.id)

    raised(errors.NotFound, experiment.models.list)
    assert hashes(project) == ["beside"] and Project.get_by_id(project.id).model_count == 1
    (deleted,) = project.experiments.deleted()
    assert deleted == experiment and deleted.deleted_at is not None
    assert (deleted.name, deleted.description, deleted.tags, deleted.model_count) == ("e", "about", ["first"], 3)
    assert project.models.deleted() == [], "they come back with their experiment"
    error = raised(errors.NotFound, lambda: experiment.models.undelete(models[0]))
    assert error.metadata["value"] == str(experiment.id) and "bring it back first" in str(error)

    assert project.experiments.undelete(deleted) == experiment
    assert everything(client, project, *models, beside) == before
    assert project.experiments.undelete(str(experiment.id)).deleted_at is None
    assert project.experiments.deleted() == []


def test_model_that_was_deleted_before_its_experiment_comes_back_after_it(
    client: Client, project: Project, experiment: Experiment, model: Model
) -> None:
    experiment.model("kept")
    before = everything(client, project, model)
    experiment.models.delete(model.id)
    project.experiments.delete(experiment.id)
    assert project.models.deleted() == [model]
    error = raised(errors.NotFound, lambda: experiment.models.undelete(model))
    assert error.metadata["resource"] == "experiment" and error.metadata["value"] == str(experiment.id)
    assert project.experiments.undelete(experiment).model_count == 1
    experiment.models.undelete(model)
    assert everything(client, project, model) == before


def test_hash_that_was_taken_is_told_with_who_has_it(experiment: Experiment, model: Model) -> None:
    experiment.models.delete(model.id)
    new = experiment.models.create("h")
    error = raised(errors.AlreadyExists, lambda: experiment.models.undelete(model))
    assert (error.metadata["field"], error.metadata["value"]) == ("model_id", str(new.id))
    assert experiment.models.deleted() == [model]
    experiment.models.delete(new.id)
    assert experiment.models.deleted() == [model, new], "in the order of their deletion"
    assert experiment.models.undelete(model).hash == "h"
    assert raised(errors.AlreadyExists, lambda: experiment.models.undelete(new)).metadata["value"] == str(model.id)


def test_name_that_was_taken_is_told_with_who_has_it(project: Project, experiment: Experiment) -> None:
    project.experiments.delete(experiment.id)
    new = project.experiment("e")
    error = raised(errors.AlreadyExists, lambda: project.experiments.undelete(experiment))
    assert (error.metadata["field"], error.metadata["value"]) == ("experiment_id", str(new.id))
    project.experiments.update(new.id, "another")
    assert project.experiments.undelete(experiment).name == "e"


def test_links_wait_with_their_model(
    client: Client, project: Project, experiment: Experiment, model: Model, tmp_path: Path
) -> None:
    (artifact,) = model.artifacts.list()
    other = experiment.model("other")
    other.artifacts.log(artifact)
    (tmp_path / "more").write_text("more")
    gone = DirectoryArtifact.save(tmp_path / "more", "gone", model=model)
    experiment.models.delete(model.id)

    def versions(**filters: Any) -> list[str]:
        request = artifact_pb2.ListArtifactVersionsRequest(project_uid=project.uid, **filters)
        return [one.id for one in client.call(client.stubs.artifacts.ListArtifactVersions, request).versions]

    assert versions(model_id=str(model.id)) == versions(step=2) == []
    wire = artifact.refresh()._wire
    assert ([link.model_id for link in wire.links], wire.link_count) == ([str(other.id)], 1)
    request = artifact_pb2.UnlinkArtifactVersionRequest(version_id=artifact.id, model_id=str(model.id))
    assert client.call(client.stubs.artifacts.UnlinkArtifactVersion, request).removed_count == 0
    raised(errors.NotFound, lambda: model.artifacts.log(artifact))
    gone.delete()
    experiment.models.undelete(model)
    assert model.artifacts.list() == [artifact] and versions(step=2) == [artifact.id]
    assert artifact.refresh()._wire.link_count == 2
    gone.undelete()
    assert {one.id for one in model.artifacts.list()} == {artifact.id, gone.id}
    assert isinstance(gone, Artifact)


def test_deleted_model_that_ran_is_shown_as_it_was_and_is_heard_of_again(
    client: Client, experiment: Experiment, stores: Stores
) -> None:
    model = experiment.model("running")
    run = run_pb2.CreateRunRequest(model_id=str(model.id), run_id=str(model.id))
    client.call(client.stubs.runs.CreateRun, run)
    experiment.models.delete(model.id)
    beat = run_pb2.HeartbeatRunRequest(run_id=run.run_id)
    raised(errors.NotFound, lambda: client.call(client.stubs.runs.HeartbeatRun, beat))

    def age(table: Any, name: str, key: Any) -> None:
        older = update(table).where(key == str(model.id)).values({name: table.c[name] - 2 * RUN_LOST_AFTER_US})
        stores.database.write(lambda tx: tx.execute(older))

    age(tables.run, "heartbeat_at_us", tables.run.c.model_id)
    age(tables.deleted_model, "deleted_at_us", tables.deleted_model.c.model_id)
    (deleted,) = experiment.models.deleted()
    assert deleted._wire.status == run_pb2.RUN_STATUS_RUNNING, "nobody could hear of it since"
    experiment.models.undelete(model)
    assert model.status == "lost"
    client.call(client.stubs.runs.HeartbeatRun, beat)
    assert model.status == "running"


def test_records_of_a_deleted_model_are_dropped_and_later_ones_are_not(
    client: Client, experiment: Experiment, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.models.delete(model.id)
    model.metrics.log("loss", 9.0, step=9, phase="train")
    experiment.models.undelete(model)  # after what was logged before it
    assert "There is no model" in caplog.text
    model.metrics.log("loss", 8.0, step=8, phase="train")
    assert model.metrics.read("loss", "train").steps.tolist() == [0, 1, 2, 8]


def test_lists_come_in_pages(client: Client, project: Project, experiment: Experiment) -> None:
    models = [experiment.model(f"h {number}") for number in range(5)]
    for number in (2, 0, 4, 1):
        experiment.models.delete(models[number].id)
    mine, its = model_pb2.ListModelsRequest(experiment_id=str(experiment.id)), model_pb2.ListModelsRequest()
    its.project_uid = project.uid
    for request in (mine, its):
        request.deleted, request.page_size = True, 2
        first = client.call(client.stubs.models.ListModels, request)
        experiment.models.undelete(models[2])  # of the first page: nothing is skipped for it
        request.page_token = first.next_page_token
        second = client.call(client.stubs.models.ListModels, request)
        pages = [[one.hash for one in answer.models] for answer in (first, second)]
        assert pages == [["h 2", "h 0"], ["h 4", "h 1"]] and not second.next_page_token
        for number in (0, 4, 1):
            experiment.models.undelete(models[number])
        for number in (2, 0, 4, 1):
            experiment.models.delete(models[number].id)
    request = model_pb2.ListModelsRequest(project_uid=project.uid, page_token=first.next_page_token, deleted=False)
    error = raised(errors.InvalidArgument, lambda: client.call(client.stubs.models.ListModels, request))
    assert error.metadata["field"] == "page_token", "of another list"
    both = model_pb2.ListModelsRequest(experiment_id=str(experiment.id), project_uid=project.uid)
    error = raised(errors.InvalidArgument, lambda: client.call(client.stubs.models.ListModels, both))
    assert error.metadata["field"] == "project_uid"
    live = client.call(client.stubs.models.ListModels, model_pb2.ListModelsRequest(project_uid=project.uid))
    assert [one.hash for one in live.models] == ["h 3"]


def test_old_revision_is_refused_after_an_undelete(client: Client, experiment: Experiment, model: Model) -> None:
    etag = model._read().etag
    experiment.models.delete(model.id)
    experiment.models.undelete(model)
    request = model_pb2.UpdateModelRequest(model_id=str(model.id), name="n", etag=etag, update_mask={"paths": ["name"]})
    raised(errors.Conflict, lambda: client.call(client.stubs.models.UpdateModel, request))


def test_offline_client_says_that_it_cannot() -> None:
    client = Client(offline=True)
    experiments = client.project("p").experiments
    experiment = client.project("p").experiment("e")
    raised(errors.Unavailable, experiments.deleted)
    raised(errors.Unavailable, experiment.models.deleted)
    raised(errors.Unavailable, lambda: experiment.models.undelete(experiment.model("h")))
    raised(errors.Unavailable, lambda: experiments.undelete(experiment))
    client.close()
