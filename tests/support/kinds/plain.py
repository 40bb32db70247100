"""Kinds of values of Python and of a program that cached functions are given and return."""

import array
import collections
import datetime
import decimal
import fractions
import functools
import ipaddress
import itertools
import math
import operator
import random
import re
import threading
import types
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from dateutil import tz

from support.kinds import own

Kinds = dict[str, Callable[[], Any]]
PARIS = ZoneInfo("Europe/Paris")
CET = datetime.timezone(datetime.timedelta(hours=1), "CET")
DAY = (2026, 10, 25)


def loop() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


def nested(depth: int) -> list[Any]:
    values: list[Any] = []
    for _ in range(depth):
        values = [values]
    return values


def twice() -> list[Any]:
    one = [1]
    return [one, one]


NUMBERS: Kinds = {
    "`None`": lambda: None,
    "`True`": lambda: True,
    "`0`": lambda: 0,
    "`2**200`": lambda: 2**200,
    "int of 5,000 digits": lambda: 10**5000,
    "`1.5`": lambda: 1.5,
    "`-0.0`": lambda: -0.0,
    "`5e-324`": lambda: 5e-324,
    "NaN": lambda: math.nan,
    "infinity": lambda: [math.inf, -math.inf],
    "complex": lambda: 1 + 2j,
    "complex with NaN and `-0.0`": lambda: complex(math.nan, -0.0),
    "Decimal": lambda: [decimal.Decimal("1.10"), decimal.Decimal("1.1"), decimal.Decimal("-0")],
    "Decimal NaN and infinity": lambda: [decimal.Decimal("NaN"), decimal.Decimal("-Infinity")],
    "Fraction": lambda: fractions.Fraction(1, 3),
}
TEXTS: Kinds = {
    "empty text": lambda: "",
    "text with NUL and umlaut": lambda: "ü\0",
    "text with half of a surrogate pair": lambda: "a\ud800",
    "text of two halves of surrogates": lambda: "\ud83d\ude00",
    "text not normalized": lambda: "e\u0301",
    "text of 1 MiB": lambda: "x" * (1 << 20),
    "bytes": lambda: b"\0\xff",
    "bytes of 1 MiB": lambda: bytes(1 << 20),
    "bytearray": lambda: bytearray(b"a"),
    "bytearray of 1 MiB": lambda: bytearray(1 << 20),
    "memoryview": lambda: memoryview(b"a"),
    "regular expression": lambda: re.compile("a+", re.I | re.S),
    "regular expression of bytes": lambda: re.compile(b"a+"),
    "UUID": lambda: uuid.UUID(int=7),
    "IP address": lambda: ipaddress.ip_address("::1"),
}
CONTAINERS: Kinds = {
    "empty list": lambda: [],
    "list, nested": lambda: [1, (2, [3, {"a": None}])],
    "list nested 100 deep": lambda: nested(100),
    "list nested 5,000 deep": lambda: nested(5000),
    "list in itself": loop,
    "list with one object twice": twice,
    "tuple": lambda: (1, "a"),
    "empty tuple": lambda: (),
    "set": lambda: {1, 2},
    "set of mixed types": lambda: {1, "a", None, (2, 3), b"b", 1.5},
    "frozenset in a frozenset": lambda: frozenset({frozenset({1}), 2}),
    "dict in an odd order": lambda: {"b": 1, "a": 2, "c": 0},
    "dict with numbers as keys": lambda: {1: "a", 2.5: "b", -1: "c"},
    "dict with None, bool, tuples, bytes as keys": lambda: {None: 1, True: 2, (1, 2): 3, b"a": 4},
    "dict with dates as keys": lambda: {datetime.date(2026, 1, 1): 1},
    "dict with NaN as keys": lambda: {float("nan"): 1, float("nan"): 2},
    'dict with "$tuple" as key': lambda: {"$tuple": [1]},
    "dict with half of a surrogate as key": lambda: {"\ud800": 1},
    "dict with a data class as key": lambda: {own.Frozen(1): 1},
    "OrderedDict": lambda: collections.OrderedDict(b=1, a=2),
    "OrderedDict with an attribute": lambda: own.with_attribute(collections.OrderedDict(a=1)),
    "defaultdict of a list": lambda: collections.defaultdict(list, {"b": [1], "a": [2]}),
    "defaultdict without factory": lambda: collections.defaultdict(None, {"a": 1}),
    "defaultdict of a lambda": lambda: collections.defaultdict(lambda: 1, {"a": 1}),
    "Counter": lambda: collections.Counter("baab"),
    "deque": lambda: collections.deque([1, [2]]),
    "deque with a length": lambda: collections.deque([1, 2], maxlen=2),
    "ChainMap": lambda: collections.ChainMap({"a": 1}),
    "UserDict": lambda: collections.UserDict({"a": 1}),
    "mapping proxy": lambda: types.MappingProxyType({"a": 1}),
    "dict views": lambda: {"a": 1}.keys(),
    "range": lambda: range(9, 1, -3),
    "slice": lambda: slice(None, 2, [1]),
    "`array.array`": lambda: array.array("d", [1.5]),
    "namespace": lambda: types.SimpleNamespace(b=1, a=[2]),
}
DATES: Kinds = {
    "date": lambda: datetime.date(2026, 1, 2),
    "datetime without zone": lambda: datetime.datetime(*DAY, 2, 30, 1, 5),
    "datetime without zone, fold 1": lambda: datetime.datetime(*DAY, 2, 30, fold=1),
    "datetime in UTC": lambda: datetime.datetime(*DAY, tzinfo=datetime.UTC),
    "datetime in a zone, both folds": lambda: [datetime.datetime(*DAY, 2, 30, tzinfo=PARIS, fold=i) for i in (0, 1)],
    "datetime in the zone UTC of zoneinfo": lambda: datetime.datetime(*DAY, tzinfo=ZoneInfo("UTC")),
    "datetime with an offset": lambda: datetime.datetime(*DAY, tzinfo=datetime.timezone(datetime.timedelta(hours=-3))),
    "datetime with an offset of seconds": lambda: datetime.datetime(
        *DAY, tzinfo=datetime.timezone(datetime.timedelta(seconds=-3723, microseconds=5))
    ),
    "datetime with a named offset": lambda: datetime.datetime(*DAY, tzinfo=CET),
    "datetime in a zone of dateutil": lambda: datetime.datetime(*DAY, tzinfo=tz.gettz("Europe/Paris")),
    "time": lambda: datetime.time(1, 2, 3, 4),
    "time in a zone": lambda: datetime.time(1, tzinfo=PARIS, fold=1),
    "duration": lambda: datetime.timedelta(-1, 5, 7),
    "zone of zoneinfo": lambda: PARIS,
    "zone of datetime": lambda: [datetime.UTC, CET],
    "zone of dateutil": lambda: tz.gettz("Europe/Paris"),
}
OBJECTS: Kinds = {
    "data class": lambda: own.Score("a", 0.5, {"b": own.Score("c")}),
    "data class with an array": lambda: own.Score("a", 0.5, np.arange(3)),
    "data class, frozen": lambda: own.Frozen(1),
    "data class with slots": lambda: own.Slots([1]),
    "data class, frozen, with slots, by keyword": lambda: own.FrozenSlots(x=1),
    "data class that inherits": lambda: own.Inherited(1, [2]),
    "data class with `InitVar` and `__post_init__`": lambda: own.Doubled(3),
    "data class, generic": lambda: own.Boxed(1),
    "data class in a class": lambda: own.Outer.Inner(1),
    "data class with an attribute beside": lambda: own.with_attribute(own.Score("a")),
    "data class with a cached property that was asked": own.remembering,
    "data class with a field that is not set": own.unset,
    "data class that is a dict": lambda: own.IsDict(x=1),
    "data class made in a function": own.local,
    "data class of `make_dataclass`": own.made_by_make_dataclass,
    "named tuple": lambda: own.Point([1]),
    "named tuple of `collections`": lambda: own.Pair(1, own.Pair(2, 3)),
    "named tuple of a subclass": lambda: own.Labelled(1, 2),
    "named tuple with an attribute": lambda: own.with_attribute(own.Labelled(1, 2)),
    "enum": lambda: [own.Color.RED, own.Color.BLUE],
    "enum alias": lambda: own.Color.CRIMSON,
    "IntEnum": lambda: own.Level.LOW,
    "StrEnum": lambda: own.Word.YES,
    "flag": lambda: own.Access.READ,
    "flags together": lambda: own.Access.READ | own.Access.WRITE,
    "enum of named tuples": lambda: own.Shape.SQUARE,
    "enum of functions": lambda: own.Call.PRINT,
    "plain object": lambda: own.Plain(1),
    "subclass of dict": lambda: own.Words(a=1),
    "subclass of str": lambda: own.Text("a"),
    "subclass of int": lambda: own.Count(1),
    "subclass of list": lambda: own.Rows([1]),
    "exception": lambda: own.Fails("lost"),
    "`object()`": object,
    "class": lambda: own.Score,
    "class of Python": lambda: int,
    "function": lambda: own.local,
    "lambda": lambda: lambda: 1,
    "function of Python": lambda: print,
    "method of an object": lambda: [1].count,
    "partial function": lambda: functools.partial(print, 1),
    "`operator.itemgetter`": lambda: operator.itemgetter(1),
    "module": lambda: math,
    "generator": lambda: (number for number in range(3)),
    "iterator": lambda: iter([1]),
    "`itertools.count`": itertools.count,
    "lock": threading.Lock,
    "`...`": lambda: ...,
    "`NotImplemented`": lambda: NotImplemented,
    "random generator": lambda: random.Random(0),
}


def paths(folder: Path) -> Kinds:
    """Paths of what is there, and of what is not."""
    (folder / "data" / "sub").mkdir(parents=True)
    (folder / "data" / "sub" / "a.csv").write_text("1")
    return {
        "path of a file": lambda: folder / "data" / "sub" / "a.csv",
        "path of a folder": lambda: folder / "data",
        "path that is not there": lambda: folder / "missing",
        "pure path": lambda: PurePosixPath("a/b"),
        "pure path of Windows": lambda: PureWindowsPath("a/b"),
        "open file": lambda: open(folder / "data" / "sub" / "a.csv"),
    }
