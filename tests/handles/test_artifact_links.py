"""What artifacts hang on: aliases, models, iterations, steps, and the versions they were made from."""

from concurrent.futures import ThreadPoolExecutor
from typing import Unpack

import pytest

import xpstore
from xpstore import errors
from xpstore.artifact import Artifact, DatasetArtifact, DirectoryArtifact, SaveOptions
from xpstore.artifact_links import ProjectArtifacts
from xpstore.model import Model


def save(data: bytes, name: str = "x", **options: Unpack[SaveOptions]) -> DirectoryArtifact:
    return DirectoryArtifact.save(data, name, **options)


@pytest.mark.store
def test_alias_points_to_one_version_and_moves(project: xpstore.Project) -> None:
    first, second = save(b"1", aliases=["prod", "best"]), save(b"2")
    assert first.aliases == ["best", "prod"]
    assert DirectoryArtifact.get_by_name("x", alias="prod") == first
    second.alias("prod")
    assert (second.aliases, first.refresh().aliases) == (["prod"], ["best"])
    assert DirectoryArtifact.get_by_name("x", alias="prod") == second
    assert save(b"2", aliases="best") == second
    assert (second.refresh().aliases, first.refresh().aliases) == (["best", "prod"], [])
    # Each name has aliases of its own.
    other = save(b"3", "y", aliases=["prod"])
    assert DirectoryArtifact.get_by_name("y", alias="prod") == other
    assert DirectoryArtifact.get_by_name("x", alias="prod") == second


def test_removed_alias_is_gone(project: xpstore.Project) -> None:
    artifact = save(b"1", aliases=["prod"])
    Artifact.unalias("x", "prod")
    Artifact.unalias("x", "prod")
    Artifact.unalias("nothing", "prod", project=project)
    assert artifact.refresh().aliases == []
    with pytest.raises(errors.NotFound):
        DirectoryArtifact.get_by_name("x", alias="prod")


@pytest.mark.parametrize("all_versions", [False, True])
def test_aliased_version_is_not_deleted(all_versions: bool, project: xpstore.Project) -> None:
    artifact = save(b"1", aliases=["prod"])
    with pytest.raises(errors.Conflict, match="prod") as caught:
        artifact.delete(all_versions=all_versions)
    assert caught.value.metadata == {"alias": "prod"}
    assert DirectoryArtifact.get_by_name("x", alias="prod") == artifact
    Artifact.unalias("x", "prod")
    artifact.delete(all_versions=all_versions)
    assert Artifact.load_all() == []


@pytest.mark.parametrize("alias", ["", "7", "v7", "latest", "a b", "-a", "ü", "a" * 129, "a\x00"], ids=repr)
def test_alias_that_reads_like_something_else_is_refused(alias: str, project: xpstore.Project) -> None:
    artifact = save(b"1")
    with pytest.raises(errors.InvalidArgument) as caught:
        artifact.alias(alias)
    assert caught.value.metadata["field"] == "alias"
    if alias == "latest":  # which reads as that of the newest
        assert DirectoryArtifact.get_by_name("x", alias=alias) == artifact
    else:
        with pytest.raises((errors.InvalidArgument, errors.NotFound)):
            DirectoryArtifact.get_by_name("x", alias=alias)
    assert artifact.refresh().aliases == []


@pytest.mark.store
def test_alias_never_points_to_a_deleted_version(project: xpstore.Project) -> None:
    for round_ in range(10):
        artifact = save(b"%d" % round_, "raced")
        with ThreadPoolExecutor(2) as pool:
            racers = [pool.submit(artifact.delete), pool.submit(artifact.alias, "prod")]
        lost = [racer.exception() for racer in racers if racer.exception() is not None]
        assert len(lost) == 1 and isinstance(lost[0], (errors.Conflict, errors.NotFound))
        Artifact.unalias("raced", "prod", project=project)


@pytest.mark.store
def test_artifact_is_linked_to_model_iteration_and_step(project: xpstore.Project, model: Model) -> None:
    iteration = model.iterations.create(5)
    by_model = save(b"1", model=model)
    by_iteration = save(b"2", iteration=iteration, step=5)
    by_both = save(b"3", model=model, iteration=iteration)
    assert (by_model.model, by_model.step) == (model, None)
    assert (by_iteration.model, by_iteration.step) == (model, 5)
    assert model.artifacts.list() == [by_model, by_iteration, by_both]
    assert iteration.artifacts.list() == [by_iteration, by_both]
    assert model.artifacts.get("x", step=5) == by_iteration
    assert Model.get_by_id(model.id).artifacts.list("x") == [by_model, by_iteration, by_both]
    assert model.artifacts.list("y") == []


def test_saving_again_adds_links_to_the_version_that_is_there(project: xpstore.Project, model: Model) -> None:
    other = project.experiment("e").model("other")
    first = save(b"1", model=model, step=1)
    again = save(b"1", model=other, step=2)
    save(b"1", model=other, step=2)
    assert first == again
    assert [(link.model_id, link.step) for link in again.refresh()._wire.links] == [
        (str(model.id), 1),
        (str(other.id), 2),
    ]
    assert model.artifacts.list() == other.artifacts.list() == [first]


def test_collection_of_a_model_logs_lists_gets_and_removes(project: xpstore.Project, model: Model) -> None:
    first, second = save(b"1", aliases=["prod"]), save(b"2")
    assert model.artifacts.log(first) is first
    model.artifacts.log(first)
    model.artifacts.log(second, step=3)
    assert (first.model, second.step) == (model, 3)
    assert model.artifacts.list() == [first, second]
    assert model.artifacts.get("x") == second
    assert model.artifacts.get("x", version=1) == model.artifacts.get("x", alias="prod") == first
    assert model.artifacts.get("x", version=3) is model.artifacts.get("nothing") is None
    model.artifacts.remove(second)
    model.artifacts.remove(second)
    assert model.artifacts.list() == [first]
    assert Artifact.load_all() == [first, second]


def test_collection_of_an_iteration_is_part_of_its_models(project: xpstore.Project, model: Model) -> None:
    iteration, other = model.iterations.create(1), model.iterations.create(2)
    artifact = save(b"1")
    iteration.artifacts.log(artifact, step=1)
    other.artifacts.log(artifact)
    assert iteration.artifacts.get("x") == artifact
    assert iteration.artifacts.list() == other.artifacts.list() == model.artifacts.list() == [artifact]
    iteration.artifacts.remove(artifact)
    assert (iteration.artifacts.list(), other.artifacts.list(), model.artifacts.list()) == ([], [artifact], [artifact])
    model.artifacts.remove(artifact)
    assert (other.artifacts.list(), model.artifacts.list()) == ([], [])


def test_collection_of_a_project_holds_all_kinds(project: xpstore.Project) -> None:
    first, second = save(b"1"), DatasetArtifact.save(b"2", "data")
    assert isinstance(project.artifacts, ProjectArtifacts)
    assert project.artifacts.list() == [first, second]
    assert project.artifacts.list("data") == [second]
    assert project.artifacts.log(first) is first
    assert project.artifacts.get("data") == second
    project.artifacts.remove(first)
    project.artifacts.remove(first)
    assert project.artifacts.list() == [second]
    with (
        xpstore.Project(f"{project.id} other") as other,
        pytest.raises(errors.InvalidArgument, match="another project"),
    ):
        other.artifacts.log(second)


@pytest.mark.parametrize("what", ["iteration", "model", "experiment"])
@pytest.mark.store
def test_deleting_what_it_belongs_to_keeps_the_artifact(what: str, project: xpstore.Project, model: Model) -> None:
    iteration = model.iterations.create(1)
    artifact = save(b"1", iteration=iteration, step=1)
    stale = Artifact.get_by_id(artifact.id)
    if what == "iteration":
        model.iterations.remove(iteration)
    elif what == "model":
        project.experiment("e").models.delete(model.id)
    else:
        project.experiments.delete(project.experiment("e").id)
    assert Artifact.load_all() == [artifact]
    artifact.refresh()
    assert (artifact.model, artifact.step) == (None, None)
    assert artifact.open().read() == b"1"
    assert stale.model == (model if what == "iteration" else None)


def test_link_to_something_foreign_is_refused(project: xpstore.Project, model: Model) -> None:
    sibling = project.experiment("e").model("sibling")
    iteration = sibling.iterations.create(1)
    with xpstore.Project(f"{project.id} other"):
        with pytest.raises(errors.NotFound, match="no model"):
            save(b"1", model=model)
        assert Artifact.load_all() == []
        with pytest.raises(errors.NotFound, match="no model"):
            model.artifacts.log(save(b"1"))
    with pytest.raises(errors.InvalidArgument, match="another model"):
        save(b"1", model=model, iteration=iteration)
    project.experiment("e").models.delete(sibling.id)
    with pytest.raises(errors.NotFound, match="model"):
        save(b"1", model=sibling)
    assert Artifact.load_all(project=project) == []


def test_lineage_names_the_versions_it_was_made_from(project: xpstore.Project) -> None:
    data, config = DatasetArtifact.save(b"1", "data"), save(b"2", "config")
    made = save(b"3", "model", used=[data, config.id])
    assert sorted(one.id for one in made.used) == sorted([data.id, config.id])
    assert {type(one) for one in made.used} == {DatasetArtifact, DirectoryArtifact}
    again = save(b"3", "model", used=[made, save(b"4", "late")])
    assert again == made
    assert len(again.refresh().used) == 3
    data.delete()
    assert [one.name for one in made.used] == ["config"]


def test_lineage_to_something_foreign_is_refused(project: xpstore.Project) -> None:
    foreign, gone = save(b"1"), save(b"2", "gone")
    gone.delete()
    with pytest.raises(errors.NotFound, match="artifact version"):
        save(b"3", "made", used=[gone])
    with xpstore.Project(f"{project.id} other"):
        with pytest.raises(errors.NotFound, match="artifact version"):
            save(b"3", "made", used=[foreign])
        assert Artifact.load_all() == []
