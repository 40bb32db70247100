"""Modules: named parts of a model or of an iteration, with attributes."""

from typing import Any
from uuid import UUID

import pytest

from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.iteration import Iteration
from xpstore.model import Model
from xpstore.module import Module, Modules
from xpstore.v1 import model_pb2 as pb


@pytest.fixture
def iteration(model: Model) -> Iteration:
    return model.iterations.create(1)


@pytest.fixture(params=["model", "iteration"])
def modules(request: pytest.FixtureRequest, model: Model, iteration: Iteration) -> Modules:
    return model.modules if request.param == "model" else iteration.modules


def test_logged_module_is_listed(modules: Modules) -> None:
    made = modules.log("optimizer", {"lr": 0.1, "name": "adam"})
    assert modules.list() == [made]
    assert isinstance(made.id, UUID)
    assert (made.name, made.attributes) == ("optimizer", {"lr": 0.1, "name": "adam"})


def test_attributes_are_empty_when_none_were_given(modules: Modules) -> None:
    modules.log("optimizer")
    modules.log("optimizer", None)
    modules.log("optimizer", {})
    assert [module.attributes for module in modules.list()] == [{}, {}, {}]


def test_add_is_log(modules: Modules) -> None:
    modules.add("optimizer", {"lr": 1})
    assert [(module.name, module.attributes) for module in modules.list()] == [("optimizer", {"lr": 1})]


def test_attributes_keep_the_kind_of_each_value(modules: Modules) -> None:
    attributes = {"ten": 10, "real": 10.0, "big": 10**40, "flag": False, "none": None, "nested": {"a": [1, 2.0, "x"]}}
    modules.log("optimizer", attributes)
    stored = modules.list()[0].attributes
    assert stored == attributes
    assert [type(value) for value in stored.values()] == [type(value) for value in attributes.values()]
    assert isinstance(stored["nested"]["a"][1], float)


def test_attributes_take_scalars_of_numpy(modules: Modules) -> None:
    numpy = pytest.importorskip("numpy")
    modules.log("optimizer", {"lr": numpy.float32(0.5), "n": numpy.int64(3), "flag": numpy.bool_(True)})
    assert modules.list()[0].attributes == {"lr": 0.5, "n": 3, "flag": True}


@pytest.mark.parametrize("text", ["ü ☃ 🎉", "a\nb\t\x1f", "\\u0000", "\udc80"])
def test_any_text_is_kept_in_attributes(modules: Modules, text: str) -> None:
    modules.log("tokenizer", {"text": text})
    assert modules.list()[0].attributes == {"text": text}


@pytest.mark.parametrize("attributes", [{"lr": float("inf")}, {"f": object()}, {"nul": "\x00"}, [1], "text", 5])
def test_attributes_that_json_cannot_say_are_refused(modules: Modules, attributes: Any) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        modules.log("optimizer", attributes)
    assert caught.value.metadata["field"].startswith("attributes")
    assert modules.list() == []


def test_names_are_not_unique_and_the_newest_is_last(modules: Modules) -> None:
    made = [modules.log("optimizer", {"lr": lr}) for lr in (0.3, 0.1, 0.2)]
    assert modules.list() == made


def test_removed_module_is_gone_and_removing_again_is_no_error(modules: Modules) -> None:
    first, second = modules.log("a"), modules.log("b")
    modules.remove(first)
    modules.remove(first)
    assert modules.list() == [second]


def test_clear_removes_the_modules_of_one_owner(model: Model, iteration: Iteration) -> None:
    kept = iteration.modules.log("batch")
    model.modules.log("optimizer")
    model.modules.clear()
    model.modules.clear()
    assert (model.modules.list(), iteration.modules.list()) == ([], [kept])
    made = model.modules.log("optimizer")
    iteration.modules.clear()
    assert (model.modules.list(), iteration.modules.list()) == ([made], [])


def test_modules_of_a_model_and_of_its_iterations_are_apart(model: Model, iteration: Iteration) -> None:
    mine, its = model.modules.log("optimizer"), iteration.modules.log("optimizer")
    other = model.iterations.create(2).modules.log("optimizer")
    assert model.modules.list() == [mine]
    assert iteration.modules.list() == [its]
    assert other not in (mine, its)


def test_modules_of_what_was_deleted_are_reported_and_not_found(
    client: Client, model: Model, iteration: Iteration, caplog: pytest.LogCaptureFixture
) -> None:
    modules = iteration.modules
    model.iterations.remove(iteration)
    modules.log("optimizer")
    with pytest.raises(errors.NotFound) as caught:
        modules.list()
    assert caught.value.metadata["resource"] == "iteration"
    assert client.dropped_count == 1
    assert "are not stored, and never will be: There is no iteration" in caplog.text
    modules.clear()


def test_long_lists_come_in_pages_that_fit_a_message(modules: Modules) -> None:
    text = "x" * 900_000
    made = [modules.log(str(number), {"text": text}) for number in range(6)]
    assert modules.list() == made


def test_repeated_recording_is_answered_with_the_same_module(client: Client, model: Model) -> None:
    request = pb.CreateModuleRequest(model_id=str(model.id), module_id=new_id(), name="a", attributes_json='{"n":10}')
    first = client.call(client.stubs.models.CreateModule, request)
    assert client.call(client.stubs.models.CreateModule, request) == first
    assert first.module.attributes_json == '{"n":10}'
    assert len(model.modules.list()) == 1


def test_id_of_another_owner_is_refused(client: Client, model: Model, iteration: Iteration) -> None:
    made = model.modules.log("optimizer")
    request = pb.CreateModuleRequest(iteration_id=str(iteration.id), module_id=str(made.id), name="a")
    with pytest.raises(errors.AlreadyExists):
        client.call(client.stubs.models.CreateModule, request)
    assert (iteration.modules.list(), model.modules.list()) == ([], [made])


def test_module_cannot_be_changed_and_its_repr_is_short(modules: Modules) -> None:
    module = modules.log("optimizer", {"text": "x" * 10_000})
    with pytest.raises(AttributeError):
        module.name = "other"  # type: ignore[misc]
    assert len(repr(module)) < 200
    assert {module, Module(module.id, module.name, dict(module.attributes))} == {module}
