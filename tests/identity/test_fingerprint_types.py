"""Fingerprints of each type: what tells values apart, and what does not count."""

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import os
import re
import types
import uuid
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import xpstore
from xpstore._identity.process import fingerprint
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import InvalidArgument

pytestmark = pytest.mark.client


class Count(int):
    pass


class Slotted(str):
    __slots__ = ("__hidden", "seen")


class Weekday(enum.IntEnum):
    MONDAY = 1


class Point(NamedTuple):
    x: int


@dataclasses.dataclass
class Order:
    x: int
    note: str = dataclasses.field(default="", compare=False)


def hidden(value: str) -> Slotted:
    made = Slotted("1")
    made._Slotted__hidden = value  # type: ignore[attr-defined]
    return made


UTC = datetime.timezone.utc  # noqa: UP017  # the class has it too
ONES: list[Any] = [
    1, True, 1.0, "1", b"1", bytearray(b"1"), 1 + 0j, decimal.Decimal(1), decimal.Decimal("1.0"), None, 0, 0.0, -0.0,
    Count(1), Slotted("1"), hidden("a"), hidden("b"), Weekday.MONDAY, Point(1), Order(1), Order(1, "x"),
    np.int64(1), np.int32(1), np.uint64(1), np.float64(1), np.bool_(True), np.str_("1"), np.bytes_(b"1"),
    [1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}, [[1]], [1, 1], range(1), range(1, 2), slice(1), [], (), {}, set(),
    collections.OrderedDict({1: 1}), collections.defaultdict(int, {1: 1}), collections.defaultdict(None, {1: 1}),
    collections.Counter([1]), collections.deque([1]), collections.deque([1], 3), types.SimpleNamespace(x=1),
    types.MappingProxyType({1: 1}), np.array(1), np.array([1]), np.array([[1]]), np.array([1.0]), np.array([1], object),
    np.array(["1"]), np.array(["1"], "U2"), np.array([b"1"]), np.array([True]), np.array([1], "M8[s]"),
    np.array([1], "M8[ms]"), np.array([1], "m8[s]"), np.array([(1,)], [("x", "i8")]), np.array([(1,)], [("y", "i8")]),
    np.dtype("i8"), np.int64, int, bool, math.nan, math.inf, re.compile("1"), re.compile(b"1"), re.compile("1", re.I),
    pd.Series([1]), pd.Series([1], name="x"), pd.Series([1], index=[1]), pd.Series([1.0]),
    pd.Series([1], dtype="Int64"), pd.Series(["1"]), pd.Series(["1"], dtype="category"),
    pd.Series([1], dtype="category"), pd.Series([[1]]),
    pd.DataFrame({"x": [1]}), pd.DataFrame({"y": [1]}), pd.DataFrame({1: [1]}), pd.Index([1]),
    pd.Index([1], name="x"), pd.MultiIndex.from_arrays([[1]]), pd.NaT, pd.NA, pd.Timestamp(1),
    pd.Timestamp(1, tz="UTC"), pd.Timedelta(1),
    pd.Series(pd.to_datetime([1], utc=True)), pd.Series(pd.to_datetime([1])),
    pa.table({"x": [1]}), pa.table({"y": [1]}), pa.table({"x": ["1"]}), pa.array([1]), pa.array([1], pa.int8()),
    pa.array([1.0]),
    pa.array([1, None]), pa.array([None, 1]), pa.array([[1]]), pa.array([{"x": 1}]), pa.array(["1"]), pa.array([b"1"]),
    pa.array([None, None]), pa.array([None, None], pa.int64()), pa.array([1], pa.timestamp("s")),
    pa.array(["1"]).dictionary_encode(),
    uuid.UUID(int=1), datetime.date(1970, 1, 1), datetime.datetime(1970, 1, 1),
    datetime.datetime(1970, 1, 1, tzinfo=UTC),
    datetime.time(0), datetime.time(0, tzinfo=UTC), datetime.timedelta(1),
]  # fmt: skip


def test_types_are_told_apart() -> None:
    found = collections.defaultdict(list)
    for value in ONES:
        found[fingerprint(value)].append(value)
    assert [same for same in found.values() if len(same) > 1] == []


FRAME = pd.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]})
TEXT = ["a", None, "bé", ""]
TEXT_TYPES: list[Any] = [object, "str", "string[pyarrow]", "string[python]", pd.ArrowDtype(pa.string())]
INSTANT = datetime.datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        (math.nan, -math.nan, float("nan")),
        (np.array([np.nan]), np.array([-np.nan])),
        ({1, "a", None}, {None, "a", 1}),
        (b"abc", memoryview(b"abc"), memoryview(b"aXbXc")[::2]),
        (INSTANT, INSTANT.replace(tzinfo=datetime.timezone(datetime.timedelta(0), "UTC"))),
        (FRAME, FRAME.copy(), FRAME.iloc[[1, 0]].iloc[[1, 0]]),
        (pa.array(TEXT), pa.array(["x", *TEXT])[1:]),
        (pa.array(TEXT), pa.chunked_array([TEXT[:1], TEXT[1:]])),
    ],
    ids=lambda values: type(values[0]).__name__,
)
def test_same_values_agree(values: tuple[Any, ...]) -> None:
    assert len({fingerprint(value) for value in values}) == 1


def test_steps_of_an_array_in_memory_do_not_count_but_the_order_of_its_axes_and_bytes() -> None:
    array = np.arange(2 * 300 * 500, dtype="f8").reshape(2, 300, 500)
    wide = np.zeros((4, 300, 1000))
    wide[::2, :, ::2] = array
    same = [wide[::2, :, ::2], np.ascontiguousarray(array[:, ::-1])[:, ::-1]]
    assert {fingerprint(layout) for layout in same} == {fingerprint(array)}
    others = [
        array,
        np.asfortranarray(array),
        array.astype(">f8"),
        np.asfortranarray(array.astype(">f8")),
        np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 0, 2)), 2, 0),
    ]
    assert len({fingerprint(layout) for layout in others}) == len(others)
    assert len({fingerprint(other) for other in (array, array.reshape(300, 2, 500), array[0], array.T)}) == 4


@pytest.mark.parametrize(
    "shape", [(), (0,), (0, 3), (3, 0), (1, 1), (200_000, 3), (3, 200_000), (2, 2, 70_000)], ids=str
)
@pytest.mark.parametrize("kind", ["f2", "f4", "c8", "c16", "i1", "?", "U3", "M8[ns]"])
def test_orders_of_any_shape_are_told_apart_where_there_are_two(shape: tuple[int, ...], kind: str) -> None:
    array = (np.arange(math.prod(shape)) % 100).reshape(shape).astype(kind)
    expected = fingerprint(array)
    other = np.array(array, order="F")
    assert (fingerprint(other) == expected) == bool(other.flags.c_contiguous)
    assert fingerprint(np.array(other, order="C")) == fingerprint(np.flip(np.flip(array, 0), 0) if shape else array)
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert (fingerprint(swapped) == expected) == (swapped.dtype == array.dtype)
    assert fingerprint(swapped.astype(array.dtype)) == expected


def test_what_is_in_the_padding_of_records_does_not_count_but_that_there_is_some() -> None:
    packed = np.array([(1, 2.5), (3, 4.5)], [("a", "i1"), ("b", "f8")])
    padded = packed.astype(np.dtype([("a", "i1"), ("b", "f8")], align=True))
    filled = padded.copy()
    filled.view("u1").reshape(2, -1)[:, 1:8] = 255
    assert fingerprint(padded) == fingerprint(filled)
    swapped = packed.astype([("a", "i1"), ("b", ">f8")])
    assert len({fingerprint(one) for one in (packed, padded, packed[::-1], swapped, packed.view(np.recarray))}) == 5


def test_chunks_of_a_table_do_not_count() -> None:
    table = pa.table(
        {
            "number": [1, None, 3, 4],
            "list": [[1], None, [], [2, None]],
            "struct": [{"x": 1, "y": "a"}, None, {"x": None, "y": "b"}, {"x": 4, "y": None}],
            "bool": [True, False, None, True],
            "word": pa.array(["a", "b", "a", None]).dictionary_encode(),
            "price": pa.array([decimal.Decimal("1.10"), None, decimal.Decimal(2), None], pa.decimal128(9, 2)),
            "pair": pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int8(), 2)),
            "key": pa.array([b"abcd", None, b"efgh", b"ijkl"], pa.binary(4)),
            "half": pa.array([1.5, math.nan, None, 2], pa.float16()),
            "day": pa.array([1, 2, 3, None], pa.date32()),
        }
    )
    pieces = [table.slice(0, 1), table.slice(1, 0), table.slice(1, 2), table.slice(3)]
    expected = fingerprint(table)
    assert fingerprint(pa.concat_tables(pieces)) == expected
    assert fingerprint(pa.concat_tables([table, table, table]).slice(4, 4)) == expected
    assert fingerprint(table.to_batches()[0]) == expected
    for name in table.column_names:
        assert fingerprint(table[name]) != fingerprint(table[name].take([0, 1, 2, 2])), name


def test_long_columns_are_the_same_however_they_are_chunked() -> None:
    texts = [None if number % 7 == 0 else str(number) for number in range(200_000)]
    column = pa.chunked_array([texts[:100_000], texts[100_000:]])
    expected = fingerprint(column)
    assert fingerprint(pa.array(texts)) == expected
    assert len({expected, *(fingerprint(pd.Series(texts, dtype=kind)) for kind in TEXT_TYPES)}) == 1 + len(TEXT_TYPES)
    assert fingerprint(column.slice(0, 199_999)) != expected


def test_path_is_what_it_contains(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "below").mkdir(parents=True)
        (tmp_path / name / "below" / "file").write_bytes(b"x" * 3_000_000)
        (tmp_path / name / "empty").mkdir()
    one, two = tmp_path / "one", tmp_path / "two"
    assert fingerprint(one) == fingerprint(two) != fingerprint(str(one))
    assert fingerprint(one / "below" / "file") != fingerprint(one / "below")
    (two / "below" / "file").write_bytes(b"x" * 2_999_999 + b"y")
    assert fingerprint(one) != fingerprint(two)
    assert fingerprint(one / "below" / "file") != fingerprint(two / "below" / "file")
    (one / "empty").rmdir()
    (two / "below" / "file").write_bytes(b"x" * 3_000_000)
    assert fingerprint(one) != fingerprint(two)


def test_file_that_was_saved_has_the_fingerprint_it_had(project: xpstore.Project, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "file"
    file.write_bytes(os.urandom(2_000_000))
    os.utime(file, (1, 1))
    expected = fingerprint(tmp_path / "data")
    artifact = DirectoryArtifact.save(tmp_path / "data", "data", project=project)
    assert fingerprint(tmp_path / "data") == expected
    # An artifact is its content too, but not a path.
    again = DirectoryArtifact.save(tmp_path / "data", "other name", project=project)
    assert fingerprint(artifact) == fingerprint(again) != expected


def test_model_is_its_hash(project: xpstore.Project) -> None:
    one, two = (project.experiment(name).model("resnet") for name in ("a", "b"))
    assert fingerprint(one) == fingerprint(two) != fingerprint(project.experiment("a").model("resnet-2"))


def test_estimators_are_their_parameters_and_what_they_learned() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    rows, labels = np.arange(20.0).reshape(10, 2), np.arange(10) > 4

    def forest(seed: int) -> Any:
        return ensemble.RandomForestClassifier(3, random_state=seed)

    found = [fingerprint(forest(0)), fingerprint(forest(1)), fingerprint(forest(0).fit(rows, labels))]
    assert len(set(found)) == 3
    assert found[2] == fingerprint(forest(0).fit(rows, labels)) != fingerprint(forest(0).fit(rows, ~labels))


def test_tensors_are_type_shape_and_elements() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.arange(12.0).reshape(3, 4)
    expected = fingerprint(tensor)
    assert fingerprint(tensor.t().contiguous().t()) == expected
    assert fingerprint(torch.nn.Parameter(tensor)) == expected
    assert len({fingerprint(other) for other in (tensor, tensor.t(), tensor.double(), tensor.numpy())}) == 4
    layer = torch.nn.Linear(3, 2)
    copy = torch.nn.Linear(3, 2)
    copy.load_state_dict(layer.state_dict())
    assert fingerprint(copy.state_dict()) == fingerprint(layer.state_dict())
    with pytest.raises(InvalidArgument, match="state_dict"):
        fingerprint(layer)
