"""The step of a model: live on every handle, advanced, rewound."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
import sqlalchemy
from sqlalchemy import column, table

from support.backends import Backend
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.v1 import model_pb2 as pb


def advance(client: Client, id_: str, advance_id: str, delta: int) -> int:
    request = pb.AdvanceModelRequest(model_id=id_, advance_id=advance_id, delta=delta)
    return client.call(client.stubs.models.AdvanceModel, request).step


def test_step_is_live_on_every_handle(experiment: Experiment, model: Model) -> None:
    other = experiment.models.read("h")
    assert other is not None
    model.step += 1
    assert other.step == 1
    other.step = 10
    assert model.step == 10
    assert Model.get_by_id(model.id).step == 10


@pytest.mark.parametrize("field", ["id", "hash", "config", "status", "created_at", "metrics"])
def test_what_a_model_is_cannot_be_assigned(model: Model, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(model, field, None)


@pytest.mark.parametrize("step", [-1, 2**62 + 1, 2**64])
def test_impossible_step_is_refused_and_changes_nothing(model: Model, step: int) -> None:
    model.step = 3
    with pytest.raises(errors.InvalidArgument):
        model.step = step
    assert model.step == 3


def test_step_takes_what_counts_as_an_integer(model: Model) -> None:
    numpy = pytest.importorskip("numpy")
    model.step = numpy.int64(7)
    assert model.step == 7
    with pytest.raises(errors.InvalidArgument, match="must be an integer"):
        model.step = 7.5  # type: ignore[assignment]


def test_concurrent_advances_all_count(model: Model) -> None:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: model.advance(), range(64)))
    assert sorted(results) == list(range(1, 65))
    assert model.step == 64


def test_lost_update_between_threads_is_told(
    experiment: Experiment, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    both = threading.Barrier(2)

    def add(handle: Model) -> None:
        read = handle.step
        both.wait()
        handle.step = read + 1

    other = experiment.models.read("h")
    assert other is not None
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            list(pool.map(add, (model, other)))
    assert model.step == 3
    assert caplog.text.count("'h': step = 1 replaces what another thread assigned since this one read it") == 1
    assert caplog.text.count("use model.advance()") == 1


def test_step_of_one_thread_is_told_of_nothing(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        model.step += 1
    model.step = 7
    with ThreadPoolExecutor(1) as pool:
        pool.submit(setattr, model, "step", 8).result()
        model.step += 1
        pool.submit(lambda: model.step).result()
    model.step = 2
    model.step = 3
    assert model.step == 3
    assert caplog.text == ""


def test_advance_goes_back_but_not_below_zero(model: Model) -> None:
    assert model.advance(5) == 5
    assert model.advance(-2) == 3
    with pytest.raises(errors.InvalidArgument) as caught:
        model.advance(-4)
    assert caught.value.metadata["field"] == "delta"
    assert model.step == 3


def test_repeated_advance_adds_once(client: Client, model: Model) -> None:
    advance_id = new_id()
    assert advance(client, str(model.id), advance_id, 5) == 5
    assert model.advance() == 6
    assert advance(client, str(model.id), advance_id, 5) == 5
    assert model.step == 6


def test_advances_are_forgotten_after_a_day(client: Client, model: Model, backend: Backend) -> None:
    old = new_id()
    advance(client, str(model.id), old, 5)
    engine = sqlalchemy.create_engine(backend.database_url)
    with engine.begin() as connection:
        day = {"us": 24 * 3600 * 1_000_000 + 1}
        connection.execute(sqlalchemy.text("UPDATE step_advance SET created_at_us = created_at_us - :us"), day)
    model.advance()
    with engine.begin() as connection:
        mine = table("step_advance", column("id", sqlalchemy.Uuid), column("model_id", sqlalchemy.Uuid))
        kept = connection.execute(sqlalchemy.select(mine.c.id).where(mine.c.model_id == model.id)).scalars().all()
    engine.dispose()
    assert len(kept) == 1
    assert UUID(old) not in kept
    assert model.step == 6


def test_advance_id_of_another_model_is_refused(client: Client, experiment: Experiment, model: Model) -> None:
    advance_id = new_id()
    advance(client, str(model.id), advance_id, 5)
    other = experiment.model("other")
    with pytest.raises(errors.AlreadyExists):
        advance(client, str(other.id), advance_id, 5)
    assert other.step == 0


def test_rewind_removes_points_and_iterations_after_the_step(model: Model) -> None:
    for step in range(5):
        model.metrics.log("loss", step, step)
        model.iterations.create(step).modules.log("optimizer")
    model.metrics.log("note", "no step")
    model.step = 5
    model.rewind(2)
    assert model.step == 2
    assert [metric.value for metric in model.metrics.list()] == [0, 1, 2, "no step"]
    assert [iteration.step for iteration in model.iterations.list()] == [0, 1, 2]
    model.metrics.log("loss", 30, 3)
    assert [metric.value for metric in model.metrics.list("loss")] == [0, 1, 2, 30]
