"""Items that are classes."""

from support.programs.objects import held, instance, slots
from support.programs.slots import Builder, Draw, Item


def plain(d: Draw) -> Item:
    return Item(
        f"""
class C{d.n}:
    {d.doc()}

    k = {d.const()}
    {d.comment()}

    def go(self, x):
        return x {d.op()} self.k + self.step(x)

    def step(self, x):
        return {d.call("x")}

    {d.member(f"def __len__(self): return {d.const()}")}

def h{d.n}(x):
    return C{d.n}().go(x) + hasattr(C{d.n}, "__len__") * 50
""",
        f"C{d.n}().go({{}})" if d.choose("a", "b") == "a" else f"h{d.n}({{}})",
        [f"C{d.n}.step = lambda self, x: 99", f"C{d.n}.k = 5"],
    )


def data(d: Draw) -> Item:
    return Item(
        f"""
from dataclasses import dataclass, field

@dataclass{d.choose("", "(frozen=True)", "(slots=True)")}
class C{d.n}:
    rate: int = {d.const()}
    steps: list = field(default_factory=lambda: [{d.const()}])

    def go(self, x):
        return x {d.op()} self.rate + self.steps[0] * 3 + {d.call("x")}
""",
        f"C{d.n}().go({{}})",
        [f"C{d.n}.go = lambda self, x: 99"],
    )


def enumeration(d: Draw) -> Item:
    return Item(
        f"""
import enum

class C{d.n}(enum.Enum):
    A = {d.const()}
    B = 1000
    {d.member("D = 2000")}

    def go(self, x):
        return x {d.op()} self.value + len(C{d.n}) * 7

L{d.n} = [C{d.n}.A, C{d.n}.B]

def h{d.n}(x):
    return L{d.n}[0].go(x) + {d.call("x")}
""",
        d.choose(f"h{d.n}({{}})", f"C{d.n}.A.go({{}})", f"L{d.n}[1].go({{}})"),
        [f"C{d.n}.go = lambda self, x: 99"],
    )


def template(d: Draw) -> Item:
    return Item(
        f"""
class Base{d.n}:
    k = {d.const()}

    def run(self, x):
        return self.step(x) {d.op()} self.k

    def step(self, x):
        return x + 1

class Sub{d.n}(Base{d.n}):
    {d.member(f"k = {d.const()}")}

    {d.either("def step", "def other")}(self, x):
        return super().step(x) * {d.const()} + {d.call("x")}
""",
        f"Sub{d.n}().run({{}})",
        [f"Sub{d.n}.step = lambda self, x: 99"],
    )


def outside(d: Draw) -> Item:
    """Attributes and methods that a class is given from outside (K9)."""
    return Item(
        f"""
class C{d.n}:
    def go(self, x):
        return x + C{d.n}.k

C{d.n}.k = {d.const()}

def more{d.n}(self, x):
    return x {d.op()} {d.const()}

C{d.n}.more = more{d.n}

def h{d.n}(x):
    return C{d.n}().go(x) * 3 + C{d.n}().more(x) + {d.call("x")}
""",
        f"h{d.n}({{}})",
        [f"C{d.n}.k = 5"],
    )


def accessors(d: Draw) -> Item:
    return Item(
        f"""
import functools

class C{d.n}:
    def __init__(self, k):
        self.k = k

    @property
    def twice(self):
        return self.k {d.op()} {d.const()}

    @staticmethod
    def fixed(x):
        return x + {d.const()}

    @classmethod
    def made(cls, k):
        return cls(k + {d.const()})

    @functools.cached_property
    def kept(self):
        return {d.call("self.k")}

def h{d.n}(x):
    o = C{d.n}.made(x)
    return o.twice + o.fixed(x) + o.kept
""",
        d.choose(f"h{d.n}({{}})", f"C{d.n}.fixed({{}})"),
        [f"C{d.n}.fixed = staticmethod(lambda x: 99)"],
    )


def metaclass(d: Draw) -> Item:
    return Item(
        f"""
class Meta{d.n}(type):
    def __call__(cls, x):
        return x {d.op()} {d.const()}

    def __len__(cls):
        return {d.const()}

class C{d.n}(metaclass=Meta{d.n}):
    pass

def h{d.n}(x):
    return C{d.n}(x) + len(C{d.n}) + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def descriptor(d: Draw) -> Item:
    return Item(
        f"""
class Field{d.n}:
    def __init__(self, k):
        self.k = k

    def __get__(self, instance, owner=None):
        return self.k {d.op()} {d.const()}

class C{d.n}:
    size = Field{d.n}({d.const()})
    width = 3

for key in ("width",):
    setattr(C{d.n}, key, {d.const()})

def h{d.n}(x):
    return C{d.n}().size + C{d.n}.width + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def special(d: Draw) -> Item:
    return Item(
        f"""
class Missing{d.n}(dict):
    def __missing__(self, key):
        return key {d.op()} {d.const()}

class C{d.n}:
    def __hash__(self):
        return {d.const()}

    def __format__(self, spec):
        return "a" * {d.const()}

    def __getattr__(self, name):
        return len(name) + {d.const()}

    def __contains__(self, x):
        return x > {d.const()}

M{d.n} = Missing{d.n}()

def h{d.n}(x):
    o = C{d.n}()
    return M{d.n}[x] + hash(o) + len(f"{{o:x}}") + o.absent + (x in o) + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def registered(d: Draw) -> Item:
    return Item(
        f"""
import abc

class Base{d.n}(abc.ABC):
    pass

class One{d.n}:
    pass

class Two{d.n}({d.either(f"Base{d.n}", "object")}):
    pass

{d.member(f"Base{d.n}.register(One{d.n})")}

def h{d.n}(x):
    return isinstance(One{d.n}(), Base{d.n}) * 10 + isinstance(Two{d.n}(), Base{d.n}) * 20 + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def registry(d: Draw) -> Item:
    """Classes that tell their base of themselves."""
    return Item(
        f"""
class Base{d.n}:
    known = []

    def __init_subclass__(cls):
        Base{d.n}.known.append(cls)

class One{d.n}(Base{d.n}):
    def go(self, x):
        return x {d.op()} {d.const()}

{d.member(f"class Two{d.n}(Base{d.n}): go = lambda self, x: 7")}

def h{d.n}(x):
    return sum(one().go(x) for one in Base{d.n}.{d.choose("known", "__subclasses__()")}) + {d.call("x")}
""",
        f"h{d.n}({{}})",
        [f"One{d.n}.go = lambda self, x: 99"],
    )


def named_tuple(d: Draw) -> Item:
    return Item(
        f"""
from collections import namedtuple
from typing import NamedTuple

class C{d.n}(NamedTuple):
    k: int
    j: int = {d.const()}

    def go(self, x):
        return x {d.op()} self.k + self.j

P{d.n} = namedtuple("P{d.n}", {d.either("'a b'", "'b a'")}, defaults=[{d.const()}])

def h{d.n}(x):
    pair = P{d.n}(x)
    return C{d.n}({d.const()}).go(x) + pair.a * 2 + pair.b * 3 + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def callable_(d: Draw) -> Item:
    return Item(
        f"""
class C{d.n}:
    def __init__(self, k):
        self.k = k

    def __call__(self, x):
        return x {d.op()} self.k + {d.call("x")}

    def __enter__(self):
        return {d.const()}

    def __exit__(self, *_):
        return {d.either("True", "False")}

h{d.n} = C{d.n}({d.const()})

def w{d.n}(x):
    try:
        with C{d.n}(1) as k:
            x += k
            raise ValueError
    except ValueError:
        x += 500
    return x
""",
        d.choose(f"h{d.n}({{}})", f"w{d.n}({{}})"),
    )


BUILDERS: list[Builder] = [
    plain,
    data,
    enumeration,
    instance,
    held,
    template,
    accessors,
    metaclass,
    descriptor,
    special,
    registered,
    registry,
    slots,
    named_tuple,
    callable_,
]
CLASSES = {one.__name__.strip("_"): one for one in BUILDERS} | {"class_outside": outside}
