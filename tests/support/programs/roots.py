"""The cached function of a program, and how it is called."""

from support.programs.slots import Builder, Draw, Item


def function(d: Draw) -> Item:
    v = d.local()
    return Item(
        f"""
@cached
def f(x):
    {d.doc()}
    {v} = {d.call("x")} {d.op()} {d.const()}
    {d.comment()}
    return ({d.space()}{v}, {d.call("x + 1")}, {d.call(v)})
""",
        "f",
    )


def method(d: Draw) -> Item:
    """A cached method of the base, called on a subclass (K2)."""
    return Item(
        f"""
from dataclasses import dataclass

@dataclass
class Trainer:
    rate: int

    @cached
    def run(self, x):
        return self.step(x) {d.op()} {d.call("x")} + self.width

    def step(self, x):
        return x

    width = 1

@dataclass
class Special(Trainer):
    {d.either("def step", "def other")}(self, x):
        {d.comment()}
        return x * {d.const()} {d.op()} self.rate

    {d.member(f"width = {d.const()}")}
""",
        f"Special({d.const()}).run",
        [
            "Special.step = lambda self, x: 99",
            "Special.width = 98",
        ],
    )


def own_method(d: Draw) -> Item:
    """A cached method of an object with attributes, whose class says nothing about its fingerprint."""
    return Item(
        f"""
class Trainer:
    def __init__(self, rate):
        self.rate, self.steps = rate, [{d.const()}]

    @cached
    def run(self, x):
        return Part().go(x) {d.op()} {d.call("x")}

class Part:
    def go(self, x):
        return x {d.op()} {d.const()}
""",
        f"Trainer({d.const()}).run",
    )


def injected(d: Draw) -> Item:
    """A decorator that changes the parameters (K4)."""
    default = d.choose("5", "30")
    wrapper, before, after = d.choose(
        f'def w(*args): return function("db", *args)|(1,)|(1, {default})',
        f'def w(x, y="new"): return function(x, y)|(1, {default})|(1,)',
        f"def w(x, y=8): return function(y, x)|(1,)|(1, {default})",
        f'def w(x, y=8): return function(y, x, "old")|(1, {default})|({default}, 1)',
        "def w(x=2): return function(x, x)|()|(7,)",
    ).split("|")
    wraps = d.choose("@functools.wraps(function)", "@functools.wraps(function)", "")
    return Item(
        f"""
import functools

def changing(function):
    {wraps}
    {wrapper}
    return w

@cached
@changing
def f(db, x={default}, y={d.const()}):
    return (db, x, y, {d.call("3")})
""",
        "f",
        arguments=d.arguments(before, after),
    )


def given(d: Draw) -> Item:
    """Objects, functions and classes as arguments (K10)."""
    argument = d.choose(
        "One(4)", "[One(4)]", '{"a": One(4)}', "helper", "One", "(lambda x: helper(x))", "One(4).go", "Kind.A", "Sub(1)"
    )
    return Item(
        f"""
import enum
from dataclasses import dataclass

def helper(x):
    return {d.call("x")}

@dataclass
class One:
    k: int

    def go(self, x):
        return x {d.op()} {d.const()} + self.k

    __call__ = go

class Sub(One):
    width = 1
    {d.member("def go(self, x): return 5")}

class Kind(enum.Enum):
    A = {d.const()}

    def go(self, x):
        return x {d.op()} self.value

@cached
def f(x, given):
    while isinstance(given, dict | list):
        given = given["a"] if isinstance(given, dict) else given[0]
    given = given(2) if isinstance(given, type) else given
    return given.go(x) if hasattr(given, "go") else given(x)
""",
        "f",
        ["One.go = lambda self, x: 99"],
        arguments=f"(3, {argument})",
    )


PAIRS = {
    "zone": (
        'datetime(2026, 1, 1, tzinfo=ZoneInfo("Africa/Lagos"))|datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris"))',
        "str((v + timedelta(days=181)).utcoffset())",
    ),
    "fold": ("datetime(2025, 10, 26, 2, 30)|datetime(2025, 10, 26, 2, 30, fold=1)", "v.fold"),
    "time fold": ("datetime(2025, 1, 1).time()|datetime(2025, 1, 1).time().replace(fold=1)", "v.fold"),
    "suffix": ('Path("a.csv")|Path("a.tsv")', "v.suffix"),
    "order": ('{"a": 1, "b": 2}|{"b": 2, "a": 1}', '"".join(v)'),
    "counter": ('Counter("aab")|Counter("baa")', '"".join(v)'),
    "zero": ("0.0|-0.0", "str(v)"),
    "bool": ("1|True", "str(v)"),
    "text": ('"a"|Text("a")', "type(v).__name__"),
    "enum": ("Color.RED|Color.RED.value", "type(v).__name__"),
    "none": ('None|float("nan")', "str(v)"),
    "array": ('numpy.zeros(2, ">i4")|numpy.zeros(2, "<i4")', "v.tobytes().hex() + v.dtype.str"),
    "order of array": ("numpy.zeros((2, 3))|numpy.zeros((2, 3), order='F')", "v.flags.c_contiguous"),
    "list": ("[1, 2]|(1, 2)", "str(v)"),
    "bytes": ('b"a"|bytearray(b"a")', "str(v)"),
    "decimal": ('Decimal("1.0")|Decimal("1.00")', "str(v)"),
    "set": ("{1}|frozenset({1})", "type(v).__name__"),
    "default": ("defaultdict(int)|defaultdict(list)", "str(v[1])"),
    "slice": ("slice(None, 1)|slice(0, 1)", "str(v)"),
    "range": ("range(0, 4, 3)|range(0, 5, 3)", "v.stop"),
}


def pairs(d: Draw) -> Item:
    """Arguments that differ, and a function that tells (K8)."""
    two, tell = PAIRS[d.choose(*PAIRS)]
    one, other = two.split("|")
    return Item(
        f"""
import enum
import numpy
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

class Text(str):
    pass

class Color(enum.StrEnum):
    RED = "a"

@cached
def f(v):
    {d.comment()}
    return {tell}, {d.call("3")}
""",
        "f",
        arguments=f"({d.arguments(one, other)},)",
    )


def versioned(d: Draw) -> Item:
    """A version, and one name for several functions (K5): of a factory, or of two scripts."""
    return Item(
        """
def make(k):
    @cached(version=1)
    def h(x):
        return x * k
    return h
""",
        f"make({d.arguments('2', '20')})",
    )


def script(d: Draw) -> Item:
    """A version in a script."""
    return Item(
        f"""
@cached(version=1)
def load(x):
    return {d.call("x")} {d.op()} {d.const()}
""",
        "load",
        kind="__main__",
    )


ROOTS: dict[str, Builder] = {
    one.__name__: one for one in (function, method, own_method, injected, given, pairs, versioned, script)
}
