"""CreateModels: models with their modules and points in one call, each once, whatever is repeated or done at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.raw_ingest import floats, integers, places
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import ingest_pb2, model_pb2


def whole(hash: str, **more: Any) -> model_pb2.NewModel:
    """A model with two modules of one name, and three points."""
    modules = [
        model_pb2.NewModule(module_id=new_id(), name="net", attributes_json=text)
        for text in ('{"units": 8}', '{"units": 64, "of": {"kind": "relu"}}')
    ]
    series = [
        ingest_pb2.PackedSeries(name="loss", phase="train", float_values=floats(0.5, 0.25), steps=integers(1, 2)),
        ingest_pb2.PackedSeries(name="n", int_values=integers(7)),
    ]
    fields = {"model_id": new_id(), "config_json": '{"lr": 0.5}', "modules": modules, "series": series, **more}
    return model_pb2.NewModel(hash=hash, **fields)


def create(
    experiment: Experiment, models: Sequence[model_pb2.NewModel], *, allow_existing: bool = False
) -> list[model_pb2.CreatedModel]:
    request = model_pb2.CreateModelsRequest(
        experiment_id=str(experiment.id), models=models, allow_existing=allow_existing
    )
    client = experiment._client
    return list(client.call(client.stubs.models.CreateModels, request).models)


def listed(model: Model) -> list[tuple[str, Any, int | None, str | None]]:
    return [(one.name, one.value, one.step, one.phase) for one in model.metrics.list()]


POINTS = [("loss", 0.5, 1, "train"), ("loss", 0.25, 2, "train"), ("n", 7, None, None)]


def test_models_have_all_that_was_said_and_search_finds_it(project: Project, experiment: Experiment) -> None:
    said = whole("a", name="A", description="d", tags=["x", "y", "x"], created_at_us=5)
    answers = create(experiment, [said, whole("b", config_json="", modules=[], series=[])])
    assert (answers[0].model.id, answers[0].created) == (said.model_id, True)
    first, second = (Model(project._client, one.model) for one in answers)
    assert (first.hash, first.name, first.description, first.config) == ("a", "A", "d", {"lr": 0.5})
    assert (first.tags.list(), answers[0].model.created_at_us) == (["x", "y"], 5)
    assert [one.attributes for one in first.modules.list()] == [{"units": 8}, {"units": 64, "of": {"kind": "relu"}}]
    assert listed(first) == POINTS and listed(second) == []
    filter = 'config.lr = 0.5 and modules.net.of.kind = "relu" and metrics.loss[train].min = 0.25 and tags = "y"'
    assert [one.id for one in experiment.models.search(filter)] == [first.id]
    assert list(experiment.models.search("modules.net.units = 8")) == []  # the newest of a name counts
    assert project.experiments.read("e").model_count == 2  # type: ignore[union-attr]


def test_creation_answers_what_is_read_afterwards(client: Client, experiment: Experiment) -> None:
    said: dict[str, Any] = {"name": "A", "description": "d", "tags": ["x", "y", "x"], "created_at_us": 5}
    said["config_json"] = '{"lr": 0.5}'
    none: dict[str, Any] = {}
    many = create(experiment, [whole("a", **said), whole("b")])
    alone = [
        model_pb2.CreateModelRequest(experiment_id=str(experiment.id), model_id=new_id(), hash=hash_, **more)
        for hash_, more in (("c", said), ("d", none))
    ]
    one_by_one = [client.call(client.stubs.models.CreateModel, request) for request in alone]
    repeated = [client.call(client.stubs.models.CreateModel, request) for request in alone]
    answers: list[Any] = [*many, *one_by_one, *repeated]
    for answer in answers:
        assert answer.created
        read = client.call(client.stubs.models.GetModel, model_pb2.GetModelRequest(model_id=answer.model.id))
        assert answer.model == read.model


def test_a_repeated_call_changes_nothing_and_points_go_on(experiment: Experiment) -> None:
    some = [whole("a"), whole("b")]
    first = create(experiment, some)
    model = Model(experiment._client, first[0].model)
    model.metrics.log("loss", 0.125, 3, "train")
    model.name = "renamed"
    again = create(experiment, [*some, whole("c")])
    assert [one.created for one in again] == [True, True, True]
    assert [one.model.id for one in again[:2]] == [one.model.id for one in first]
    assert again[0].model.name == "renamed"
    assert listed(model) == [*POINTS, ("loss", 0.125, 3, "train")]
    assert len(model.modules.list()) == 2


def test_what_is_found_gets_no_second_copy(experiment: Experiment) -> None:
    there = create(experiment, [whole("a")])[0].model
    answers = create(experiment, [whole("b"), whole("a"), whole("b")], allow_existing=True)
    assert [one.created for one in answers] == [True, False, False]
    assert answers[1].model == there and answers[2].model.id == answers[0].model.id
    for one in answers:
        assert listed(Model(experiment._client, one.model)) == POINTS
    assert len(experiment.models.list()) == 2


@pytest.mark.parametrize(
    "field, change",
    [
        ("hash", {"hash": "x" * 1_025}),
        ("config_json", {"config_json": "[]"}),
        ("tags[1]", {"tags": ["a", ""]}),
        ("modules[0].name", {"modules": [model_pb2.NewModule(module_id=new_id())]}),
        ("modules[0].attributes_json", {"modules": [{"module_id": new_id(), "name": "m", "attributes_json": "5"}]}),
        ("modules", {"modules": [model_pb2.NewModule()] * 101}),
        ("series", {"series": [ingest_pb2.PackedSeries()] * 1_001}),
        ("series[0].steps", {"series": [ingest_pb2.PackedSeries(name="s", float_values=floats(1), steps=b"1")]}),
        ("series[0].records", {"series": [ingest_pb2.PackedSeries(name="s", int_values=floats(1), records=places(1))]}),
        ("created_at_us", {"created_at_us": 1 << 57}),
    ],
)
def test_malformed_model_in_the_middle_is_named_and_nothing_is_stored(
    experiment: Experiment, field: str, change: dict[str, Any]
) -> None:
    bad = whole("c")
    for name, value in change.items():
        bad.ClearField(name)
        bad.MergeFrom(model_pb2.NewModel(**{name: value}))
    with pytest.raises(errors.InvalidArgument) as caught:
        create(experiment, [whole("a"), whole("b"), whole("b2"), bad, whole("d")])
    assert caught.value.metadata["field"] == f"models[3].{field}"
    assert experiment.models.list() == []


def test_ids_that_are_given_twice_are_refused(experiment: Experiment) -> None:
    first = whole("a")
    for field, twice in (
        ("models[1].model_id", whole("b", model_id=first.model_id)),
        ("models[1].modules[0].module_id", whole("b", modules=[first.modules[1]])),
    ):
        with pytest.raises(errors.InvalidArgument) as caught:
            create(experiment, [first, twice])
        assert caught.value.metadata["field"] == field
    with pytest.raises(errors.InvalidArgument) as caught:
        create(experiment, [whole("a", modules=[], series=[]) for _ in range(1_001)])
    assert caught.value.metadata["limit"] == "max_ids"
    assert experiment.models.list() == []


def test_taken_hashes_and_ids_are_named_and_nothing_of_that_step_is_stored(experiment: Experiment) -> None:
    there = whole("a")
    create(experiment, [there])
    for field, taken in (
        ("models[1].hash", whole("a")),
        ("models[1].model_id", whole("other", model_id=there.model_id)),
        ("models[1].modules[1].module_id", whole("c", modules=[whole("d").modules[0], there.modules[0]])),
    ):
        with pytest.raises(errors.AlreadyExists) as caught:
            create(experiment, [whole("b"), taken, whole("e")])
        assert caught.value.metadata["field"] == field
    assert [one.hash for one in experiment.models.list()] == ["a"]


def test_missing_experiment_is_told(project: Project, experiment: Experiment) -> None:
    project.experiments.delete(experiment.id)
    with pytest.raises(errors.NotFound):
        create(experiment, [whole("a")])


def test_many_callers_of_the_same_hashes_get_the_same_models(project: Project, experiment: Experiment) -> None:
    hashes = [f"h{number}" for number in range(120)]

    def make(caller: int) -> dict[str, str]:
        order = hashes if caller % 2 else hashes[::-1]
        answers = create(experiment, [whole(hash) for hash in order], allow_existing=True)
        return {one.model.hash: one.model.id for one in answers}

    with ThreadPoolExecutor(4) as callers:
        first, *others = callers.map(make, range(4))
    assert first.keys() == set(hashes) and all(one == first for one in others)
    assert project.experiments.read("e").model_count == len(hashes)  # type: ignore[union-attr]
    counts = experiment.models.search("metrics.loss[train].last = 0.25 and modules.net.units = 64")
    assert len(list(counts)) == len(hashes)
    for hash in hashes[::40]:
        assert listed(experiment.models.read(hash)) == POINTS  # type: ignore[arg-type]


def test_the_same_call_at_once_stores_once(experiment: Experiment) -> None:
    some = [whole(f"h{number}") for number in range(40)]
    with ThreadPoolExecutor(3) as callers:
        answers = list(callers.map(lambda _: create(experiment, some), range(3)))
    assert all([one.created for one in each] == [True] * 40 for each in answers)
    for one in answers[0][::13]:
        model = Model(experiment._client, one.model)
        assert listed(model) == POINTS and len(model.modules.list()) == 2


def test_heavy_models_are_answered_in_several_calls(client: Client, experiment: Experiment) -> None:
    heavy = '{"text": "' + "x" * 900_000 + '"}'
    for hash in "abcd":
        create(experiment, [whole(hash, config_json=heavy)])
    wanted, got = [whole(hash) for hash in "abcdef"], list[model_pb2.CreatedModel]()
    while len(got) < len(wanted):
        some = create(experiment, wanted[len(got) :], allow_existing=True)
        assert 0 < len(some) < len(wanted)
        got += some
    assert [(one.model.hash, one.created) for one in got] == [
        *((hash, False) for hash in "abcd"),
        ("e", True),
        ("f", True),
    ]
    assert listed(Model(client, got[-1].model)) == POINTS
