"""Values and the names of their parts are kept, or refused by name: none is lost, and none becomes another."""

import enum
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy
import pandas
import pytest

from xpstore import errors, get_project
from xpstore.artifact import DirectoryArtifact, ExplanationArtifact
from xpstore.experiment import Experiment
from xpstore.model import Model, config_hash


class Phase(str, enum.Enum):  # noqa: UP042  # whose `str` is its name, unlike that of a StrEnum
    TRAIN = "train"


class Layer(enum.IntEnum):
    FIRST = 1


class Other(enum.Enum):
    A = 1


def _logged(model: Model, value: Any) -> Any:
    model.metrics.log("x", value)
    return model.metrics.list()[-1].value


def _logged_many(model: Model, values: Any) -> Any:
    model.metrics.log_many(values)
    return {metric.name: metric.value for metric in model.metrics.list()}


def _attributes(model: Model, attributes: Any) -> Any:
    model.modules.log("m", attributes)
    return model.modules.list()[-1].attributes


def _config(hash_: str | None, config: Any) -> Any:
    return Model.get_by_id(get_project().experiment("e").model(hash_, config=config).id).config


TAKERS: dict[str, Callable[[Model, Any], Any]] = {
    "log": _logged,
    "nested": lambda model, value: _logged(model, [value])[0],
    "log_many": _logged_many,
    "attributes": _attributes,
    "metadata": lambda model, value: DirectoryArtifact.save(b"x", "a", metadata=value).metadata,
    "results": lambda model, value: ExplanationArtifact.save(value, "e").results,
    "config": lambda model, value: _config("c", value),
    "config alone": lambda model, value: _config(None, value),
}


@pytest.fixture(params=TAKERS)
def take(request: pytest.FixtureRequest, model: Model) -> Callable[[Any], Any]:
    """Each way that a dictionary goes to the server, and comes back."""
    return lambda value: TAKERS[request.param](model, value)


def test_keys_that_are_no_text_become_the_text_of_json(take: Callable[[Any], Any]) -> None:
    given = {
        "b": 1,
        0.25: 2,
        numpy.int64(7): 4,
        numpy.float32(0.5): 5,
        Phase.TRAIN: 6,
        None: 7,
        Layer.FIRST: 8,
        False: 9,
    }
    texts = ["b", "0.25", "7", "0.5", "train", "null", "1", "false"]
    assert take(given) == dict(zip(texts, given.values(), strict=True))


@pytest.mark.parametrize("keys", [(1, "1"), ("2", numpy.int64(2)), (None, "null"), (1.5, "1.5"), (True, "true")])
@pytest.mark.client
def test_keys_that_become_one_are_refused_by_name(take: Callable[[Any], Any], keys: tuple[Any, Any]) -> None:
    first, second = keys
    with pytest.raises(errors.InvalidArgument, match=re.escape(f"the keys {first!r} and {second!r} are both")):
        take({first: 1, "other": 2, second: 3})


@pytest.mark.parametrize("key", [("a", "b"), b"a", Other.A, float("nan"), float("inf"), numpy.datetime64(5, "ns"), 1j])
@pytest.mark.client
def test_keys_that_json_cannot_say_are_refused(take: Callable[[Any], Any], key: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="key"):
        take({"a": 1, key: 2})


def test_config_with_mixed_keys_has_a_hash_and_a_copy_has_the_same(experiment: Experiment) -> None:
    config = {10: "a", 2: "b", "c": {1: (1, 2), 0: None}}
    made = experiment.model(config=config)
    assert made.config == {"10": "a", "2": "b", "c": {"1": [1, 2], "0": None}}
    assert made.hash == config_hash(config) == config_hash(made.config)
    assert experiment.model(config=MappingProxyType({"c": {0: None, 1: [1, 2]}, 2: "b", 10: "a"})) == made


@pytest.mark.parametrize(
    "value",
    [
        *(
            numpy.datetime64(5, "ns"),
            numpy.timedelta64(5, "ns"),
            numpy.datetime64("2026-01-01"),
            numpy.array([5], "m8[ns]"),
        ),
        *(Decimal("0.1"), Fraction(1, 3), 1j, numpy.complex64(1), numpy.longdouble(0.1), Other.A, b"x", {1}),
        *(datetime(2026, 1, 1, tzinfo=UTC), timedelta(1), numpy.array([(1, 2.0)], "i4,f4")[0]),
    ],
    ids=repr,
)
@pytest.mark.client
def test_value_that_would_come_back_as_another_is_refused(model: Model, experiment: Experiment, value: Any) -> None:
    for call in (
        lambda: model.metrics.log("x", value),
        lambda: model.metrics.log("x", {"a": [value]}),
        lambda: model.modules.log("m", {"a": value}),
        lambda: experiment.model("c", config={"a": value}),
        lambda: DirectoryArtifact.save(b"x", "a", metadata={"a": value}),
    ):
        with pytest.raises(errors.InvalidArgument):
            call()
    assert (model.metrics.list(), model.modules.list(), experiment.models.read("c")) == ([], [], None)


def test_names_of_an_enumeration_are_its_values(model: Model) -> None:
    model.metrics.log(Phase.TRAIN, 1.0, phase=Phase.TRAIN)
    model.metrics.log("train", 2.0, phase="train")
    model.metrics.log_many({Phase.TRAIN: 3.0}, phase=Phase.TRAIN)
    model.tags.add(Phase.TRAIN)
    assert [(one.name, one.value, one.phase) for one in model.metrics.list()] == [
        ("train", value, "train") for value in (1.0, 2.0, 3.0)
    ]
    assert model.tags.list() == ["train"]


@pytest.mark.parametrize("name", [5, None, b"loss", ["loss"], {"loss"}, 1.5])
@pytest.mark.client
def test_name_that_is_no_text_is_refused(model: Model, name: Any) -> None:
    for call in (
        lambda: model.metrics.log(name, 0.5),
        lambda: model.metrics.log(name, 1),
        lambda: model.metrics.log(name, "x"),
        lambda: model.metrics.log_arrays(name, None, [1]),
        lambda: model.modules.log(name),
        lambda: model.tags.add(name),
        lambda: model.tags.remove(name),
    ):
        with pytest.raises(errors.InvalidArgument, match="must be text"):
            call()
    if name is not None:
        with pytest.raises(errors.InvalidArgument, match="phase"):
            model.metrics.log("loss", 0.5, phase=name)
    assert model.metrics.list() == []


@pytest.mark.parametrize("name", [5, b"a", ["a"], ""])
@pytest.mark.client
def test_name_that_is_asked_for_is_text(model: Model, experiment: Experiment, name: Any) -> None:
    artifact = DirectoryArtifact.save(b"x", "a")
    for call in (
        lambda: model.metrics.last(name),
        lambda: model.metrics.best(name),
        lambda: model.metrics.read(name),
        lambda: model.metrics.list(name),
        lambda: model.artifacts.get(name),
        lambda: model.artifacts.list(name),
        lambda: get_project().experiments.create(name),
        lambda: get_project().experiments.read(name),
        lambda: get_project().experiments.update(experiment.id, name),
        lambda: experiment.models.update("h", name),
        lambda: DirectoryArtifact.get_by_name(name),
        lambda: DirectoryArtifact.get_by_name("a", alias=name),
        lambda: DirectoryArtifact.unalias("a", name),
        lambda: artifact.alias(name),
        lambda: setattr(artifact, "name", name),
    ):
        with pytest.raises(errors.InvalidArgument, match=r"^(name|alias)"):
            call()
    with pytest.raises(errors.InvalidArgument, match=r"version = '1': must be an integer"):
        DirectoryArtifact.get_by_name("a", version="1")  # type: ignore[arg-type]
    assert DirectoryArtifact.get_by_name("a", version=1.0) == artifact  # type: ignore[arg-type]


@pytest.mark.client
def test_dictionary_given_to_log_is_told_of_log_many(model: Model) -> None:
    given: Any = {"loss": 1}
    with pytest.raises(errors.InvalidArgument, match="log_many"):
        model.metrics.log(given)
    with pytest.raises(errors.InvalidArgument, match="log_many"):
        model.metrics.log(given, step=3)
    with pytest.raises(errors.InvalidArgument, match="is missing"):
        model.metrics.log("loss")
    with pytest.raises(errors.InvalidArgument, match="dictionary"):
        model.metrics.log_many([("loss", 1)])  # type: ignore[arg-type]
    assert model.metrics.list() == []


@pytest.mark.parametrize(
    "step", [3.0, numpy.int64(3), numpy.float32(3), numpy.array(3), numpy.array([3.0]), numpy.uint8(3)]
)
def test_step_that_is_an_integer_counts_as_one(model: Model, step: Any) -> None:
    model.metrics.log("a", 1.0, step)
    model.metrics.log("a", "text", step)
    model.metrics.log_many({"a": 1}, step)
    model.step = step
    assert [metric.step for metric in model.metrics.list()] == [3, 3, 3]
    assert model.iterations.create(step).step == 3
    assert model.iterations.get(step) == model.iterations.list()[0]
    assert model.step == 3 and model.advance(step) == 6
    artifact = DirectoryArtifact.save(b"x", "a", model=model, step=step)
    assert artifact.step == 3
    assert model.artifacts.get("a", step=step) == artifact
    model.rewind(step)
    assert model.step == 3


@pytest.mark.parametrize(
    "step", [2.5, float("nan"), float("inf"), "3", True, numpy.bool_(True), 1j, [3], Decimal(3)], ids=repr
)
@pytest.mark.client
def test_step_that_is_no_integer_is_refused(model: Model, step: Any) -> None:
    for call in (
        lambda: model.metrics.log("a", 1.0, step),
        lambda: model.metrics.log("a", "text", step),
        lambda: model.metrics.log_many({"a": 1}, step),
        lambda: model.iterations.create(step),
        lambda: model.iterations.get(step),
        lambda: model.advance(step),
        lambda: model.rewind(step),
        lambda: setattr(model, "step", step),
        lambda: DirectoryArtifact.save(b"x", "a", model=model, step=step),
        lambda: model.artifacts.get("a", step=step),
    ):
        with pytest.raises(errors.InvalidArgument, match="must be an integer"):
            call()
    assert (model.metrics.list(), model.iterations.list(), model.step) == ([], [], 0)


def nested(depth: int, is_mapping: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if is_mapping else [value]
    return value


@pytest.mark.parametrize("is_mapping", [False, True])
def test_documents_are_nested_as_deep_as_they_can_be_read(take: Callable[[Any], Any], is_mapping: bool) -> None:
    for depth in (201, 5_000):
        with pytest.raises(errors.InvalidArgument, match="nested more than 200 deep"):
            take({"a": nested(depth, is_mapping)})
    given = {"a": nested(198, is_mapping)}
    assert take(given) == given


@pytest.mark.client
def test_document_that_holds_itself_is_refused(take: Callable[[Any], Any]) -> None:
    itself = dict[str, Any]()
    itself["a"] = [itself]
    with pytest.raises(errors.InvalidArgument, match="nested"):
        take(itself)


@pytest.mark.parametrize(
    "array",
    [numpy.array([5]), numpy.array([[0.5]]), numpy.array([5, 6]), numpy.array([]), pandas.Series([5])],
    ids=repr,
)
@pytest.mark.client
def test_array_in_a_document_is_no_number(take: Callable[[Any], Any], array: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"value\.tolist\(\)"):
        take({"a": [array]})


def test_scalars_in_a_document_are_numbers(take: Callable[[Any], Any]) -> None:
    given = {"a": numpy.array(5), "b": numpy.float32(0.5), "c": numpy.bool_(True), "d": numpy.uint64(2**64 - 1)}
    found = take(given)
    assert found == {"a": 5, "b": 0.5, "c": True, "d": 2**64 - 1}
    assert type(found["c"]) is bool


@pytest.mark.client
def test_text_of_two_halves_of_a_character_is_refused(take: Callable[[Any], Any]) -> None:
    """Their escapes in JSON are those of the character: a text would change, and two keys become one."""
    halves, character = "\ud83d\ude00", "\U0001f600"
    for value in ({"a": halves}, {"a": {halves: 1, character: 2}}):
        with pytest.raises(errors.InvalidArgument, match="two halves of a character"):
            take(value)
    assert take({"a": {character: "\ude00\ud83d"}}) == {"a": {character: "\ude00\ud83d"}}


@pytest.mark.parametrize("tags", ["word", 5, None, b"word", [None], [["a"]]])
@pytest.mark.client
def test_tags_that_are_no_list_of_text_are_refused(experiment: Experiment, tags: Any) -> None:
    for make in (experiment.model, experiment.models.create):
        with pytest.raises(errors.InvalidArgument, match=r"^tags"):
            make("h", tags=tags)
    assert experiment.models.list() == []


@pytest.mark.parametrize(
    "value", [-0.0, 5e-324, 1e308, -(2**63), 2**63, 10**4000, True], ids=lambda value: str(value)[:9]
)
def test_number_comes_back_as_itself_from_everywhere(model: Model, value: Any) -> None:
    model.metrics.log("x", value)
    model.metrics.log_many({"y": value})
    model.metrics.log_arrays("z", None, [value])
    model.modules.log("m", {"a": value})
    found = [metric.value for metric in model.metrics.list()] + [model.modules.list()[0].attributes["a"]]
    assert [(each, type(each), str(each)[:1]) for each in found] == [(value, type(value), str(value)[:1])] * 4
