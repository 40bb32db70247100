"""Kinds of arrays, frames and tables that cached functions are given and return."""

import datetime
import decimal
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure

from support.fingerprints.values import labelled, scale, sparse
from support.kinds import own

Kinds = dict[str, Callable[[], Any]]


def _noted(frame: Any, **attrs: Any) -> Any:
    frame.attrs.update(attrs)
    return frame


def _column(values: Any, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values, dtype=dtype)})


def _unique(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_flags(allows_duplicate_labels=False)


def _grid(rows: int = 2, **more: Any) -> pd.DataFrame:
    return pd.DataFrame(np.arange(2.0 * rows).reshape(rows, 2), **more)


def _figure() -> Figure:
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.add_subplot().plot([1, 3, 2])
    return figure


def _levels(**names: Any) -> pd.MultiIndex:
    return pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], **names)


def _zoned(zone: str, **unit: Any) -> pd.DataFrame:
    return _column(pd.date_range("2026-10-25 02:00", periods=2, freq="h", tz=zone, **unit))


def _masked_nan() -> Any:
    return pd.arrays.FloatingArray(np.array([math.nan, 1]), np.array([False, True]))


def _union() -> Any:
    return pa.UnionArray.from_sparse(pa.array([0, 1], "i1"), [pa.array([1, 2]), pa.array(["a", "b"])])


UNITS = ("s", "ms", "us", "ns")
NULLABLE = ("Int8", "UInt64", "Float32", "boolean")
WORDS = pd.Index(["b", "a"], dtype=object)
FIELD = pa.field("x", pa.int8(), False, {"a": "b"})
RECORD = np.dtype([("a", "i1"), ("b", "f8")])
PADDED = np.dtype({"names": ["a", "b"], "formats": ["i1", "f8"], "offsets": [0, 8], "itemsize": 24})
ARRAYS: Kinds = {
    "array of floats": lambda: np.array([[0.5, -0.0], [math.nan, math.inf]]),
    "array in Fortran's order": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "rows of an array in Fortran's order": lambda: np.asfortranarray(np.arange(12.0).reshape(4, 3))[:2],
    "array with axes in another order": lambda: np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    "array with steps": lambda: np.arange(10)[::3],
    "array backwards": lambda: np.arange(10)[::-1],
    "array that repeats an element": lambda: np.broadcast_to(np.float32(1), (2, 3)),
    "array that is read-only": lambda: _read_only(np.arange(3)),
    "array without dimensions": lambda: np.array(5, "i2"),
    "array without elements": lambda: np.zeros((0, 3), "f2"),
    "array, big-endian": lambda: np.arange(3, dtype=">i4"),
    "array of half floats": lambda: np.array([1.5], "f2"),
    "array of long doubles": lambda: np.array([1.5], "longdouble"),
    "array of complex": lambda: np.array([1j]),
    "array of bool": lambda: np.array([True, False]),
    "array of text": lambda: np.array(["a", "bcd"]),
    "array of empty text": lambda: np.array(["", ""], "U0"),
    "array of bytes": lambda: np.array([b"a", b"bc\0d"]),
    "array of instants": lambda: [np.array(["2026-01-01", "NaT"], f"M8[{unit}]") for unit in ("D", "ns", "10s")],
    "array of durations": lambda: np.array([1, 2], "m8[h]"),
    "array of raw bytes": lambda: np.array([b"abcd"], "V4"),
    "array of records": lambda: np.array([(1, 2.5)], RECORD),
    "array of records, padded": lambda: np.array([(1, 2.5)], PADDED),
    "array of records, aligned": lambda: np.array([(1, 2.5)], np.dtype(RECORD.descr, align=True)),
    "array of records with titles": lambda: np.array([(1,)], [(("title", "a"), "i1")]),
    "array of records of objects": lambda: np.array([(1, "a")], [("a", "i1"), ("b", "O")]),
    "array of a type with metadata": lambda: np.array([1.5], np.dtype("f8", metadata={"unit": "m"})),
    "array of objects": lambda: np.array([[None, 1, "a"], [1.5, [1], decimal.Decimal("1.0")]], object),
    "array of arrays": lambda: np.array([np.arange(2), np.arange(3), None], object)[:2],
    "array of own plain objects": lambda: np.array([own.Plain(1)], object),
    "array of texts of any length": lambda: np.array(["a", "b" * 99], np.dtypes.StringDType()),
    "record array": lambda: np.rec.array([(1, 2.5)], dtype=RECORD),
    "masked array": lambda: np.ma.masked_invalid([1.0, math.nan]),
    "matrix of numpy": lambda: np.asmatrix(np.eye(2)),
    "array of an own subclass": labelled,
    "scalars": lambda: [np.float32(1.1), np.int64(-5), np.uint8(1), np.bool_(True), np.complex64(1j), np.float16(1)],
    "float64 scalar NaN": lambda: np.float64("nan"),
    "scalar of text": lambda: [np.str_("ü"), np.str_(""), np.bytes_(b"a")],
    "scalar of an instant": lambda: [np.datetime64("2026-01-01"), np.datetime64("NaT", "ns"), np.timedelta64(1, "s")],
    "scalar of a long double": lambda: np.longdouble(1.5),
    "scalar of records": lambda: np.array([(1, 2.5)], RECORD)[0],
    "element type": lambda: np.dtype("f8"),
    "universal function": lambda: np.log,
    "random generator of numpy": lambda: np.random.default_rng(0),
}


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


FRAMES: Kinds = {
    "frame of numbers": lambda: pd.DataFrame({"x": [1, 2], "y": [0.5, math.nan], "b": [True, False]}),
    "empty frame": pd.DataFrame,
    "frame without columns": lambda: pd.DataFrame(index=[1, 2]),
    "frame without rows": lambda: pd.DataFrame({"x": pd.Series([], dtype="f4"), "w": pd.Series([], dtype="str")}),
    "frame with `attrs`": lambda: _noted(_grid(), unit="m", shape=(1, 2), nested={1: {"a": None}}),
    "frame whose labels must be unique": lambda: _unique(_grid()),
    "frame with numbered columns": _grid,
    "frame with columns of integers": lambda: _grid(columns=[3, 1]),
    "frame with columns of floats": lambda: _grid(columns=[0.5, 1.5]),
    "frame with columns of two types": lambda: _grid(columns=["a", 1]),
    "frame with columns of tuples": lambda: _grid(columns=pd.Index([("a", 1), ("b", 2)], tupleize_cols=False)),
    "frame with the same column twice": lambda: _grid(columns=["a", "a"]),
    "frame with a name of its columns": lambda: _grid(columns=pd.Index(["a", "b"], name="k")),
    "frame with columns of levels": lambda: _grid(columns=_levels(names=["l", 2])),
    "frame with columns of instants": lambda: _grid(columns=pd.date_range("2026-01-01", periods=2)),
    "frame with columns of categories": lambda: _grid(columns=pd.CategoricalIndex(["b", "a"])),
    "frame with an index of text": lambda: _grid(index=["b", "a"]),
    "frame with an index that is named as a column": lambda: pd.DataFrame({"k": [1]}, index=pd.Index([2], name="k")),
    "frame with a stepped index": lambda: _grid(index=pd.RangeIndex(10, 0, -5, name="k")),
    "frame with an index of floats": lambda: _grid(index=[0.5, math.nan]),
    "frame with an index of objects": lambda: _grid(index=pd.Index(["a", 1], dtype=object)),
    "frame with an index of days": lambda: _grid(index=pd.date_range("2026-01-01", periods=2, freq="D", tz="UTC")),
    "frame with an index of levels": lambda: _grid(index=_levels()),
    "frame with unused levels": lambda: _grid(3, index=pd.MultiIndex.from_product([["a", "b", "c"], [1]])).iloc[:2],
    "frame with an index of intervals": lambda: _grid(index=pd.interval_range(0, 2)),
    "frame with an index of periods": lambda: _grid(index=pd.period_range("2026-01", periods=2, freq="Q-MAR")),
    "frame in Fortran's order": lambda: pd.DataFrame(np.asfortranarray(np.arange(4.0).reshape(2, 2))),
    "column of text": lambda: _column(["a", None], "str"),
    "column of text in objects": lambda: _column(["a", None], object),
    "column of text of pyarrow": lambda: _column(["a", None], "string[pyarrow]"),
    "column of text of Python": lambda: _column(["a", None], "string[python]"),
    "column of text of Python, NaN missing": lambda: _column(["a", None], pd.StringDtype("python", na_value=math.nan)),
    "column of text with half of a surrogate": lambda: _column(["a\ud800"], object),
    "column of None and NaN": lambda: _column([None, math.nan, pd.NaT, pd.NA], object),
    "column of two types": lambda: _column([1, "a", 1.5, b"b"], object),
    "column of bools and None": lambda: _column([True, None], object),
    "column of Decimals": lambda: _column([decimal.Decimal("1.0"), decimal.Decimal("1.00")], object),
    "column of dates": lambda: _column([datetime.date(2026, 1, 1), None], object),
    "column of datetimes": lambda: _column([datetime.datetime(2026, 1, 1)], object),
    "column of lists": lambda: _column([[1, 2], [], None], object),
    "column of tuples": lambda: _column([(1, 2), ()], object),
    "column of dicts": lambda: _column([{"b": 1, "a": 2}, {"a": 1}], object),
    "column of arrays": lambda: _column([np.arange(2), np.arange(3)], object),
    "column of sets": lambda: _column([{1}], object),
    "column of data classes": lambda: _column([own.Frozen(1)], object),
    "column of frames": lambda: _column([_grid()], object),
    "column of plain objects": lambda: _column([own.Plain(1)], object),
    "column of complex": lambda: _column([1j]),
    "column of half floats": lambda: _column(np.array([1.5], "f2")),
    "column, big-endian": lambda: _column(np.array([1, 2], ">i4")),
    "columns of instants in each unit": lambda: pd.DataFrame(
        {u: np.array([1, 2], f"M8[{u}]") for u in ("s", "ms", "us", "ns")}
    ),
    "column of durations": lambda: pd.DataFrame({u: np.array([1, 2], f"m8[{u}]") for u in UNITS}),
    "column of instants in a zone": lambda: _column(
        pd.date_range("2026-10-25", periods=2, freq="h", tz="Europe/Paris")
    ),
    "column of instants with an offset": lambda: _column([pd.Timestamp("2026-01-01T00:00+02:00")]),
    "column of instants in UTC": lambda: pd.concat([_zoned("UTC"), _column([pd.Timestamp(0, tz="utc")])], axis=1),
    "column of instants in seconds in a zone": lambda: _column(
        pd.date_range("2026", periods=1, tz="Europe/Paris", unit="s")
    ),
    "column of instants of dateutil's zone": lambda: _column(
        pd.date_range("2026", periods=1, tz="dateutil/Europe/Paris")
    ),
    "column of categories": lambda: _column(pd.Categorical(["b", None, "a"], ["c", "b", "a"], ordered=True)),
    "column of categories of numbers": lambda: _column(pd.Categorical([3, 1, None])),
    "column of categories of intervals": lambda: _column(pd.cut([1, 5], [0, 2, 6])),
    "column of categories of text in objects": lambda: _column(
        pd.Categorical(["a"], pd.Index(["b", "a"], dtype=object))
    ),
    "nullable columns": lambda: pd.DataFrame(
        {k: pd.array([1, None], k) for k in ("Int8", "UInt64", "Float32", "boolean")}
    ),
    "nullable column with NaN": lambda: _column(
        pd.arrays.FloatingArray(np.array([math.nan, 1]), np.array([False, True]))
    ),
    "Arrow's column of numbers": lambda: _column([1, None], "int64[pyarrow]"),
    "Arrow's column of text": lambda: _column(["a", None], pd.ArrowDtype(pa.string())),
    "Arrow's column of lists": lambda: _column([[1], None], pd.ArrowDtype(pa.list_(pa.int64()))),
    "Arrow's column of a dictionary": lambda: _column(["b", "a"], pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    "Arrow's column of Decimals": lambda: _column([decimal.Decimal("1.10")], pd.ArrowDtype(pa.decimal128(9, 2))),
    "sparse column": lambda: _column(pd.arrays.SparseArray([0, 0, 1.5], fill_value=0)),
    "column of periods": lambda: _column(pd.period_range("2026-01", periods=2, freq="M")),
    "column of intervals": lambda: _column(pd.arrays.IntervalArray.from_breaks([0.5, 1, 2], closed="both")),
    "frame of a subclass": scale,
    "frame with an attribute": lambda: own.with_attribute(_grid()),
    "group of a frame": lambda: _grid().groupby(0),
    "series": lambda: pd.Series([1.5, 2.5], index=["a", "b"], name=("x", 1)),
    "series without a name": lambda: pd.Series([1]),
    "series with `attrs`": lambda: _noted(pd.Series([1]), unit="m"),
    "series of objects": lambda: pd.Series([None, [1], "a"], dtype=object, name=2),
    "series of categories": lambda: pd.Series(["b", "a"], dtype="category"),
    "series of instants with days": lambda: pd.Series([1, 2], index=pd.date_range("2026-01-01", periods=2, freq="2D")),
    "index": lambda: pd.Index([3, 1], name="k"),
    "index of text": lambda: pd.Index(["b", None]),
    "RangeIndex": lambda: pd.RangeIndex(1, 9, 3, name="k"),
    "MultiIndex": lambda: pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["x", None]),
    "DatetimeIndex": lambda: pd.date_range("2026-03-28", periods=3, freq="D", tz="Europe/Paris"),
    "DatetimeIndex of business days": lambda: pd.bdate_range(
        "2026-01-01", periods=2, freq="C", holidays=["2026-01-01"]
    ),
    "TimedeltaIndex": lambda: pd.timedelta_range("1h", periods=2, freq="h"),
    "PeriodIndex": lambda: pd.period_range("2026", periods=2, freq="Y"),
    "IntervalIndex": lambda: pd.interval_range(0, 2, closed="left"),
    "CategoricalIndex": lambda: pd.CategoricalIndex(["b", "a"], ["b", "a", "c"], ordered=True),
    "Categorical": lambda: pd.Categorical(["b", "a", None], ["b", "a"], ordered=True),
    "array of pandas": lambda: [pd.array([1, None], "Int64"), pd.array([1.5]), pd.array(["a", None])],
    "Timestamp": lambda: pd.Timestamp("2026-01-01 00:00:00.000000001"),
    "Timestamp in a zone": lambda: [
        pd.Timestamp(f"2026-10-25T0{hour}:30Z").tz_convert("Europe/Paris") for hour in (0, 1)
    ],
    "Timestamp with fold 1": lambda: pd.Timestamp("2026-10-25 02:30").replace(fold=1),
    "Timestamp in seconds": lambda: pd.Timestamp("2026-01-01").as_unit("s"),
    "Timedelta": lambda: [pd.Timedelta("1ns"), pd.Timedelta(5, "s")],
    "Period": lambda: pd.Period("2026-01", "W-FRI"),
    "Interval": lambda: [pd.Interval(0, 1.5, "both"), pd.Interval(pd.Timestamp(0), pd.Timestamp(1))],
    "NaT and NA": lambda: [pd.NaT, pd.NA],
    "offset": lambda: pd.offsets.MonthEnd(2),
    "type of pandas": lambda: pd.Int64Dtype(),
}
ARROW: Kinds = {
    "table": lambda: pa.table({"x": [1, None], "w": ["a", None]}),
    "table with notes": lambda: pa.table(
        [[1]], pa.schema([pa.field("x", pa.int8(), False, {"a": "b"})], {"unit": "m"})
    ),
    "table without rows": lambda: pa.table({"x": pa.array([], pa.int8())}),
    "table in chunks": lambda: pa.concat_tables([pa.table({"x": [1]}), pa.table({"x": [2]})]),
    "table with a column twice": lambda: pa.table([[1], [2]], ["x", "x"]),
    "table with words in an odd order": lambda: pa.table(
        {"w": pa.DictionaryArray.from_arrays([1, None], ["c", "b", "a"])}
    ),
    "table with other words in each chunk": lambda: pa.table(
        {"w": pa.chunked_array([pa.array([word]).dictionary_encode() for word in "ab"])}
    ),
    "table of instants in each unit": lambda: pa.table(
        {u: pa.array([1], pa.timestamp(u, "UTC")) for u in ("s", "ms", "us", "ns")}
    ),
    "table of nested columns": lambda: pa.table(
        {
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
            "large": pa.array([["a"], []], pa.large_list(pa.large_string())),
            "struct": [{"y": [1, None], "x": "a"}, None],
            "fixed": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
            "view": pa.array(["a", None], pa.string_view()),
        }
    ),
    "table of Decimals": lambda: pa.table({"x": pa.array([decimal.Decimal("1.10")], pa.decimal256(50, 2))}),
    "table of a union": lambda: pa.table(
        {"x": pa.UnionArray.from_sparse(pa.array([0, 1], "i1"), [pa.array([1, 2]), pa.array(["a", "b"])])}
    ),
    "table of runs": lambda: pa.table({"x": pa.RunEndEncodedArray.from_arrays([2], [1])}),
    "table of an extension type": lambda: pa.table({"x": pa.array([b"0" * 16], pa.uuid())}),
    "record batch": lambda: pa.record_batch({"x": [1, None]}),
    "array of Arrow": lambda: pa.array([1.5, None], pa.float32()),
    "chunked array of Arrow": lambda: pa.chunked_array([[1], [2]]),
    "scalar of Arrow": lambda: [pa.scalar(1, pa.int8()), pa.scalar(None, pa.string())],
    "schema of Arrow": lambda: pa.schema({"x": pa.int8()}, {"unit": "m"}),
    "type of Arrow": lambda: pa.int8(),
}
OTHERS: Kinds = {
    **{f"{name} of scipy": make for name, make in sparse().items()},
    "figure of matplotlib": _figure,
}
