"""Arrays of any library that hold numbers are logged as the numbers they are, or refused."""

from array import array
from typing import Any

import numpy
import pandas
import pyarrow
import pytest

from xpstore.errors import InvalidArgument
from xpstore.model import Model

pytestmark = pytest.mark.client

LARGE = 2**53 + 1
FLOATS = [0.5, 1.0, 2.5]


def stored(model: Model) -> list[tuple[Any, int | None]]:
    return [(metric.value, metric.step) for metric in model.metrics.list("x")]


@pytest.mark.parametrize(
    "values",
    [
        pandas.Series(FLOATS, index=[7, 8, 9]),
        pandas.Series(FLOATS, dtype="float32"),
        pandas.Series(FLOATS, dtype="Float64"),
        pandas.Series(FLOATS, dtype=object),
        pandas.Series(FLOATS, dtype="category"),
        pandas.Series(FLOATS, dtype=pandas.ArrowDtype(pyarrow.float64())),
        pandas.Series(FLOATS, dtype=pandas.SparseDtype(float)),
        pandas.Index(FLOATS),
        pandas.array(FLOATS),
        pyarrow.array(FLOATS),
        pyarrow.chunked_array([FLOATS[:1], FLOATS[1:]]),
        numpy.ma.masked_array(FLOATS, [False] * 3),
        numpy.array(FLOATS * 2)[::-2][::-1].astype(">f8") - 0,
        [numpy.float32(value) for value in FLOATS],
        memoryview(array("d", FLOATS)),
        lambda: (value for value in FLOATS),  # each test has its own
    ],
    ids=lambda values: f"{type(values).__name__} {getattr(values, 'dtype', '')}",
)
def test_floats_of_any_kind_are_stored(model: Model, values: Any) -> None:
    values = values() if callable(values) else values
    given = FLOATS if not isinstance(values, numpy.ndarray) or numpy.ma.isMA(values) else values.tolist()
    model.metrics.log_arrays("x", [1, 2, 3], values)
    assert stored(model) == list(zip(given, (1, 2, 3), strict=True))
    assert {type(value) for value, _ in stored(model)} == {float}


@pytest.mark.parametrize(
    "values",
    [
        [LARGE, -LARGE, 0],
        pandas.Series([LARGE, -LARGE, 0]),
        pandas.array([LARGE, -LARGE, 0], dtype="Int64"),
        pyarrow.array([LARGE, -LARGE, 0]),
        [numpy.int64(LARGE), -LARGE, numpy.int8(0)],
        numpy.array([LARGE, -LARGE, 0], dtype=object),
        numpy.array([LARGE, -LARGE, 0], dtype=">i8"),
    ],
    ids=lambda values: f"{type(values).__name__} {getattr(values, 'dtype', '')}",
)
def test_integers_stay_integers(model: Model, values: Any) -> None:
    model.metrics.log_arrays("x", None, values)
    assert [value for value, _ in stored(model)] == [LARGE, -LARGE, 0]
    assert model.metrics.read("x").values.dtype == numpy.int64


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (numpy.array([2**64 - 1, 2**63, 1], "u8"), [2**64 - 1, 2**63, 1]),
        (numpy.array([2**64 - 1, 2**63, 1], ">u8"), [2**64 - 1, 2**63, 1]),
        (pandas.Series([2**64 - 1, 2**63, 1], dtype="UInt64"), [2**64 - 1, 2**63, 1]),
        ([LARGE, 0.5, 10**400], [LARGE, 0.5, 10**400]),
        ([True, 2, 0.5], [True, 2, 0.5]),
        (numpy.array([True, False, True]), [True, False, True]),
    ],
    ids=["uint64", "uint64 of another order", "UInt64", "integers that are no double", "boolean", "booleans"],
)
def test_what_no_column_can_say_is_stored_as_it_is(model: Model, values: Any, expected: list[Any]) -> None:
    model.metrics.log_arrays("x", [3, 4, 5], values)
    model.metrics.log("x", 0.5)
    found = stored(model)
    assert found == [*zip(expected, (3, 4, 5), strict=True), (0.5, None)]
    assert [type(value) for value, _ in found] == [*map(type, expected), float]
    assert list(model.metrics.read("x").values) == [*expected, 0.5]
    assert list(model.metrics.read("x").to_pandas().value) == [*expected, 0.5]


def test_small_unsigned_and_mixed_numbers_stay_in_columns(model: Model) -> None:
    model.metrics.log_arrays("x", None, numpy.array([0, 2**63 - 1], "u8"))
    model.metrics.log_arrays("y", None, [1, 0.5, 2**53])
    assert model.metrics.read("x").values.tolist() == [0, 2**63 - 1]
    assert model.metrics.read("y").values.tolist() == [1.0, 0.5, 2.0**53]


@pytest.mark.parametrize(
    "values",
    [
        pandas.array([1, None], dtype="Int64"),
        pandas.Series([0.5, None], dtype="Float64"),
        pandas.Series([0.5, None], dtype=object),
        pyarrow.array([1.5, None]),
        numpy.ma.masked_array([1.0, 2.0], [False, True]),
        [None, 1.0],
        pandas.Series(pandas.to_datetime(["2026-01-01"] * 2)),
        numpy.array([1, 2], "m8[ns]"),
        [numpy.timedelta64(1, "ns")] * 2,
        numpy.array([1, 2], "c16"),
        [1j, 2j],
        ["1", "2"],
        numpy.array([1, 2], numpy.longdouble),
        pandas.DataFrame({0: [1, 2], 1: [3, 4]}),
        numpy.array([[1], [2]]),
        numpy.array(5.0),
        {1: 0.5, 2: 0.25},
        {0.5, 0.25},
        b"ab",
        "ab",
    ],
    ids=lambda values: f"{type(values).__name__} {getattr(values, 'dtype', '')}",
)
def test_what_is_missing_or_no_number_is_refused(model: Model, values: Any) -> None:
    with pytest.raises(InvalidArgument, match="values"):
        model.metrics.log_arrays("x", None, values)
    assert model.metrics.list() == []


def test_nan_is_a_number_that_was_logged(model: Model) -> None:
    model.metrics.log_arrays("x", None, pandas.Series([0.5, None]))
    assert numpy.isnan(model.metrics.read("x").values).tolist() == [False, True]


@pytest.mark.parametrize(
    "steps",
    [
        pandas.Series([1, 2]),
        pandas.array([1, 2], dtype="Int64"),
        pandas.Index([1, 2]),
        pyarrow.array([1, 2]),
        [1.0, 2.0],
        numpy.array([1, 2], "f4"),
        numpy.array([1, 2], "u8"),
        lambda: (step for step in (1, 2)),
    ],
    ids=lambda steps: f"{type(steps).__name__} {getattr(steps, 'dtype', '')}",
)
def test_steps_of_any_kind_are_stored(model: Model, steps: Any) -> None:
    steps = steps() if callable(steps) else steps
    model.metrics.log_arrays("x", steps, [0.5, 0.25])
    assert stored(model) == [(0.5, 1), (0.25, 2)]


@pytest.mark.parametrize(
    "steps",
    [
        [1, 2.5],
        [1.0, float("nan")],
        [1.0, 1e300],
        [1, True],
        [1, None],
        [-1, 2],
        pandas.array([1, None], dtype="Int64"),
        numpy.array([1, 2**63], "u8"),
        numpy.ma.masked_array([1, 2], [False, True]),
        pandas.to_datetime(["2026-01-01", "2026-01-02"]),
    ],
    ids=repr,
)
def test_steps_that_are_no_integers_are_refused(model: Model, steps: Any) -> None:
    with pytest.raises(InvalidArgument, match="steps"):
        model.metrics.log_arrays("x", steps, [0.5, 0.25])
    assert model.metrics.list() == []
