"""What subclasses, attributes set from outside and classes of arguments say: K2, K9, K10 and more of the kinds."""

import pytest

from support.programs.fault import Fault, Lab, edited, scaler, wanted

TEMPLATE = """
from dataclasses import dataclass

@dataclass
class Base:
    k: int

    @cached
    def run(self):
        return self.step() + 1

    def step(self):
        return 0

class Mixin:
    pass

class Sub(Mixin, Base):
    width = 1

    def step(self):
        return self.k * self.width
"""

SUBCLASSES = [
    edited("K2", "override", TEMPLATE, ("self.k * self.width", "self.k * self.width + 99"), "Sub(5).run()", "6", "105"),
    edited("K2", "class attribute", TEMPLATE, ("width = 1", "width = 20"), "Sub(5).run()", "6", "101"),
    edited(
        "K2",
        "mixin",
        TEMPLATE,
        ("    pass", "    k = property(lambda self: 9, lambda self, k: None)"),
        "Sub(5).run()",
        "6",
        "10",
    ),
    edited(
        "K2",
        "override added",
        TEMPLATE,
        ("    width = 1", "    width = 1\n    def run(self): return 8"),
        "Sub(5).run()",
        "6",
        "8",
    ),
    edited(
        "K2",
        "abstract",
        """
        import abc
        from dataclasses import dataclass

        class Base(abc.ABC):
            @abc.abstractmethod
            def load(self): ...

            @cached
            def run(self, x):
                return self.load() * x

        @dataclass
        class Sub(Base):
            k: int

            def load(self):
                return self.k
        """,
        ("return self.k", "return self.k * 10"),
        "Sub(2).run(1)",
        "2",
        "20",
    ),
    edited(
        "K2",
        "without a fingerprint",
        """
        class Base:
            @cached
            def run(self, x):
                return self.load() * x

        class Sub(Base):
            def load(self):
                return 2
        """,
        ("return 2", "return 20"),
        "Sub().run(1)",
        "2",
        "20",
    ),
    edited(
        "K2",
        "super",
        """
        class A:
            def go(self): return 1

        class B(A):
            @classmethod
            def make(cls): return cls()

            def go(self): return super().go() + 1

        @cached
        def f(x):
            return B.make().go()
        """,
        ("return 1", "return 19"),
        "f(1)",
        "2",
        "20",
    ),
]


def twenty(kind: str, name: str, text: str, call: str = "f(1)", edit: tuple[str, str] = ("= 2\n", "= 20\n")) -> Fault:
    return edited(kind, name, text, edit, call, "2", "20")


OUTSIDE = [
    twenty("K9", "function", "def g(x): return g.k\ng.k = 2\n@cached\ndef f(x): return g(x)"),
    twenty("K9", "function itself", "@cached\ndef f(x): return f.__wrapped__.k\nf.__wrapped__.k = 2\n"),
    twenty("K9", "class", "class Cfg: pass\nCfg.k = 2\n@cached\ndef f(x): return Cfg.k"),
    twenty(
        "K9",
        "class with setattr",
        """
class Cfg: pass
setattr(Cfg, 'k', 2)
@cached
def f(x): return Cfg.k
""",
        edit=("2)", "20)"),
    ),
    twenty(
        "K9",
        "method",
        """
class Cfg: pass
k = lambda self: 2
Cfg.go = k
@cached
def f(x): return Cfg().go()
""",
        edit=(": 2\n", ": 20\n"),
    ),
    twenty(
        "K9",
        "partial",
        """
import functools
g = functools.partial(int, 1)
g.k = 2
@cached
def f(x): return g.k
""",
    ),
    twenty(
        "K9",
        "wrapper",
        """
import functools
@functools.lru_cache
def g(x): return g.k
g.k = 2
@cached
def f(x): return g(x)
""",
    ),
    twenty("K9", "base", "class B: pass\nclass C(B): pass\nB.k = 2\n@cached\ndef f(x): return C.k"),
]

GIVEN = [
    scaler("data class", "@cached\ndef f(x, s): return s.apply(x)", "K10", "f(1, Scaler(2))"),
    scaler("annotated", "@cached\ndef f(x, s: Scaler): return s.apply(x)", "K10", "f(1, Scaler(2))"),
    scaler("in a list", "@cached\ndef f(x, s): return s[0].apply(x)", "K10", "f(1, [Scaler(2)])"),
    scaler("by keyword", "@cached\ndef f(x, **s): return s['a'].apply(x)", "K10", "f(1, a=Scaler(2))"),
    scaler("subclass", "class Sub(Scaler): pass\n@cached\ndef f(x, s): return s.apply(x)", "K10", "f(1, Sub(2))"),
    scaler("bound method", "@cached\ndef f(x, s): return s(x)", "K10", "f(1, Scaler(2).apply)"),
    scaler(
        "partial",
        """
@cached
def f(x, s): return s()
""",
        "K10",
        "f(1, functools.partial(Scaler.apply, Scaler(2), 1))",
    ),
    scaler(
        "plain object",
        """
class P:
    def __init__(self): self.s = Scaler(2)
@cached
def f(p): return p.s.apply(1)
""",
        "K10",
        "f(P())",
    ),
    twenty("K10", "docstring", 'def g():\n    "2"\n@cached\ndef f(x): return int(g.__doc__)', edit=('"2"', '"20"')),
    twenty(
        "K10",
        "annotations",
        """
def g(x: 2): pass
@cached
def f(x): return g.__annotations__['x']
""",
        edit=("x: 2", "x: 20"),
    ),
    twenty("K10", "getattr", "import sys\nK = 2\n@cached\ndef f(x): return getattr(sys.modules[__name__], 'K')"),
    twenty("K10", "globals", "K = 2\n@cached\ndef f(x): return globals()['K']"),
    twenty(
        "K10",
        "subclasses",
        """
class B: pass
class C(B):
    k = 2
@cached
def f(x): return B.__subclasses__()[0].k
""",
    ),
]


# Ways to be told of an edit that random programs did not try, or found late.
UNUSUAL = [
    twenty(
        "K9",
        "descriptor",
        """
class Field:
    def __init__(self, k): self.k = k
    def __get__(self, instance, owner=None): return self.k

class C:
    size = Field(2)

@cached
def f(x): return C().size
""",
        edit=("(2)", "(20)"),
    ),
    twenty(
        "K9",
        "class of a library",
        """
import fractions
fractions.Fraction.more = lambda self: 2

@cached
def f(x): return fractions.Fraction(x).more()
""",
        edit=(": 2", ": 20"),
    ),
    twenty(
        "K9",
        "function of a library",
        """
import colorsys

def mine(x): return 2

colorsys.rgb_to_hls = mine

@cached
def f(x): return colorsys.rgb_to_hls(x)
""",
        edit=("return 2", "return 20"),
    ),
    edited(
        "K9",
        "registered",
        """
        import abc

        class B(abc.ABC): pass
        class C: pass

        B.register(C)

        @cached
        def f(x): return isinstance(C(), B)
        """,
        ("register(C)", "register(int)"),
        "f(1)",
        "True",
        "False",
    ),
    twenty(
        "K10",
        "nested docstring",
        """
@cached
def f(x):
    def inner():
        "2"
    return int(inner.__doc__)
""",
        edit=('"2"', '"20"'),
    ),
    edited(
        "K10",
        "line number",
        """
        import sys

        # here
        def g(): return sys._getframe().f_lineno

        @cached
        def f(x): return g()
        """,
        ("# here", "# here\n# and here"),
        "f(1)",
        "6",
        "7",
    ),
]


@pytest.mark.parametrize("fault", SUBCLASSES + OUTSIDE + GIVEN + UNUSUAL, ids=str)
def test_an_edit_of_what_runs_is_a_miss(lab: Lab, fault: Fault) -> None:
    assert lab.run(fault) == wanted(fault)
