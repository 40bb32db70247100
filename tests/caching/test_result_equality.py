"""Whether two results are equal: by their own equality, whatever they are in and however their bytes are."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression

from xpstore._caching.equality import is_equal


@dataclass
class Holder:
    """Its own equality cannot say: the truth of an array is ambiguous."""

    array: np.ndarray[Any, Any]


class Plain:
    """Without an equality of its own."""

    def __init__(self, number: int) -> None:
        self.number = number


def fitted(slope: float) -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0]], [0.0, slope])


def picture(value: float) -> Figure:
    figure = Figure()
    figure.figimage(np.full((4, 4), value))
    return figure


def table(*numbers: int) -> pa.Table:
    """In as many chunks as there are numbers."""
    return pa.table({"x": pa.chunked_array([[number] for number in numbers])})


NAN = float("nan")
EQUAL: list[tuple[Any, Any]] = [
    (1.5, 1.5),
    (0.0, -0.0),
    (NAN, -NAN),
    ([1, (NAN, {"a": [None]})], [1, (NAN, {"a": [None]})]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({1, 2}, {2, 1}),
    (np.array([1.0, NAN]), np.array([1.0, NAN])),
    (np.float32(NAN), np.float32(NAN)),
    (np.array(["a", "b"]), np.array(["a", "b"])),
    (np.array(["2026", "NaT"], "M8[s]"), np.array(["2026", "NaT"], "M8[s]")),
    (pd.DataFrame({"x": [1.0, NAN]}), pd.DataFrame({"x": [1.0, NAN]})),
    (pd.Series([1, 2], name="x"), pd.Series([1, 2], name="x")),
    (table(1, 2), table(1, 2).combine_chunks()),
    (Holder(np.arange(3)), Holder(np.arange(3))),
    (Plain(1), Plain(1)),
    (fitted(2.0), fitted(2.0)),
    (picture(0.5), picture(0.5)),
]
UNEQUAL: list[tuple[Any, Any]] = [
    (1, 1.0),
    (1, True),
    ([1], (1,)),
    ([1], [1, 2]),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": np.arange(2)}, {"a": np.arange(1, 3)}),
    (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
    (np.array([1.0]), np.array([1.0 + 1e-12])),
    (np.arange(3, dtype="i4"), np.arange(3, dtype="i8")),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    (pd.DataFrame({"x": [1]}), pd.DataFrame({"y": [1]})),
    (table(1, 2), table(2, 1)),
    (Holder(np.arange(3)), Holder(np.arange(4))),
    (Plain(1), Plain(2)),
    (fitted(2.0), fitted(3.0)),
    (picture(0.5), picture(0.25)),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal(one: Any, other: Any) -> None:
    assert is_equal(one, other) and is_equal([{"a": one}], [{"a": other}])


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_unequal(one: Any, other: Any) -> None:
    assert not is_equal(one, other) and not is_equal((one,), (other,))


def test_paths_are_what_they_lead_to(tmp_path: Path) -> None:
    for folder, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text(text)
    first, second, third = (tmp_path / folder / "file" for folder in "abc")
    assert is_equal(first, second) and not is_equal(first, third)
    assert is_equal(first.parent, second.parent) and not is_equal(first.parent, third.parent)
