"""Models: identity by hash, a live step, tags, config, and what goes with a model."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model, fingerprint
from xpstore.project import Project
from xpstore.v1 import model_pb2 as pb


def create(client: Client, experiment: Experiment, **fields: Any) -> pb.CreateModelResponse:
    values = {"experiment_id": str(experiment.id), "model_id": new_id(), "hash": "h", **fields}
    return client.call(client.stubs.models.CreateModel, pb.CreateModelRequest(**values))


def update(client: Client, id_: str, *paths: str, **fields: Any) -> pb.Model:
    request = pb.UpdateModelRequest(model_id=id_, **fields)
    request.update_mask.paths.extend(paths)
    return client.call(client.stubs.models.UpdateModel, request).model


def test_created_model_is_read_by_hash(experiment: Experiment) -> None:
    made = experiment.models.create("h", "classifier", "what it is")
    read = experiment.models.read("h")
    assert read == made
    assert read is not None
    assert isinstance(read.id, UUID)
    assert (read.hash, read.name, read.description, read.step) == ("h", "classifier", "what it is", 0)
    assert (read.experiment_id, read.project_uid) == (experiment.id, experiment.project_uid)
    assert abs(read.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert read.created_by == "admin"


def test_name_and_description_are_none_when_not_given(experiment: Experiment) -> None:
    made = experiment.models.create("h")
    assert (made.name, made.description, made.config, made.tags.list()) == (None, None, {}, [])


@pytest.mark.parametrize("hash_", [0, 12, 1.5, ("a", 1), b"x", UUID(int=7), "ü ☃"])
def test_any_hash_is_kept_as_its_text(experiment: Experiment, hash_: object) -> None:
    made = experiment.models.create(hash_)
    assert made.hash == str(hash_)
    assert experiment.models.read(hash_) == made
    assert experiment.model(hash_) == made


def test_missing_model_reads_as_none(experiment: Experiment) -> None:
    assert experiment.models.read("missing") is None


def test_duplicate_hash_is_a_value_error_and_changes_nothing(experiment: Experiment, model: Model) -> None:
    with pytest.raises(ValueError, match="hash 'h'") as caught:
        experiment.models.create("h", "other")
    assert isinstance(caught.value, errors.AlreadyExists)
    assert [(each, each.name) for each in experiment.models.list()] == [(model, None)]


def test_two_experiments_may_have_one_hash_and_models_one_name(project: Project, experiment: Experiment) -> None:
    first = experiment.models.create("h", "name")
    assert experiment.models.create("h2", "name") != first
    assert project.experiment("other").models.create("h", "name") != first


def test_usual_loop_resumes(experiment: Experiment) -> None:
    for start in (0, 3):
        model = experiment.models.read("h") or experiment.models.create("h", "classifier")
        assert model.step == start
        for _ in range(3):
            model.metrics.log("loss", 0.5, model.step, "train")
            model.step += 1
        model.iterations.create(model.step).modules.log("optimizer", {"lr": 0.1})
    assert [metric.step for metric in model.metrics.list("loss")] == [0, 1, 2, 3, 4, 5]
    assert [iteration.step for iteration in model.iterations.list()] == [3, 6]


def test_update_renames_by_hash(experiment: Experiment, model: Model) -> None:
    experiment.models.update("h", "new")
    read = experiment.models.read("h")
    assert read == model
    assert read is not None and read.name == "new"
    experiment.models.update("h", None)
    assert Model.get_by_id(model.id).name is None


def test_name_and_description_are_assigned(experiment: Experiment, model: Model) -> None:
    model.name, model.description = "classifier", "what it is"
    read = Model.get_by_id(model.id)
    assert (read.name, read.description, model.name) == ("classifier", "what it is", "classifier")
    model.name = None
    assert Model.get_by_id(model.id).name is None and Model.get_by_id(model.id).description == "what it is"
    with pytest.raises(errors.InvalidArgument, match="name"):
        model.name = ""
    with pytest.raises(errors.InvalidArgument, match="description"):
        model.description = 3  # type: ignore[assignment]
    experiment.models.delete(model.id)
    with pytest.raises(errors.NotFound):
        model.name = "of nothing"


def test_model_deletes_itself(experiment: Experiment, model: Model) -> None:
    model.delete()
    assert experiment.models.read(model.hash) is None
    model.delete()


def test_update_of_a_missing_model_is_no_error(experiment: Experiment) -> None:
    experiment.models.update("missing", "new")
    assert experiment.models.list() == []


def test_delete_of_a_missing_model_is_no_error(experiment: Experiment, model: Model) -> None:
    experiment.models.delete(model.id)
    experiment.models.delete(model.id)
    assert experiment.models.list() == []


def test_hash_of_a_deleted_model_starts_again_with_nothing_of_the_old_one(experiment: Experiment) -> None:
    old = experiment.model("h", tags=["t"])
    old.step = 5
    old.metrics.log("loss", 1)
    old.modules.log("optimizer")
    old.iterations.create(5).modules.log("batch")
    with old.run():
        pass
    experiment.models.delete(old.id)
    new = experiment.models.create("h")
    assert (new.id == old.id, new.step, new.status, new.tags.list()) == (False, 0, None, [])
    assert (new.metrics.list(), new.modules.list(), new.iterations.list(), new.runs) == ([], [], [], [])
    with pytest.raises(errors.NotFound):
        Model.get_by_id(old.id)


def test_list_keeps_the_order_of_creation(experiment: Experiment) -> None:
    made = [experiment.models.create(hash_) for hash_ in ("c", "a", "b")]
    assert experiment.models.list() == made


def test_pages_of_heavy_models_stay_within_a_message(experiment: Experiment, client: Client) -> None:
    text = "ü" * 450_000
    made = [experiment.models.create(number, config={"text": text}) for number in range(6)]
    request = pb.ListModelsRequest(experiment_id=str(experiment.id), page_size=1_000)
    page = client.call(client.stubs.models.ListModels, request)
    assert 0 < len(page.models) < 6
    assert experiment.models.list() == made
    assert all(model.config == {"text": text} for model in experiment.models.list())


def test_model_is_found_by_id_without_its_experiment(model: Model) -> None:
    assert Model.get_by_id(model.id) == model
    assert Model.get_by_id(str(model.id)).hash == "h"


def test_get_by_id_of_a_missing_model_is_not_found(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        Model.get_by_id(new_id())


def test_get_or_create_returns_the_model_as_it_is(experiment: Experiment) -> None:
    made = experiment.model("h", "name", "text", config={"lr": 0.1}, tags=["a"])
    again = experiment.model("h", "other", "other", config={"lr": 0.2}, tags=["b"])
    assert again == made
    assert (again.name, again.description, again.config) == ("name", "text", {"lr": 0.1})
    assert again.tags.list() == ["a"]


def test_another_config_under_one_hash_is_told(experiment: Experiment, caplog: pytest.LogCaptureFixture) -> None:
    made = experiment.model("h", config={"lr": 0.1, "net": {"a": 1, "b": 2}, "old": None})
    assert experiment.model("h", config={"net": {"b": 2, "a": 1}, "lr": 0.1, "old": None}) == made
    assert experiment.model("h") == made
    assert caplog.text == ""
    assert experiment.model("h", config={"lr": 0.2, "net": {"a": 1, "b": 2}, "new": True}) == made
    assert "'h' keeps the config it was made with: lr is 0.1, given 0.2; old is None, given not said" in caplog.text
    assert "new is not said, given True" in caplog.text


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("hash", {"hash": ""}),
        ("hash", {"hash": "x" * 1_025}),
        ("hash", {"hash": "\ud800"}),
        ("name", {"name": 5}),
        ("name", {"name": ""}),
        ("description", {"description": "x" * 16_385}),
        ("description", {"description": b"text"}),
        ("description", {"description": "\x00"}),
        ("tags", {"tags": [5]}),
        ("tags", {"tags": "word"}),
        ("config", {"config": [1]}),
    ],
    ids=repr,
)
def test_malformed_model_is_refused_by_the_name_of_its_field(
    experiment: Experiment, field: str, options: dict[str, Any]
) -> None:
    for make in (experiment.model, experiment.models.create):
        with pytest.raises(errors.InvalidArgument) as caught:
            make(**{"hash": "h", **options})
        assert caught.value.metadata["field"] == field
    assert experiment.models.list() == []


def test_sixteen_threads_get_one_model(experiment: Experiment) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda number: experiment.model("one", str(number)), range(16)))
    assert len(set(found)) == 1
    assert experiment.models.list() == found[:1]
    assert {model.name for model in found} == {found[0].name}


def test_config_is_the_identity_when_no_hash_is_given(experiment: Experiment) -> None:
    first = experiment.model(config={"lr": 0.1, "layers": [1, 2], "net": {"b": 1, "a": None}})
    again = experiment.model(config={"net": {"a": None, "b": 1}, "layers": [1, 2], "lr": 0.1})
    assert again == first
    assert experiment.model(config={"lr": 0.1}) != first
    assert first.hash == fingerprint(first.config)


def test_fingerprint_does_not_move_between_releases() -> None:
    expected = "config-1-46d871d6ef29f8b28ddf0b74bb88d621b72ad41ebd11e182f8aabdecda1f698f"
    assert fingerprint({"lr": 0.1, "layers": 3, "name": "ü"}) == expected


def test_model_without_hash_and_config_is_new_each_time(experiment: Experiment) -> None:
    assert experiment.model() != experiment.model()


def test_config_keeps_the_kind_of_each_number(experiment: Experiment) -> None:
    config = {"int": 10, "float": 10.0, "big": 10**30, "small": 1e-300, "flag": True, "none": None}
    stored = Model.get_by_id(experiment.model("h", config=config).id).config
    assert stored == config
    assert {key: type(value) for key, value in stored.items()} == {key: type(value) for key, value in config.items()}


def test_scalars_of_numpy_are_numbers_in_a_config(experiment: Experiment) -> None:
    numpy = pytest.importorskip("numpy")
    model = experiment.model("h", config={"lr": numpy.float64(0.5), "layers": numpy.int32(3)})
    assert model.config == {"lr": 0.5, "layers": 3}


@pytest.mark.parametrize("config", [{"lr": float("nan")}, {"f": object()}, {("a", "b"): 1}, [1], "text"])
def test_config_that_json_cannot_say_is_refused(experiment: Experiment, config: Any) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        experiment.model(config=config)
    assert caught.value.metadata["field"] == "config"
    assert experiment.models.list() == []


def test_tags_keep_the_order_they_were_added_in(experiment: Experiment) -> None:
    model = experiment.model("h", tags=["b", "a", "b"])
    model.tags.add("c", "a")
    assert model.tags.list() == ["b", "a", "c"]
    model.tags.remove("b", "missing")
    model.tags.add("b")
    assert model.tags.list() == ["a", "c", "b"]


def test_tags_added_by_many_threads_are_all_there(model: Model) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: model.tags.add(f"tag {number}"), range(32)))
    assert sorted(model.tags.list()) == sorted(f"tag {number}" for number in range(32))


def test_text_in_place_of_tags_is_refused(experiment: Experiment) -> None:
    with pytest.raises(errors.InvalidArgument):
        experiment.model("h", tags="baseline")


def test_more_tags_than_a_model_may_have_are_reported_and_change_nothing(
    client: Client, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    model.tags.add(*(f"tag {number}" for number in range(1_000)))
    model.tags.add("one more")
    assert len(model.tags.list()) == 1_000
    assert client.dropped_count == 1
    assert "never will be: add" in caplog.text


def test_repeated_creation_is_answered_with_the_same_model(client: Client, experiment: Experiment) -> None:
    id_ = new_id()
    first = create(client, experiment, model_id=id_, tags=["a"])
    assert create(client, experiment, model_id=id_, tags=["a"]) == first
    assert first.created
    assert not create(client, experiment, allow_existing=True).created
    assert len(experiment.models.list()) == 1


def test_id_of_another_experiment_is_refused(client: Client, project: Project, experiment: Experiment) -> None:
    id_ = new_id()
    create(client, experiment, model_id=id_)
    other = project.experiment("other")
    for parent, hash_ in ((other, "h"), (experiment, "h2")):
        with pytest.raises(errors.AlreadyExists) as caught:
            create(client, parent, model_id=id_, hash=hash_, allow_existing=True)
        assert caught.value.metadata["field"] == "model_id"
    assert other.models.list() == []


def test_id_of_a_model_in_a_deleted_project_is_refused(client: Client, experiment: Experiment) -> None:
    gone = client.project(new_id())
    id_ = str(gone.experiment("e").model("h").id)
    gone.delete()
    with pytest.raises(errors.AlreadyExists):
        create(client, experiment, model_id=id_, allow_existing=True)


def test_stale_etag_is_a_conflict_and_changes_nothing(client: Client, model: Model) -> None:
    id_ = str(model.id)
    old = update(client, id_, "name", name="first")
    new = update(client, id_, "name", "description", name="second", etag=old.etag)
    assert new.etag != old.etag
    assert not new.HasField("description")
    with pytest.raises(errors.Conflict) as caught:
        update(client, id_, "name", name="third", etag=old.etag)
    assert caught.value.metadata["etag"] == old.etag
    assert Model.get_by_id(id_).name == "second"


def test_tags_and_steps_move_the_etag(client: Client, model: Model) -> None:
    etags = [update(client, str(model.id), "step").etag]
    for change in (lambda: model.tags.add("a"), model.advance, lambda: model.rewind(0)):
        change()
        etags.append(Model.get_by_id(model.id)._wire.etag)
    assert len(set(etags)) == 4


def test_updates_without_an_etag_never_conflict(model: Model) -> None:
    def assign(step: int) -> None:
        model.step = step

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(assign, range(64)))
    assert 0 <= model.step < 64


def test_repr_is_short(experiment: Experiment) -> None:
    model = experiment.model("x" * 1_000, "name", config={"a": list(range(1_000))})
    assert len(repr(model)) < 200


def test_forked_process_uses_the_handles_it_inherits(model: Model, server: Server) -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            model.advance()
            model.metrics.log("child", 1)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    model.metrics.log("parent", 2)
    assert model.step == 1
    assert [metric.name for metric in model.metrics.list()] == ["child", "parent"]
