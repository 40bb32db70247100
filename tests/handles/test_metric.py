"""Metrics: every point exactly once, in order, and as it was given."""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy

from support.backends import Backend
from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.metric import Metric
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import metric_pb2 as pb


def values(model: Model, name: str | None = None) -> list[Any]:
    return [metric.value for metric in model.metrics.list(name)]


def send(client: Client, model: Model, writer_id: str, first: int, numbers: Sequence[int]) -> pb.LogMetricsResponse:
    points = [pb.MetricPoint(name="loss", int_value=number) for number in numbers]
    request = pb.LogMetricsRequest(model_id=str(model.id), points=points, writer_id=writer_id, first_point=first)
    return client.call(client.stubs.metrics.LogMetrics, request)


def test_names_are_told_once_each(model: Model) -> None:
    assert model.metrics.names() == []
    for name, phase in (("loss", "train"), ("loss", "test"), ("accuracy", None)):
        model.metrics.log(name, 0.5, phase=phase)
    assert model.metrics.names() == ["accuracy", "loss"]


def test_logged_point_is_listed_with_all_it_was_given(model: Model) -> None:
    model.metrics.log("loss", 0.5, 3, "train")
    (metric,) = model.metrics.list()
    assert isinstance(metric.id, UUID)
    assert (metric.name, metric.value, metric.step, metric.phase) == ("loss", 0.5, 3, "train")
    assert abs(metric.time - datetime.now(UTC)) < timedelta(minutes=1)


def test_step_and_phase_are_none_when_not_given(model: Model) -> None:
    model.metrics.add("loss", 0.5)
    model.metrics.add("loss", 0.5, 0)
    assert [(metric.step, metric.phase) for metric in model.metrics.list()] == [(None, None), (0, None)]


def test_points_are_listed_in_the_order_of_logging(model: Model) -> None:
    for number in range(20):
        model.metrics.log("ab"[number % 2], number, 20 - number)
    assert values(model) == list(range(20))
    assert values(model, "b") == list(range(1, 20, 2))
    assert values(model, "missing") == []


@pytest.mark.parametrize(
    "value",
    [
        *(0, -7, 2**63 - 1, -(2**63), 2**63, 10**300),
        *(0.1, -0.0, 1e-320, math.inf, -math.inf),
        *(True, False, None, "text", "ü\n", [], [1, 2.0, "x"], {"a": {"b": [None]}}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_value_comes_back_as_it_was(model: Model, value: object) -> None:
    model.metrics.log("value", value)
    (stored,) = values(model)
    assert (stored, type(stored), repr(stored)) == (value, type(value), repr(value))


def test_nan_comes_back_as_nan(model: Model) -> None:
    model.metrics.log("loss", math.nan)
    assert math.isnan(values(model)[0])


def test_value_with_an_item_is_taken_for_the_number_in_it(model: Model) -> None:
    numpy = pytest.importorskip("numpy")

    class Tensor:
        def item(self) -> float:
            return 0.25

    given = [numpy.float32(0.5), numpy.float64(0.1), numpy.int64(3), numpy.bool_(True), numpy.array([7]), Tensor()]
    for value in given:
        model.metrics.log("value", value)
    assert [(value, type(value)) for value in values(model)] == [
        (0.5, float),
        (0.1, float),
        (3, int),
        (True, bool),
        (7, int),
        (0.25, float),
    ]


def test_array_is_refused_with_the_way_to_log_it(model: Model) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array([1.0, 2.0])
    with pytest.raises(errors.InvalidArgument, match=r"tolist\(\)"):
        model.metrics.log("value", array)
    model.metrics.log("value", array.tolist())
    assert values(model) == [[1.0, 2.0]]


@pytest.mark.parametrize("value", [object(), {1, 2}, [math.nan], "\x00", 10**5_000], ids=lambda value: type(value))
def test_value_that_json_cannot_say_is_refused(model: Model, value: object) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        model.metrics.log("value", value)
    assert "value" in caught.value.metadata["field"]
    assert values(model) == []


def test_point_after_a_refused_one_is_stored(model: Model) -> None:
    model.metrics.log("loss", 1)
    for name, step in (("", None), ("loss", -1), ("x" * 257, None)):
        with pytest.raises(errors.InvalidArgument):
            model.metrics.log(name, 2, step)
    model.metrics.log("loss", 3)
    assert values(model) == [1, 3]


def test_last_is_the_newest_of_a_name_and_phase(model: Model) -> None:
    for value, phase in ((1, "train"), (2, "test"), (3, None), (4, "train")):
        model.metrics.log("loss", value, phase=phase)
    model.metrics.log("other", 5)
    last = {phase: model.metrics.last("loss", phase) for phase in (None, "train", "test")}
    assert {phase: metric and metric.value for phase, metric in last.items()} == {None: 4, "train": 4, "test": 2}
    assert model.metrics.last("loss", "missing") is None
    assert model.metrics.last("missing") is None


def test_removed_point_is_gone_and_removing_again_is_no_error(model: Model) -> None:
    for number in range(3):
        model.metrics.log("loss", number)
    middle = model.metrics.list()[1]
    model.metrics.remove(middle)
    model.metrics.remove(middle)
    assert values(model) == [0, 2]
    model.metrics.log("loss", 3)
    assert middle.id not in {metric.id for metric in model.metrics.list()}


def test_point_is_not_removed_through_another_model(project: Project, model: Model) -> None:
    other = project.experiment("e").model("other")
    model.metrics.log("loss", 1)
    other.metrics.log("loss", 2)
    (metric,) = model.metrics.list()
    other.metrics.remove(metric)
    assert (values(model), values(other)) == ([1], [2])


def test_clear_removes_all_points_of_one_model(project: Project, model: Model) -> None:
    other = project.experiment("e").model("other")
    for each in (model, other):
        each.metrics.log("loss", 1)
    before = model.metrics.list()
    model.metrics.clear()
    model.metrics.clear()
    assert (values(model), values(other)) == ([], [1])
    model.metrics.log("loss", 2)
    assert {metric.id for metric in model.metrics.list()}.isdisjoint(metric.id for metric in before)


def test_ids_stay_the_same_and_are_all_different(project: Project, model: Model) -> None:
    other = project.experiment("e").model("other")
    for number in range(5):
        model.metrics.log("loss", number)
        other.metrics.log("loss", number)
    ids = [metric.id for each in (model, other) for metric in each.metrics.list()]
    assert len(set(ids)) == 10
    assert {id_.version for id_ in ids} == {8}
    assert [metric.id for each in (model, other) for metric in each.metrics.list()] == ids


def test_points_of_a_deleted_model_are_not_found(project: Project, model: Model) -> None:
    model.metrics.log("loss", 1)
    (metric,) = model.metrics.list()
    project.experiment("e").models.delete(model.id)
    for call in (model.metrics.list, lambda: model.metrics.last("loss")):
        with pytest.raises(errors.NotFound) as caught:
            call()
        assert caught.value.metadata["resource"] == "model"
    model.metrics.remove(metric)
    model.metrics.clear()


def test_points_of_another_model_are_stored_after_one_was_deleted(
    client: Client, project: Project, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    other = project.experiment("e").model("other")
    model.metrics.log("loss", 1)
    project.experiment("e").models.delete(model.id)
    for number in range(3):
        model.metrics.log("loss", number)
        client.flush()
    other.metrics.log("loss", 3)
    assert values(other) == [3]
    assert client.dropped_count == 3
    assert caplog.text.count(f"Records of model {model.id} are not stored") == 1


def test_repeated_batch_is_stored_once(client: Client, model: Model) -> None:
    writer = new_id()
    first = send(client, model, writer, 0, [0, 1, 2])
    assert (first.next_point, first.stored_count) == (3, 3)
    assert send(client, model, writer, 0, [0, 1, 2]) == first
    assert values(model) == [0, 1, 2]


def test_batch_cut_anew_adds_only_what_is_new(client: Client, model: Model) -> None:
    writer = new_id()
    send(client, model, writer, 0, [0, 1, 2])
    answer = send(client, model, writer, 1, [1, 2, 3, 4])
    assert (answer.next_point, answer.stored_count) == (5, 4)
    assert send(client, model, writer, 0, [0, 1]).next_point == 5
    assert values(model) == [0, 1, 2, 3, 4]


def test_gap_is_refused_with_the_number_to_go_on_from(client: Client, model: Model) -> None:
    writer = new_id()
    send(client, model, writer, 0, [0, 1])
    with pytest.raises(errors.Stale) as caught:
        send(client, model, writer, 3, [3])
    assert caught.value.metadata["expected"] == "2"
    with pytest.raises(errors.Stale) as caught:
        send(client, model, new_id(), 1, [1])
    assert caught.value.metadata["expected"] == "0"
    assert values(model) == [0, 1]


def test_writer_counts_over_all_models_of_a_project(client: Client, project: Project, model: Model) -> None:
    other = project.experiment("e").model("other")
    writer = new_id()
    send(client, model, writer, 0, [0])
    send(client, other, writer, 1, [1])
    assert send(client, model, writer, 2, [2]).next_point == 3
    assert (values(model), values(other)) == ([0, 2], [1])


def test_concurrent_repetitions_of_one_batch_store_it_once(client: Client, model: Model) -> None:
    writer = new_id()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: send(client, model, writer, 0, range(50)), range(16)))
    assert {answer.next_point for answer in answers} == {50}
    assert values(model) == list(range(50))


def test_concurrent_writers_keep_their_orders_exactly_once(server: Server, model: Model) -> None:
    def write(number: int) -> None:
        client = Client(server.api_key, server.address)
        writer = new_id()
        for first in range(0, 60, 5):
            for _ in range(2):
                send(
                    client,
                    model,
                    writer,
                    max(first - 3, 0),
                    [number * 100 + i for i in range(max(first - 3, 0), first + 5)],
                )
        client.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    stored = values(model)
    for number in range(8):
        assert [value for value in stored if value // 100 == number] == [number * 100 + i for i in range(60)]


def test_threads_of_one_client_log_in_their_orders(model: Model) -> None:
    def write(number: int) -> None:
        for step in range(25):
            model.metrics.log(f"loss {number}", step)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    for number in range(16):
        assert values(model, f"loss {number}") == list(range(25))


def test_point_is_stored_once_when_its_answer_was_lost(
    client: Client, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, lost = client.once, iter([True])

    def answer_lost(method: Any, request: Any, seconds: float) -> Any:
        answer = call(method, request, seconds)
        if method is client.stubs.ingest_batch and next(lost, False):
            raise errors.Unavailable("the answer is lost")
        return answer

    monkeypatch.setattr(client, "once", answer_lost)
    for number in range(3):
        model.metrics.log("loss", number)
        client.flush()
    assert next(lost, False) is False
    assert values(model) == [0, 1, 2]


def test_points_are_stored_once_when_the_server_has_forgotten_the_writer(
    client: Client, model: Model, backend: Backend
) -> None:
    """As when its database comes from a backup."""
    model.metrics.log("loss", 0)
    client.flush()
    engine = sqlalchemy.create_engine(backend.database_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("DELETE FROM writer"))
    engine.dispose()
    for number in range(1, 4):
        model.metrics.log("loss", number)
        client.flush()
    assert values(model) == [0, 1, 2, 3]


def test_many_points_are_listed_in_pages_that_fit_a_message(client: Client, model: Model) -> None:
    points = [
        pb.MetricPoint(name=f"n{number % 3}" + "x" * 200, json_value='"' + "y" * 300 + '"') for number in range(10_000)
    ]
    for part in range(2):
        request = pb.LogMetricsRequest(
            model_id=str(model.id), points=points[part::2], writer_id=new_id(), first_point=0
        )
        client.call(client.stubs.metrics.LogMetrics, request)
    assert len({metric.id for metric in model.metrics.list()}) == 10_000


def test_page_holds_as_many_points_as_asked_for(client: Client, model: Model) -> None:
    send(client, model, new_id(), 0, range(250))
    request = pb.ListMetricsRequest(model_id=str(model.id), page_size=100)
    sizes = []
    while True:
        response = client.call(client.stubs.metrics.ListMetrics, request)
        sizes.append(len(response.metrics))
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert sizes == [100, 100, 50]


def test_point_without_a_time_has_that_of_the_server(client: Client, model: Model) -> None:
    send(client, model, new_id(), 0, [1])
    (metric,) = model.metrics.list()
    assert abs(metric.time - datetime.now(UTC)) < timedelta(minutes=1)


def test_metric_cannot_be_changed_and_its_repr_is_short(model: Model) -> None:
    model.metrics.log("text", "x" * 10_000, 1, "train")
    (metric,) = model.metrics.list()
    with pytest.raises(AttributeError):
        metric.value = 1  # type: ignore[misc]
    assert len(repr(metric)) < 200
    assert isinstance(hash(metric), int)
    assert isinstance(metric, Metric)
