"""Pairs of values that some function tells apart, however alike they are: two fingerprints."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import itertools
import math
import os
import threading
from collections.abc import Callable
from pathlib import Path, PurePath
from types import MappingProxyType, SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from xpstore._identity import values
from xpstore._identity.process import fingerprint
from xpstore.errors import InvalidArgument

LAGOS, PARIS = ZoneInfo("Africa/Lagos"), ZoneInfo("Europe/Paris")
WINTER = datetime.datetime(2026, 1, 1)
HOUR = datetime.timedelta(hours=1)


class Shout(str):
    def __str__(self) -> str:
        return self.upper()


class Color(enum.StrEnum):
    RED = "red"


@dataclasses.dataclass
class Order:
    x: int


class Plain:
    others: Any
    below: Any

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def show(self) -> str:
        return str(vars(self))


class Bag(collections.defaultdict[str, int]):
    pass


class Tagged(np.ndarray[Any, Any]):
    unit: str


class Ratio(decimal.Decimal):
    pass


def tagged(unit: str) -> Tagged:
    made = np.zeros(2).view(Tagged)
    made.unit = unit
    return made


def beside(value: Any, **attributes: Any) -> Any:
    for name, item in attributes.items():
        setattr(value, name, item)
    return value


def noted(value: Any, **attrs: Any) -> Any:
    value.attrs.update(attrs)
    return value


def objects(*items: Any) -> pd.Series:
    return pd.Series([*items], dtype=object)


def frame() -> pd.DataFrame:
    return pd.DataFrame({"x": [1]})


def table(**options: Any) -> pa.Table:
    return pa.table({"x": [1]}, pa.schema([pa.field("x", pa.int64(), **options)]))


SQUARE = np.arange(4.0).reshape(2, 2)
LEVELS = pd.MultiIndex.from_tuples([("a", 1), ("b", 2), ("c", 3)])
BINARY: Callable[[Any], Any] = lambda dtype: np.array([1, 2], dtype)  # noqa: E731

PAIRS: dict[str, tuple[Any, Any]] = {
    # Time
    "zone": (WINTER.replace(tzinfo=LAGOS), WINTER.replace(tzinfo=PARIS)),
    "zone of a fixed offset": (WINTER.replace(tzinfo=PARIS), WINTER.replace(tzinfo=datetime.timezone(HOUR))),
    "name of an offset": (datetime.timezone(HOUR), datetime.timezone(HOUR, "CET")),
    "UTC": (WINTER.replace(tzinfo=datetime.UTC), WINTER.replace(tzinfo=ZoneInfo("UTC"))),
    "zone of a time": (datetime.time(1, tzinfo=LAGOS), datetime.time(1, tzinfo=PARIS)),
    "no zone": (datetime.time(1, tzinfo=PARIS), datetime.time(1)),
    "fold": (WINTER, WINTER.replace(fold=1)),
    "fold of a time": (datetime.time(1), datetime.time(1, fold=1)),
    "zone of a Timestamp": (pd.Timestamp(WINTER, tz=LAGOS), pd.Timestamp(WINTER, tz=PARIS)),
    "unit of a Timestamp": (pd.Timestamp(WINTER).as_unit("s"), pd.Timestamp(WINTER).as_unit("ns")),
    "unit of a Timedelta": (pd.Timedelta(HOUR).as_unit("s"), pd.Timedelta(HOUR).as_unit("ns")),
    "fold of a Timestamp": (
        pd.Timestamp(2026, 10, 25, 2, 30, tz=PARIS, fold=0),
        pd.Timestamp(2026, 10, 25, 2, 30, tz=PARIS, fold=1),
    ),
    "zone of a column": (
        pd.Series(pd.to_datetime([WINTER]).tz_localize(LAGOS)),
        pd.Series(pd.to_datetime([WINTER]).tz_localize(PARIS)),
    ),
    "unit of a column": (pd.Series([WINTER], dtype="M8[s]"), pd.Series([WINTER], dtype="M8[ms]")),
    "zone in a column of objects": (objects(WINTER.replace(tzinfo=LAGOS)), objects(WINTER.replace(tzinfo=PARIS))),
    "zone of an Arrow column": (
        pa.array([0], pa.timestamp("s", "Africa/Lagos")),
        pa.array([0], pa.timestamp("s", "Europe/Paris")),
    ),
    "unit in numpy": (np.datetime64(0, "s"), np.datetime64(0, "ms")),
    "steps of an index": (pd.DatetimeIndex(["2026-01-01", "2026-01-02"]), pd.date_range("2026-01-01", periods=2)),
    # Order
    "order of a dict": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "order inside of a list": ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]),
    "order of a Counter": (collections.Counter("ab"), collections.Counter("ba")),
    "order of a defaultdict": (
        collections.defaultdict(int, {"a": 1, "b": 2}),
        collections.defaultdict(int, {"b": 2, "a": 1}),
    ),
    "order of a mapping": (MappingProxyType({"a": 1, "b": 2}), MappingProxyType({"b": 2, "a": 1})),
    "order of categories": (pd.Categorical(["a"], ["a", "b"]), pd.Categorical(["a"], ["b", "a"])),
    "order of words in Arrow": (
        pa.DictionaryArray.from_arrays([0, 1], ["a", "b"]),
        pa.DictionaryArray.from_arrays([1, 0], ["b", "a"]),
    ),
    # Notes beside
    "attrs of a frame": (noted(frame(), unit="m"), noted(frame(), unit="km")),
    "attrs of a series": (noted(objects(1), unit="m"), noted(objects(1), unit="km")),
    "key of attrs": (noted(frame(), unit=1), noted(frame(), units=1)),
    "attribute of a frame": (frame(), beside(frame().set_flags(), note=1)),
    "flags of a frame": (frame(), frame().set_flags(allows_duplicate_labels=False)),
    "metadata of a schema": (table(), table().replace_schema_metadata({"unit": "m"})),
    "metadata of a field": (table(), table(metadata={"unit": "m"})),
    "nullable": (table(), table(nullable=False)),
    "nullable inside": (
        pa.array([[1]], pa.list_(pa.field("item", pa.int64()))),
        pa.array([[1]], pa.list_(pa.field("item", pa.int64(), nullable=False))),
    ),
    "name of what is in a list": (
        pa.array([[1]], pa.list_(pa.field("item", pa.int64()))),
        pa.array([[1]], pa.list_(pa.field("element", pa.int64()))),
    ),
    "attribute of a data class": (Order(1), beside(Order(1), note=1)),
    "attribute of an array": (tagged("m"), tagged("km")),
    "attribute of a defaultdict": (Bag(int), beside(Bag(int), note=1)),
    "attribute of a decimal": (Ratio(1), beside(Ratio(1), note=1)),
    # Types of elements
    "byte order": (BINARY("<i4"), BINARY(">i4")),
    "byte order of text": (np.array(["a"], "<U1"), np.array(["a"], ">U1")),
    "byte order of a type": (np.dtype("<i4"), np.dtype(">i4")),
    "byte order in records": (np.zeros(1, "<i4,<i4"), np.zeros(1, "<i4,>i4")),
    "padding": (np.zeros(1, "i1,i4"), np.zeros(1, np.dtype("i1,i4", align=True))),
    "types of records": (np.dtype("i1,i4"), np.dtype("i1,i4", align=True)),
    "Fortran": (SQUARE, np.asfortranarray(SQUARE)),
    "Fortran of objects": (SQUARE.astype(object), np.asfortranarray(SQUARE.astype(object))),
    "matrix": (SQUARE, np.asmatrix(SQUARE)),
    "recarray": (np.zeros(1, "i4,i4"), np.zeros(1, "i4,i4").view(np.recarray)),
    "what is masked": (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, False])),
    "what is under a mask": (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 3], mask=[False, True])),
    "what fills a mask": (np.ma.array([1], fill_value=0), np.ma.array([1], fill_value=1)),
    "hard mask": (np.ma.array([1]), np.ma.array([1], hard_mask=True)),
    "array of Python's": (array.array("i", [1]), array.array("h", [1])),
    "text and StringDType": (np.array(["a"]), np.array(["a"], np.dtypes.StringDType())),
    "object and str": (pd.Series(["a"], dtype=object), pd.Series(["a"], dtype="str")),
    "str and string": (pd.Series(["a"], dtype="str"), pd.Series(["a"], dtype="string")),
    "string of two storages": (pd.Series(["a"], dtype="string[python]"), pd.Series(["a"], dtype="string[pyarrow]")),
    "string and Arrow": (pd.Series(["a"], dtype="string[pyarrow]"), pd.Series(["a"], dtype=pd.ArrowDtype(pa.string()))),
    "Int64 and Arrow": (pd.Series([1], dtype="Int64"), pd.Series([1], dtype=pd.ArrowDtype(pa.int64()))),
    "boolean and bool": (pd.Series([True], dtype="boolean"), pd.Series([True])),
    "object and int": (objects(1), pd.Series([1])),
    "object and bool": (objects(True), pd.Series([True])),
    "large text": (pa.array(["a"]), pa.array(["a"], pa.large_string())),
    "large list": (pa.array([[1]]), pa.array([[1]], pa.large_list(pa.int64()))),
    "type of indices": (
        pa.array(["a"], pa.dictionary(pa.int8(), pa.string())),
        pa.array(["a"], pa.dictionary(pa.int32(), pa.string())),
    ),
    "width of a decimal": (
        pa.array([decimal.Decimal(1)], pa.decimal128(9, 2)),
        pa.array([decimal.Decimal(1)], pa.decimal256(9, 2)),
    ),
    "text and binary": (pa.array(["a"]), pa.array([b"a"])),
    "range and index": (pd.RangeIndex(2), pd.Index([0, 1])),
    "index of a frame": (frame(), frame().set_axis(pd.Index([0]))),
    "end of a range": (pd.RangeIndex(0, 4, 2), pd.RangeIndex(0, 3, 2)),
    "unused level": (LEVELS[:2], LEVELS[:2].remove_unused_levels()),
    "categories of numbers": (pd.Series([1], dtype="category"), pd.Series([1])),
    "sparse": (pd.Series([0, 1]), pd.Series(pd.arrays.SparseArray([0, 1]))),
    "what fills a sparse column": (
        pd.arrays.SparseArray([1.5], fill_value=0.0),
        pd.arrays.SparseArray([1.5], fill_value=1.0),
    ),
    "frequency of a period": (pd.Period("2026-01", "M"), pd.Period("2026-01-01", "D")),
    "side of an interval": (pd.Interval(0, 1, "left"), pd.Interval(0, 1, "right")),
    "offset": (pd.offsets.MonthEnd(1), pd.offsets.MonthEnd(2)),
    "offset of another kind": (pd.offsets.MonthEnd(1), pd.offsets.MonthBegin(1)),
    "ufunc": (np.log, np.log2),
    "argument of a partial": (functools.partial(int, base=2), functools.partial(int, base=3)),
    "object of a method": (Plain(a=1).show, Plain(a=2).show),
    "title of a field": (np.zeros(1, [(("a", "x"), "i4")]), np.zeros(1, [(("b", "x"), "i4")])),
    "method of a list": ([1].count, [2].count),
    "method of a text": ("a".upper, "b".upper),
    "method that Python makes": ("a".__add__, "b".__add__),
    "masked": (np.ma.masked, np.ma.array([1], mask=True)),
    # What is missing
    **{
        f"{type(one).__name__} and {type(other).__name__} are missing": (objects("a", one), objects("a", other))
        for one, other in itertools.combinations([None, math.nan, pd.NaT, pd.NA], 2)
    },
    "null and NaN in Arrow": (pa.array([None], pa.float64()), pa.array([math.nan])),
    "NaT of two types": (objects(pd.NaT), objects(np.datetime64("NaT"))),
    "zero of two signs": (0.0, -0.0),
    "null or empty": (pa.array([None], pa.string()), pa.array([""])),
    # Text
    "text and its subclass": (objects("a"), objects(Shout("a"))),
    "text and an enum": (objects("red"), objects(Color.RED)),
    "text and numpy's": (objects("a"), objects(np.str_("a"))),
    "text and an enum in a list": (["red"], [Color.RED]),
    # Objects
    "attribute": (Plain(a=1), Plain(a=2)),
    "name of an attribute": (Plain(a=1), Plain(b=1)),
    "attribute in an attribute": (Plain(a=Plain(a=[1])), Plain(a=Plain(a=[2]))),
    "no attribute": (Plain(), Plain(a=None)),
    "array in an attribute": (Plain(a=np.zeros(2)), Plain(a=np.zeros(3))),
    "hidden part of a result": (
        os.stat_result([0] * 10, {"st_mtime_ns": 1}),
        os.stat_result([0] * 10, {"st_mtime_ns": 2}),
    ),
    "exception": (ValueError("a"), ValueError("b")),
    "kind of an exception": (ValueError("a"), KeyError("a")),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_what_a_function_can_tell_apart_differs(name: str) -> None:
    one, other = PAIRS[name]
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint([one]) != fingerprint([other])
    assert fingerprint(Order(one)) != fingerprint(Order(other))


def test_what_only_the_spelling_tells_apart_agrees() -> None:
    assert fingerprint(Plain(a=1, b=2)) == fingerprint(Plain(b=2, a=1))
    assert fingerprint(SimpleNamespace(a=1, b=2)) == fingerprint(SimpleNamespace(b=2, a=1))
    assert fingerprint({math.nan: 1, -math.nan: 2}) == fingerprint({-math.nan: 1, math.nan: 2})
    assert fingerprint(np.array([np.nan])) == fingerprint(np.array([-np.nan]))
    assert fingerprint(WINTER.replace(tzinfo=PARIS)) == fingerprint(
        WINTER.replace(tzinfo=ZoneInfo.no_cache("Europe/Paris"))
    )
    assert fingerprint(np.memmap) == fingerprint(np.memmap)


@pytest.mark.parametrize("library", ["pytz", "dateutil.tz"])
def test_zones_of_other_libraries(library: str) -> None:
    zones = pytest.importorskip(library, reason=f"{library} is not installed")

    def made(name: str) -> datetime.datetime:
        if library == "pytz":
            zoned: datetime.datetime = zones.timezone(name).localize(WINTER)
            return zoned
        return WINTER.replace(tzinfo=zones.gettz(name))

    found = [fingerprint(made(name)) for name in ("Africa/Lagos", "Europe/Paris", "Europe/Berlin")]
    assert len({*found, fingerprint(WINTER.replace(tzinfo=PARIS))}) == 4
    assert found[1] == fingerprint(made("Europe/Paris"))


def test_name_of_a_file_counts_and_where_it_lies_does_not(tmp_path: Path) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        for name in ("a.csv", "a.tsv", "b.csv"):
            (tmp_path / place / name).write_text("1,2")
    here = {name: fingerprint(tmp_path / "here" / name) for name in ("a.csv", "a.tsv", "b.csv")}
    assert len({*here.values()}) == 3
    assert here["a.csv"] == fingerprint(tmp_path / "there" / "a.csv")
    assert fingerprint(tmp_path / "here") == fingerprint(tmp_path / "there")


class Nothing:
    """The follower of values in which there is nothing to follow."""

    def code(self, value: Any) -> str:
        raise AssertionError(value)

    def met(self, value: Any) -> None:
        pass


def as_global(value: Any) -> str:
    return values.fingerprint(value, follower=Nothing(), is_global=True)


def test_path_as_a_global_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    before = as_global({"root": tmp_path / "file"})
    (tmp_path / "file").write_text("2")
    assert as_global({"root": tmp_path / "file"}) == before != as_global({"root": str(tmp_path / "file")})
    assert as_global(Path("no such file")) != as_global(Path("no such other file"))
    assert as_global(PurePath("a")) == as_global(Path("a"))


def test_what_computes_nothing_is_its_type_as_a_global() -> None:
    import asyncio
    import logging
    import multiprocessing

    idle: list[Any] = [
        threading.Lock(), threading.RLock(), threading.Event(), threading.Condition(), threading.Semaphore(2),
        asyncio.Lock(), asyncio.Event(), multiprocessing.Lock(), multiprocessing.Event(), logging.getLogger("a"),
    ]  # fmt: skip
    assert len({as_global(value) for value in idle}) == len(idle)
    assert as_global(threading.Lock()) == as_global(threading.Lock())
    assert as_global(Plain(lock=threading.Lock(), a=1)) == as_global(Plain(lock=threading.Lock(), a=1))
    assert as_global(logging.getLogger("a")) == as_global(logging.getLogger("b"))


def entangled(*, is_short: bool) -> list[Any]:
    """A list that comes back to itself after one step or two."""
    values: list[Any] = []
    values.append(values if is_short else [values])
    return values


def test_values_that_contain_themselves() -> None:
    assert fingerprint(entangled(is_short=True)) == fingerprint(entangled(is_short=True))
    assert fingerprint(entangled(is_short=True)) != fingerprint(entangled(is_short=False))
    inner: list[Any] = []
    shared = [inner, [inner]]
    inner.append(shared)
    one: list[Any] = []
    other: list[Any] = [[one]]
    one.append(other)
    assert len({fingerprint(value) for value in (inner, shared, one, other)}) >= 3


def test_object_that_has_its_own_methods_in_it() -> None:
    def made(number: int) -> Plain:
        plain = Plain(number=number)
        plain.others = [plain.__format__, functools.partial(plain.__format__, "")]
        return plain

    assert fingerprint(made(1)) == fingerprint(made(1)) != fingerprint(made(2))


def test_dense_graph_is_refused_soon_and_a_tree_is_not() -> None:
    nodes = [Plain() for _ in range(30)]
    for node in nodes:
        node.others = [*nodes]
    with pytest.raises(InvalidArgument, match="too many of the objects in it refer to each other"):
        fingerprint(nodes)
    root = parent = Plain(parent=None, below=[])
    for _ in range(2_000):
        child = Plain(parent=parent, below=[])
        parent.below.append(child)
        parent = child
    assert fingerprint(root) == fingerprint(root)


def test_objects_in_a_value_are_told_to_the_follower() -> None:
    class Follower(Nothing):
        def __init__(self) -> None:
            self.seen = list[type]()

        def met(self, value: Any) -> None:
            self.seen.append(type(value))

    follower = Follower()
    values.fingerprint([{"a": Plain(inner=Order(1))}, objects(Color.RED)], follower=follower)
    assert {Plain, Order, Color} <= {*follower.seen}
