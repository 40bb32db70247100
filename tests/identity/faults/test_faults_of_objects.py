"""Own classes whose objects are inside of other values: K1, and more cases of the kind."""

import pytest

from support.programs.fault import Fault, Lab, Run, edited, scaler, wanted

INSIDE = [
    scaler("dict", 'S = {"a": Scaler(2)}\n@cached\ndef f(x): return S["a"].apply(x)'),
    scaler(
        "list",
        """
S = [Scaler(2)]
@cached
def f(x):
    for s in S:
        x = s.apply(x)
    return x
""",
    ),
    scaler(
        "attribute",
        """
@dataclass
class Outer:
    inner: object

    def apply(self, x):
        return self.inner.apply(x)

O = Outer(Scaler(2))
@cached
def f(x): return O.apply(x)
""",
    ),
    scaler("default", "@cached\ndef f(x, losses=(Scaler(2),)): return losses[0].apply(x)"),
    scaler("keyword default", "@cached\ndef f(x, *, losses=(Scaler(2),)): return losses[0].apply(x)"),
    scaler(
        "default of a helper", "def g(x, o={'a': Scaler(2)}): return o['a'].apply(x)\n@cached\ndef f(x): return g(x)"
    ),
    scaler("itself", "O = Scaler(2)\n@cached\ndef f(x): return O.apply(x)"),
    scaler("function in a dict", "S = {'a': lambda x: Scaler(2).apply(x)}\n@cached\ndef f(x): return S['a'](x)"),
    scaler("class in a dict", "S = {'a': Scaler}\n@cached\ndef f(x): return S['a'](2).apply(x)"),
    scaler("bound method in a dict", "S = {'a': Scaler(2).apply}\n@cached\ndef f(x): return S['a'](x)"),
    scaler("class attribute", "class C:\n    o = [Scaler(2)]\n@cached\ndef f(x): return C.o[0].apply(x)"),
    scaler(
        "field default",
        "@dataclass\nclass C:\n    o: Scaler = Scaler(2)\n@cached\ndef f(x): return C().o.apply(x)",
    ),
    scaler(
        "closure",
        """
def make(o):
    return lambda x: o[0].apply(x)
g = make([Scaler(2)])
@cached
def f(x): return g(x)
""",
    ),
    scaler(
        "closure of its own",
        """
def make(o):
    @cached
    def f(x): return o[0].apply(x)
    return f
f = make([Scaler(2)])
""",
    ),
    scaler(
        "partial",
        "def g(o, x): return o['a'].apply(x)\n"
        "p = functools.partial(g, {'a': Scaler(2)})\n@cached\ndef f(x): return p(x)",
    ),
    scaler("key of a dict", "S = {Scaler(2): 'a'}\n@cached\ndef f(x): return next(iter(S)).apply(x)"),
    scaler(
        "array of objects",
        """
import numpy
S = numpy.array([Scaler(2), None])
@cached
def f(x): return S[0].apply(x)
""",
    ),
    scaler(
        "deque",
        """
from collections import deque
S = deque([Scaler(2)])
@cached
def f(x): return S[0].apply(x)
""",
    ),
    scaler(
        "plain object",
        "class Plain: pass\nS = [Plain()]\nS[0].inner = Scaler(2)\n@cached\ndef f(x): return S[0].inner.apply(x)",
    ),
    scaler(
        "own context of a library",
        """
from contextlib import nullcontext
S = nullcontext(Scaler(2))
@cached
def f(x): return S.enter_result.apply(x)
""",
    ),
    edited(
        "K1",
        "enum in a list",
        """
        import enum

        class C(enum.Enum):
            A = 1

            def val(self):
                return self.value + 1

        L = [C.A]

        @cached
        def f(x):
            return L[0].val()
        """,
        ("self.value + 1", "self.value + 10"),
        "f(1)",
        "2",
        "11",
    ),
    edited(
        "K1",
        "fingerprint in a list",
        """
        class Own:
            def __fingerprint__(self):
                return "2"

            def apply(self, x):
                return x * 2

        S = [Own()]

        @cached
        def f(x):
            return S[0].apply(x)
        """,
        ("x * 2", "x * 20"),
        "f(1)",
        "2",
        "20",
    ),
]

LOSS = "class Loss:\n    def val(self): return {}\n\nLOSSES = {{'a': Loss()}}\n"
USES = "import reg as r\n\n@cached\ndef f(x):\n    return r.LOSSES['a'].val()\n"
ELSEWHERE = Fault(
    "K1", "other module", [Run(USES, [("f(1)", str(k))], files={"reg.py": LOSS.format(k)}) for k in (2, 20)]
)


@pytest.mark.parametrize("fault", [*INSIDE, ELSEWHERE], ids=str)
def test_an_edit_of_a_class_of_an_object_inside_is_a_miss(lab: Lab, fault: Fault) -> None:
    assert lab.run(fault) == wanted(fault)
