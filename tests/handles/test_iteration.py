"""Iterations: at most one of each step of a model."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import iteration_pb2 as pb


def create(client: Client, model: Model, id_: str, step: int) -> pb.CreateIterationResponse:
    request = pb.CreateIterationRequest(model_id=str(model.id), iteration_id=id_, step=step)
    return client.call(client.stubs.iterations.CreateIteration, request)


def test_created_iteration_is_got_by_its_step(model: Model) -> None:
    made = model.iterations.create(7)
    got = model.iterations.get(7)
    assert got == made
    assert isinstance(made.id, UUID)
    assert (made.step, made.model_id, made.project_uid) == (7, model.id, model.project_uid)
    assert made.created_at > model.created_at


def test_missing_step_is_none(model: Model) -> None:
    assert model.iterations.get(7) is None


def test_step_that_is_there_is_returned_with_its_modules(model: Model) -> None:
    made = model.iterations.create(7)
    module = made.modules.log("optimizer", {"lr": 0.1})
    again = model.iterations.create(7)
    assert again == made
    assert again.modules.list() == [module]
    assert model.iterations.list() == [made]


def test_sixteen_threads_get_one_iteration(model: Model) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: model.iterations.create(3), range(16)))
    assert len(found) == 1


def test_list_keeps_the_order_of_recording(model: Model) -> None:
    made = [model.iterations.create(step) for step in (5, 1, 3)]
    assert [iteration.step for iteration in model.iterations.list()] == [5, 1, 3]
    assert model.iterations.list() == made


def test_removed_iteration_is_gone_with_its_modules(model: Model) -> None:
    made = model.iterations.create(1)
    made.modules.log("optimizer")
    model.iterations.remove(made)
    model.iterations.remove(made)
    assert model.iterations.get(1) is None
    assert model.iterations.create(1) != made
    assert model.iterations.create(1).modules.list() == []


def test_clear_removes_all_iterations_of_one_model(project: Project, model: Model) -> None:
    other = project.experiment("e").model("other").iterations.create(1)
    for step in range(3):
        model.iterations.create(step).modules.log("optimizer")
    model.iterations.clear()
    model.iterations.clear()
    assert model.iterations.list() == []
    assert project.experiment("e").model("other").iterations.list() == [other]


def test_step_is_an_integer_that_is_not_negative(model: Model) -> None:
    for step in (-1, 2**62 + 1, 2**64):
        with pytest.raises(errors.InvalidArgument) as caught:
            model.iterations.create(step)
        assert caught.value.metadata["field"] == "step"
    with pytest.raises(errors.InvalidArgument, match="must be an integer"):
        model.iterations.create(1.5)  # type: ignore[arg-type]
    assert model.iterations.list() == []
    assert model.iterations.create(2**62).step == 2**62


def test_iterations_of_a_deleted_model_are_not_found(project: Project, model: Model) -> None:
    made = model.iterations.create(1)
    project.experiment("e").models.delete(model.id)
    lost = model.iterations.create(2)
    with pytest.raises(errors.NotFound):
        model.iterations.list()
    with pytest.raises(errors.NotFound):
        _ = lost.id
    model.iterations.remove(lost)
    assert model.iterations.get(1) is None
    model.iterations.remove(made)
    model.iterations.clear()


def test_iteration_is_read_by_id(client: Client, model: Model) -> None:
    made = model.iterations.create(4)
    request = pb.GetIterationRequest(iteration_id=str(made.id))
    wire = client.call(client.stubs.iterations.GetIteration, request).iteration
    assert (wire.step, wire.model_id) == (4, str(model.id))


def test_repeated_creation_is_answered_with_the_same_iteration(client: Client, model: Model) -> None:
    id_ = new_id()
    first = create(client, model, id_, 1)
    assert create(client, model, id_, 1) == first
    assert first.created
    assert not create(client, model, new_id(), 1).created
    assert len(model.iterations.list()) == 1


def test_id_of_another_iteration_is_refused(client: Client, project: Project, model: Model) -> None:
    id_ = new_id()
    create(client, model, id_, 1)
    for owner, step in ((model, 2), (project.experiment("e").model("other"), 1)):
        with pytest.raises(errors.AlreadyExists):
            create(client, owner, id_, step)
        assert owner.iterations.get(step) is None or step == 1


def test_repr_is_short(model: Model) -> None:
    made = model.iterations.create(1)
    assert repr(made) == "Iteration(step=1)"  # its id is asked for when it is needed
    assert made.id
    assert repr(made) == f"Iteration(step=1, id='{made.id}')"
