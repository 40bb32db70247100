"""Experiments: names that are unique in a project, and what goes with them."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiments
from xpstore.project import Project
from xpstore.v1 import experiment_pb2 as pb


def names(project: Project) -> list[str]:
    return [experiment.name for experiment in project.experiments.list()]


def create(client: Client, project: Project, **fields: object) -> pb.CreateExperimentResponse:
    request = pb.CreateExperimentRequest(project_uid=project.uid, experiment_id=new_id(), name="e")
    for field, value in fields.items():
        setattr(request, field, value)
    return client.call(client.stubs.experiments.CreateExperiment, request)


def update(client: Client, id_: str, name: str, etag: str = "") -> pb.Experiment:
    request = pb.UpdateExperimentRequest(experiment_id=id_, name=name, etag=etag)
    request.update_mask.paths.append("name")
    return client.call(client.stubs.experiments.UpdateExperiment, request).experiment


def test_created_experiment_is_read_by_name(project: Project) -> None:
    made = project.experiments.create("mnist")
    read = project.experiments.read("mnist")
    assert read == made
    assert isinstance(made.id, UUID)
    assert (made.name, made.project_uid, made.created_by) == ("mnist", project.uid, "admin")
    assert made.created_at >= project.created_at


def test_collection_is_made_from_a_project(project: Project) -> None:
    Experiments(project).create("mnist")
    assert [experiment.name for experiment in Experiments(project).list()] == ["mnist"]


def test_missing_experiment_reads_as_none(project: Project) -> None:
    assert project.experiments.read("missing") is None


def test_duplicate_name_is_a_value_error_and_changes_nothing(project: Project) -> None:
    made = project.experiments.create("mnist")
    with pytest.raises(ValueError, match="mnist") as caught:
        project.experiments.create("mnist")
    assert isinstance(caught.value, errors.AlreadyExists)
    assert caught.value.metadata["resource"] == "experiment"
    assert project.experiments.list() == [made]


def test_two_projects_may_have_one_name(project: Project, client: Client) -> None:
    first = project.experiments.create("mnist")
    with Project(new_id()) as other:
        assert other.experiments.read("mnist") is None
        assert other.experiments.create("mnist") != first


def test_experiment_is_got_or_created(project: Project) -> None:
    first = project.experiment("mnist")
    assert project.experiment("mnist") == first
    assert names(project) == ["mnist"]


def test_sixteen_threads_get_one_experiment(project: Project) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: project.experiment("one"), range(16)))
    assert len(found) == 1


def test_update_renames_by_id(project: Project) -> None:
    made = project.experiments.create("old")
    project.experiments.update(made.id, "new")
    assert project.experiments.read("old") is None
    assert project.experiments.read("new") == made


def test_update_to_a_taken_name_is_refused_and_changes_nothing(project: Project) -> None:
    first, second = project.experiments.create("first"), project.experiments.create("second")
    with pytest.raises(errors.AlreadyExists):
        project.experiments.update(second.id, "first")
    assert project.experiments.list() == [first, second]
    assert names(project) == ["first", "second"]


def test_update_of_a_missing_experiment_is_no_error(project: Project) -> None:
    project.experiments.update(new_id(), "new")
    assert names(project) == []


def test_delete_of_a_missing_experiment_is_no_error(project: Project) -> None:
    made = project.experiments.create("e")
    project.experiments.delete(made.id)
    project.experiments.delete(made.id)
    assert names(project) == []


def test_deleted_experiment_takes_its_models_and_frees_its_name(project: Project) -> None:
    old = project.experiment("e")
    model = old.model("h")
    model.metrics.log("loss", 1)
    model.iterations.create(1).modules.log("optimizer")
    project.experiments.delete(old.id)
    with pytest.raises(errors.NotFound):
        model.metrics.list()
    assert project.experiment("e").models.list() == []


def test_list_keeps_the_order_of_creation(project: Project) -> None:
    made = [project.experiments.create(name) for name in ("c", "a", "b")]
    assert project.experiments.list() == made


def test_pages_hold_each_experiment_once(project: Project, client: Client) -> None:
    made = [project.experiments.create(str(number)).name for number in range(7)]
    request = pb.ListExperimentsRequest(project_uid=project.uid, page_size=3)
    pages = []
    while True:
        response = client.call(client.stubs.experiments.ListExperiments, request)
        pages.append([wire.name for wire in response.experiments])
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert pages == [made[:3], made[3:6], made[6:]]


def test_repeated_creation_is_answered_with_the_same_experiment(client: Client, project: Project) -> None:
    id_ = new_id()
    first = create(client, project, experiment_id=id_)
    assert create(client, project, experiment_id=id_) == first
    assert first.created
    update(client, id_, "renamed")
    assert create(client, project, experiment_id=id_).experiment.name == "renamed"
    assert names(project) == ["renamed"]


def test_opening_says_that_it_did_not_create(client: Client, project: Project) -> None:
    create(client, project)
    assert not create(client, project, allow_existing=True).created


def test_id_of_another_project_is_refused(client: Client, project: Project) -> None:
    id_ = new_id()
    create(client, project, experiment_id=id_)
    with Project(new_id()) as other:
        with pytest.raises(errors.AlreadyExists) as caught:
            create(client, other, experiment_id=id_)
        assert caught.value.metadata == {"resource": "experiment", "field": "experiment_id", "value": id_}
        assert names(other) == []


def test_stale_etag_is_a_conflict_and_changes_nothing(client: Client, project: Project) -> None:
    made = create(client, project).experiment
    second = update(client, made.id, "second", made.etag)
    assert second.etag != made.etag
    with pytest.raises(errors.Conflict):
        update(client, made.id, "third", made.etag)
    assert names(project) == ["second"]


def test_repr_is_short(project: Project) -> None:
    made = project.experiment("mnist")
    assert repr(made) == f"Experiment(name='mnist', id='{made.id}')"
