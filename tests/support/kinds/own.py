"""Classes of a program whose objects cached functions return."""

import collections
import dataclasses
import enum
import functools
import typing
from dataclasses import InitVar, dataclass, field
from typing import Any, NamedTuple

T = typing.TypeVar("T")


@dataclass
class Score:
    name: str
    value: float = 0.0
    more: Any = None


@dataclass(frozen=True)
class Frozen:
    x: int
    y: int = 2


@dataclass(slots=True)
class Slots:
    x: Any
    y: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSlots:
    x: int


@dataclass
class Base:
    a: int


@dataclass
class Inherited(Base):
    b: list[int] = field(default_factory=list)


@dataclass
class Doubled:
    """What `__init__` makes of it is not what it was given."""

    x: InitVar[int]
    twice: int = field(init=False)

    def __post_init__(self, x: int) -> None:
        self.twice = 2 * x


@dataclass
class Boxed(typing.Generic[T]):
    x: T


@dataclass
class Unset:
    x: int = field(init=False)


@dataclass
class Remembers:
    x: int

    @functools.cached_property
    def square(self) -> int:
        return self.x**2


@dataclass
class IsDict(dict[str, int]):
    x: int = 1


class Outer:
    @dataclass
    class Inner:
        x: int


class Point(NamedTuple):
    x: Any
    y: int = 2


Pair = collections.namedtuple("Pair", "left right")


class Labelled(Pair):
    """A named tuple that may have attributes."""


class Color(enum.Enum):
    RED = 1
    BLUE = "b"
    CRIMSON = 1


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Shape(enum.Enum):
    SQUARE = Point(1, 1)


class Call(enum.Enum):
    PRINT = (print,)


class Plain:
    def __init__(self, x: int) -> None:
        self.x = x


class Words(dict[str, int]):
    pass


class Text(str):
    pass


class Count(int):
    pass


class Rows(list[int]):
    pass


class Fails(ValueError):
    pass


def local() -> Any:
    @dataclass
    class Local:
        x: int

    return Local(1)


def unset() -> Unset:
    return Unset.__new__(Unset)


def remembering() -> Remembers:
    made = Remembers(3)
    assert made.square == 9
    return made


def with_attribute(value: Any) -> Any:
    value.note = "beside"
    return value


def made_by_make_dataclass() -> Any:
    return dataclasses.make_dataclass("Unnamed", ["x"])(1)
