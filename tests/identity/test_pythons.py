"""One program has one key under every Python: where its text is proven to be what runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.program import Program

ROOT = Path(__file__).parents[2]
VERSIONS = ("3.11", "3.12", "3.13")
# What the versions compile otherwise: comprehensions, calls of methods and modules, cells, `super()`, patterns.
HARD = """
import abc
import dataclasses
import enum
import functools
import json
import math
import os.path as places
import typing
from collections import namedtuple

T = typing.TypeVar("T")
SCALE = {"a": 1.5, "b": [1, 2, (3, None)]}


class Color(enum.Enum):
    RED = 1
    GREEN = "two"

    @property
    def shade(self):
        return f"{self.name!r:>{10}} {self.value}"


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.5

    def __abs__(self):
        return math.hypot(self.x, self.y)


class Base:
    __secret = 3

    def run(self, values):
        return [self.__secret * value for value in values if value]


class Derived(Base):
    def run(self, values, *more, key=lambda pair: pair[1], **named):
        found = {name: value for name, value in named.items()}
        return sorted(enumerate(super().run(values)), key=key), found, more


def traced(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except* (ValueError, TypeError) as group:
            errors = [str(error) for error in group.exceptions]
        return errors

    return wrapper


def counter(start):
    total = start

    def add(number):
        nonlocal total
        total += number
        return total

    return add


@traced
def matched(value):
    match value:
        case {"kind": str(kind), **rest} if rest:
            return kind, rest
        case [first, *others] | (first, *others):
            return first, others
        case Point(x=0.0) | None:
            return 0
        case _:
            return (yes := value) and not yes


async def later(numbers):
    async def one(number):
        return number

    return [await one(number) async for number in numbers if number % 2]


def generated(limit):
    with open(json.__file__) as file:
        yield from (line.strip() for line in file if len(line) < limit)
    for number in range(3):
        while True:
            if number == 2:
                break
            else:
                continue
        else:
            return


class Flags(enum.Flag):
    ONE = enum.auto()
    TWO = enum.auto()
    BOTH = ONE | TWO


class Level(enum.IntEnum):
    LOW = 1


class Text(enum.StrEnum):
    A = enum.auto()


class Pair(typing.NamedTuple):
    a: int
    b: "str | None" = None

    def swapped(self):
        return self._replace(a=self.b, b=self.a)


class Named(typing.TypedDict, total=False):
    a: int


class Runs(typing.Protocol):
    def run(self, values: list[int]) -> int: ...


class Node(abc.ABC, typing.Generic[T]):
    @abc.abstractmethod
    def visit(self): ...

    @classmethod
    def made(cls, *values):
        return [(cls, value, __class__) for value in values]


@dataclasses.dataclass(slots=True, kw_only=True, order=True, match_args=False)
class Leaf(Node[int]):
    value: int = dataclasses.field(default=3, compare=False, metadata={"unit": "m"})
    items: list = dataclasses.field(default_factory=list)

    def visit(self):
        return [super(Leaf, self).made(value) for value in self.items if not any(value is one for one in self.items)]

    @functools.cached_property
    def depth(self):
        return max((item.depth for item in self.items), default=0)

    @property
    def size(self):
        del self.items[1:2]
        return self.items[0:3], self.items[::2], 0 < self.value <= 1e3 != 2j

    part = functools.partialmethod(made := lambda self, *more: (self, *more), 1)


@functools.singledispatch
def shown(value):
    return "a" "b" + f"{value=}" + f"{value:{'>'}{10}}" + rf"x{{{value}}}"


@shown.register
def _(value: int):
    global SEEN
    SEEN = -value if value < 0 else +value
    return places.join("a", str(SEEN)), 1 + 2 * 3, (1, 2)[0], b"x", 10**30, ..., not value


def surrounding(x, /, y=1, *, z=2):
    scale = x

    def inner(numbers):
        rows = [[scale * (last := number) for number in row if number > z] for row in numbers]
        with open(places.devnull) as one, open(places.devnull) as two:
            try:
                return rows, {row[0]: {*row} for row in rows}, last, one, two
            except (ValueError, KeyError) as error:
                raise RuntimeError from error
            finally:
                rows.clear()

    class Inner:
        size = scale

        def get(self):
            return [scale + y for _ in range(self.size)]

    return inner, Inner, lambda *a, k=scale, **b: (a, k, b, scale)


def f(x, point=Point(1.0), make=counter(2), kinds=(Flags.BOTH, Level.LOW, Text.A, Pair, Named, Runs)):
    \"\"\"Everything.\"\"\"
    assert x, "nothing"
    pair = namedtuple("pair", "a b")
    total = make(x) + abs(point) + SCALE["a"]
    more = Leaf(items=[1]).visit(), shown(3), surrounding(2), Pair(1).swapped()
    from json import decoder, dumps as dump
    import xml.etree.ElementTree as tree
    dump(more, cls=decoder.JSONDecoder, default=tree.Element)
    return Derived().run([x, total]), Color.RED.shade, matched(x), later, generated, pair, ~x, x @ x, x if x else -x
"""
ASK = """
import importlib, json, sys
from xpstore._identity.process import identify
from xpstore._identity.values import fingerprint_process
process = identify(importlib.import_module(sys.argv[1]).f)
found = {f"{part.kind.name} {part.name}": part.fingerprint for part in process.parts}
texts = {part.name: part.text for part in process.parts if "bytecode of Python" in part.text}
assert not texts, texts
key = fingerprint_process(process.name, process.parts)
print(json.dumps(["%d.%d" % sys.version_info[:2], {"key": key, **found}]))
"""
LRU = pytest.mark.xfail(reason="since 3.12 an lru_cache has the type parameters of what it wraps among its attributes")


def pythons() -> dict[str, Path]:
    """This Python, and those that `make pythons` made environments for."""
    here = "{}.{}".format(*sys.version_info)
    others = {version: ROOT / f".venv-{version}" / "bin" / "python" for version in VERSIONS if version != here}
    return {here: Path(sys.executable)} | {version: path for version, path in others.items() if path.exists()}


def keys(python: Path, folder: Path, module: str) -> tuple[str, dict[str, str]]:
    path = os.pathsep.join([str(folder), str(ROOT / "client")])
    command = [str(python), "-c", ASK, module]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, f"{python}: {done.stderr}"
    version, found = json.loads(done.stdout)
    return version, found


@pytest.mark.parametrize("module", ["lab.hard", pytest.param("lab.job", marks=LRU)])
def test_a_program_has_one_key_under_every_python(module: str, program: Program) -> None:
    found = pythons()
    if len(found) == 1:
        missing = [version for version in VERSIONS if version not in found]
        pytest.skip(f"no environment of Python {', '.join(missing)} (`make pythons` makes them where it can)")
    program.path("hard").write_text(HARD)
    of_versions = dict(keys(python, program.folder.parent, module) for python in found.values())
    assert of_versions.keys() == found.keys()
    first, *others = of_versions.values()
    for other in others:
        assert {name for name in first.keys() | other.keys() if first.get(name) != other.get(name)} == set()
