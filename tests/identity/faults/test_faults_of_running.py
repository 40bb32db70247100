"""Code that is not as its file says, or has no file: K3, K6, K11, K17 and more cases of the same kinds."""

import textwrap

import pytest

from support.programs.fault import Fault, Lab, Run, one_process, wanted

ENUM = """
import enum

class A(enum.Enum):
    A = 2

    def val(self, x):
        return x * self.value

@cached
def f(x):
    return A.A.val(x)
"""
FIELD = """
from dataclasses import dataclass, field

@dataclass
class A:
    ks: list = field(default_factory=lambda: [2])

    def go(self, x):
        return x * self.ks[0]

@cached
def f(x):
    return A().go(x)
"""
LOOP = """
class A:
    for k in (2,): pass

    def go(self, x):
        return x * self.k

@cached
def f(x):
    return A().go(x)
"""
BODY = LOOP.replace("for k in (2,): pass", "k = 2")
TABLE = LOOP.replace("for k in (2,): pass", "table = {}\n    table['k'] = 2").replace("self.k", "self.table['k']")
METHOD = LOOP.replace("self.k", "2")
NESTED = LOOP.replace("for k in (2,): pass", "class N:\n        k = 2").replace("self.k", "self.N.k")
HELPER = "def helper(x):\n    return x * 2\n\n@cached\ndef f(x):\n    return helper(x)\n"
LAMBDA = "helper = lambda x: x * 2\n\n@cached\ndef f(x):\n    return helper(x)\n"
DECORATED = """
def twice(function):
    return lambda x: function(x) * 2

@twice
def helper(x):
    return x

@cached
def f(x):
    return helper(x)
"""
MOVED = "# a line\n" * 3 + HELPER


def while_running(kind: str, name: str, text: str, edit: tuple[str, str] = ("2", "200")) -> Fault:
    """A process has a module; the file is edited; it calls; others that read the file as it is now call too."""
    after = text.replace(*edit)
    assert after != text
    runs = [
        Run(text, [("f(1)", "2")], then=after),
        Run(after, [("f(1)", "200")]),
        Run(text, [("f(1)", "2")]),
    ]
    return Fault(kind, name, runs)


EDITED = [
    while_running("K3", "enum", ENUM),
    while_running("K3", "default factory", FIELD),
    while_running("K3", "loop", LOOP),
    while_running("K3", "body", BODY),
    while_running("K3", "table", TABLE),
    while_running("K3", "nested class", NESTED),
    while_running("K3", "method", METHOD),
    while_running("K11", "helper", HELPER, ("* 2", "* 200")),
    while_running("K11", "itself", "@cached\ndef f(x):\n    return x * 2\n"),
    while_running("K11", "lambda", LAMBDA),
    while_running("K11", "decorated", DECORATED),
    Fault("K11", "moved", [Run(HELPER, [("f(1)", "2")], then=MOVED), Run(MOVED, [("f(1)", "2")])]),
    Fault("K11", "gone", [Run(HELPER, [("f(1)", "2")], then="x = (\n")]),
]

MOCKED = """
import sys
from dataclasses import dataclass
from unittest import mock

HERE = sys.modules[__name__]

class A:
    k = 1

    def go(self, x):
        return x

class B(A):
    pass

@dataclass
class D:
    k: int = 1

    @cached
    def go(self, x):
        return self.step(x)

    def step(self, x):
        return x

@dataclass
class E(D):
    pass

def helper(x):
    return A().go(x) * A.k

@cached
def f(x):
    return A().go(x) * A.k

@cached
def g(x):
    return B().go(x)

@cached
def h(x):
    return helper(x)
"""


def mocked(name: str, patch: str, call: str, inside: str) -> Fault:
    """What is computed under a mock is nobody else's, neither here nor in the next process."""
    steps = [(f"with {patch}: seen = {call}", ""), ("seen", inside), (call, "1")]
    return Fault("K3", name, [Run(MOCKED, steps), Run(MOCKED, [(call, "1")])])


MOCKS = [
    mocked(
        "method mocked in a data class",
        'mock.patch.object(E, "step", lambda self, x: 99, create=True)',
        "E().go(1)",
        "99",
    ),
    mocked("mocked method of a data class", 'mock.patch.object(D, "step", lambda self, x: 99)', "D().go(1)", "99"),
    mocked("mocked method", 'mock.patch.object(A, "go", lambda self, x: 99)', "f(1)", "99"),
    mocked("mocked method of a base", 'mock.patch.object(A, "go", lambda self, x: 99)', "g(1)", "99"),
    mocked("method mocked in a subclass", 'mock.patch.object(B, "go", lambda self, x: 99, create=True)', "g(1)", "99"),
    mocked("mocked attribute", 'mock.patch.object(A, "k", 99)', "f(1)", "99"),
    mocked("mocked function", 'mock.patch.object(HERE, "helper", lambda x: 99)', "h(1)", "99"),
    mocked("magic mock", 'mock.patch.object(A, "go", mock.MagicMock(return_value=99))', "f(1)", "99"),
    mocked("magic function", 'mock.patch.object(HERE, "helper", mock.Mock(return_value=99))', "h(1)", "99"),
    mocked(
        "mocked class", 'mock.patch.object(HERE, "A", type("A", (), {"go": lambda self, x: 99, "k": 1}))', "f(1)", "99"
    ),
]

CELLS = {
    "numpy": ("import numpy as np\n@cached\ndef s(x): return float(np.sum(x))", "s([1, 2])", "3.0"),
    "json": ("import json\n@cached\ndef s(x): return json.dumps(x)", "s([1])", "'[1]'"),
    "from": ("from os import path\n@cached\ndef s(x): return path.join(x, 'a')", "s('b')", "'b/a'"),
    "earlier": ("import json\n# --------------------\n@cached\ndef s(x): return json.dumps(x)", "s([1])", "'[1]'"),
    "helper": ("import math\ndef g(x): return math.floor(x)\n@cached\ndef s(x): return g(x)", "s(1.5)", "1"),
    "class": (
        "import math\nclass A:\n    def go(self, x): return math.floor(x)\n@cached\ndef s(x): return A().go(x)",
        "s(1.5)",
        "1",
    ),
    "method": ("import json\nclass A:\n    @cached\n    def s(self, x): return json.dumps(x)", "A().s([1])", "'[1]'"),
    "lambda": ("import json\ng = lambda x: json.dumps(x)\n@cached\ndef s(x): return g(x)", "s([1])", "'[1]'"),
    "later import": ("@cached\ndef s(x): return json.dumps(x)\nimport json", "s([1])", "'[1]'"),
}
# `%%time` and `exec` leave no source at all.
MODES = ["cells", "cell", "prompt"]
NOTEBOOKS = [
    one_process("K6", f"{name} {mode}", text, (call, value), (call, value), mode=mode)
    for name, (text, call, value) in CELLS.items()
    for mode in MODES
]

EXECUTED = 'exec("def helper(x):\\n    return x * 2", globals())\n\n@cached\ndef f(x):\n    return helper(x)\n'
REWRITTEN = """
import ast
from _pytest.assertion.rewrite import rewrite_asserts

SOURCE = b"def helper(x):\\n    assert x, 'none'\\n    return x * 2\\n"
tree = ast.parse(SOURCE)
rewrite_asserts(tree, SOURCE)
exec(compile(tree, __file__, "exec"), globals())

@cached
def f(x):
    return helper(x)
"""
TYPE = "C = type('C', (), {'go': lambda self, x: x * 2})\n@cached\ndef f(x):\n    return C().go(x)\n"
TWICE = "class C: pass\nclass C:\n    def go(self, x): return x * 2\n@cached\ndef f(x):\n    return C().go(x)\n"


def not_raised(kind: str, name: str, text: str, edit: tuple[str, str] = ("* 2", "* 200")) -> Fault:
    """Nothing raises, and an edit is another key."""
    runs = [Run(one, [("f(1)", value), ("f(1)", value)]) for one, value in ((text, "2"), (text.replace(*edit), "200"))]
    return Fault(kind, name, [*runs, runs[0]])


# Its own methods are from `<string>`, as those are that `dataclass` makes.
DATA = """
from dataclasses import dataclass

@dataclass
class A:
    k: int

    def go(self, x):
        return x * 2
"""
UNSEEN = [
    not_raised("K11", "executed data class", f"exec({DATA!r})\n\n@cached\ndef f(x):\n    return A(1).go(x)\n"),
    not_raised("K11", "exec", EXECUTED),
    not_raised("K11", "rewritten assert", REWRITTEN),
    not_raised("K11", "lambda met", LAMBDA),
    not_raised("K11", "lambda itself", "f = cached(lambda x: x * 2)\n"),
    not_raised("K11", "two lambdas on a line", "g, h = lambda x: x * 2, lambda x: -x\nf = cached(lambda x: g(x))\n"),
    not_raised("K11", "lambda in a default", "@cached\ndef f(x, key=lambda y: y * 2):\n    return key(x)\n"),
    not_raised("K11", "type", TYPE),
    not_raised("K11", "defined twice", TWICE),
]

ROOT = """
from pathlib import Path

ROOT = Path(__file__).parent
OUT = Path("out")

@cached
def f(x):
    return len((ROOT / "a.csv").name) + x

@cached
def g(x):
    return str(OUT / x)

@cached
def h(out):
    out.write_text("written")
    return 1
"""
PATHS = [
    one_process("K17", "folder", ROOT, ("f(1)", "6")),
    one_process("K17", "missing", ROOT, ("g('a')", "'out/a'")),
    one_process(
        "K17", "other missing", ROOT.replace('"out"', '"/no such folder/out"'), ("g('a')", "'/no such folder/out/a'")
    ),
    one_process("K17", "argument that is written", ROOT, ("h(Path('new.txt'))", "1")),
    one_process(
        "K17", "missing in a list", ROOT.replace('Path("out")', 'Path(*[Path("out")][:1])'), ("g('a')", "'out/a'")
    ),
]

ALL = EDITED + MOCKS + NOTEBOOKS + UNSEEN + PATHS


@pytest.mark.parametrize("fault", ALL, ids=str)
def test_what_runs_is_what_counts(lab: Lab, fault: Fault) -> None:
    assert lab.run(fault) == wanted(fault)


LOG = """
import time
from pathlib import Path

ROOT = Path(__file__).parent

@cached
def f(x):
    return str(ROOT), time.time_ns()
"""


@pytest.mark.parametrize("fault", [Fault("K17", "log beside", [])], ids=str)
def test_a_line_in_a_log_beside_is_no_miss(lab: Lab, fault: Fault) -> None:
    log = "(ROOT / 'job.log').write_text('another line')"
    text = textwrap.dedent(LOG)
    runs = [Run(text, [("f(1)", ""), (log, ""), ("f(1)", "")]), Run(text, [("f(1)", "")])]
    (first, _, second), (third,) = lab.run(Fault(fault.kind, fault.name, runs))
    assert first == second == third
