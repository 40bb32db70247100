"""What the calls that log take, in which order it is stored, and what they refuse."""

from typing import Any

import pytest

from xpstore import Client
from xpstore.errors import InvalidArgument
from xpstore.model import Model

pytestmark = pytest.mark.client


def test_points_of_one_name_keep_their_order_whatever_their_kinds(model: Model) -> None:
    logged = [1, 0.5, "text", 2, None, 0.25, {"a": 1}, 2**70, 3, True]
    for step, value in enumerate(logged):
        model.metrics.log("mixed", value, step if step % 3 else None)
    model.metrics.log_arrays("mixed", [20, 21], [20.5, 21.5])
    model.metrics.log("mixed", 22)
    stored = model.metrics.list()
    assert [metric.value for metric in stored] == [*logged, 20.5, 21.5, 22]
    assert [metric.step for metric in stored] == [
        *(step if step % 3 else None for step in range(len(logged))),
        20,
        21,
        None,
    ]


def test_log_many_logs_a_point_of_each_name_or_none(model: Model) -> None:
    model.metrics.log_many({"loss": 0.5, "accuracy": 1, "note": "x"}, step=3, phase="train")
    stored = {metric.name: (metric.value, metric.step, metric.phase) for metric in model.metrics.list()}
    assert stored == {"loss": (0.5, 3, "train"), "accuracy": (1, 3, "train"), "note": ("x", 3, "train")}
    for bad in ({"loss": 1, "": 2}, {"loss": 1, "other": object()}):
        with pytest.raises(InvalidArgument):
            model.metrics.log_many(bad)
    for options in ({"step": -1}, {"phase": ""}):
        with pytest.raises(InvalidArgument):
            model.metrics.log_many({"loss": 1}, **options)
    assert len(model.metrics.list()) == 3


@pytest.mark.parametrize("kind", ["list", "range", "numpy float32", "numpy int32", "array"])
def test_log_arrays_takes_any_sequence_of_numbers(model: Model, kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    from array import array

    given: dict[str, Any] = {
        "list": [0.5, 1, 2.5],
        "range": range(3),
        "numpy float32": numpy.array([0.5, 1, 2.5], "f4"),
        "numpy int32": numpy.arange(3, dtype="i4"),
        "array": array("d", [0.5, 1, 2.5]),
    }
    model.metrics.log_arrays("loss", range(3), given[kind], "train")
    model.metrics.log_arrays("loss", None, given[kind])
    train, without = model.metrics.read("loss", "train"), model.metrics.list("loss")[3:]
    assert list(train.values) == [metric.value for metric in without] == list(given[kind])
    assert (list(train.steps), [metric.step for metric in without]) == ([0, 1, 2], [None] * 3)
    assert {type(metric.value) for metric in without} == {int if kind in ("range", "numpy int32") else float}


def test_log_arrays_of_many_points_keeps_them_all(model: Model) -> None:
    numpy = pytest.importorskip("numpy")
    values = numpy.random.default_rng(1).random(300_000)
    model.metrics.log_arrays("loss", numpy.arange(300_000), values)
    read = model.metrics.read("loss")
    assert (read.values == values).all()
    assert (read.steps == numpy.arange(300_000)).all()


@pytest.mark.parametrize(
    ("steps", "numbers"),
    [([1], [1.0, 2.0]), ([-1], [1.0]), ([0.5], [1.0]), ([1], ["x"]), (None, [[1.0]]), (None, 5), ([2**63], [1.0])],
)
def test_malformed_arrays_are_refused_at_the_call(model: Model, steps: Any, numbers: Any) -> None:
    with pytest.raises(InvalidArgument):
        model.metrics.log_arrays("loss", steps, numbers)
    assert model.metrics.list() == []


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "\ud800"])
def test_malformed_names_are_refused_at_the_call(model: Model, client: Client, name: str) -> None:
    for call in (
        lambda: model.metrics.log(name, 1),
        lambda: model.metrics.log("loss", 1, phase=name),
        lambda: model.metrics.log_arrays(name, None, [1]),
        lambda: model.modules.log(name),
        lambda: model.tags.add(name),
    ):
        with pytest.raises(InvalidArgument):
            call()
    assert client.dropped_count == 0
    assert model.metrics.list() == []


def test_many_new_names_at_once_are_all_there(model: Model, client: Client) -> None:
    names = [f"name {number}" for number in range(5_000)]
    model.metrics.log_many({name: number for number, name in enumerate(names)}, step=1)
    client.flush(120)
    stored = model.metrics.list()
    assert [(metric.name, metric.value, metric.step) for metric in stored] == [
        (name, number, 1) for number, name in enumerate(names)
    ]
