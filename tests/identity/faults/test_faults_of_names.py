"""Which call of which function it is: K4 and K5 of the list of faults, and cases of the same kinds."""

import pytest

from support.programs.fault import Fault, Lab, Run, one_process, wanted

CHANGING = """
import functools

def changing(function):
    @functools.wraps(function)
    def w({parameters}):
        return function({arguments})
    return w

@cached
@changing
def f({own}):
    return ({result})
"""


def changing(name: str, parameters: str, arguments: str, own: str, result: str, *steps: tuple[str, str]) -> Fault:
    text = CHANGING.format(parameters=parameters, arguments=arguments, own=own, result=result)
    return one_process("K4", name, text, *steps)


DECORATED = [
    changing(
        "injected", "*a", '"db", *a', "db, x=5, y=6", "db, x, y", ("f(1)", "('db', 1, 6)"), ("f(1, 5)", "('db', 1, 5)")
    ),
    changing(
        "default",
        'x, mode="new"',
        "x, mode",
        'x, mode="old"',
        "x, mode",
        ("f(1, 'old')", "(1, 'old')"),
        ("f(1)", "(1, 'new')"),
        ("f(1, mode='new')", "(1, 'new')"),
    ),
    changing("required", "*a", '"db", *a', "db, x=5", "db, x", ("f(1)", "('db', 1)"), ("f()", "('db', 5)")),
    changing("swapped", "x, y=8", "y, x", "x, y=1", "x, y", ("f(1)", "(8, 1)"), ("f(1, 1)", "(1, 1)")),
    changing("more", "x, *, z=3", "x + z", "x", "x,", ("f(1)", "(4,)"), ("f(1, z=4)", "(5,)")),
    changing("fewer", "", "7", "x", "x,", ("f()", "(7,)"), ("f()", "(7,)")),
    changing("wrong call", "x", "x", "x", "x,", ("f()", "TypeError: f() missing 1 required positional argument: 'x'")),
    one_process(
        "K4",
        "without wraps",
        """
        def twice(function):
            def w(x): return function(x) * 2
            return w

        @cached
        @twice
        def f(x): return x + 1

        one = f

        @cached
        @twice
        def f(x): return x + 2
        """,
        ("one(1)", "4"),
        ("f(1)", "6"),
    ),
    one_process(
        "K4",
        "signature that is not true",
        """
        import inspect

        def w(*a): return a

        w.__signature__ = inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY, default=5)])
        f = cached(w)
        """,
        ("f()", "()"),
        ("f(5)", "(5,)"),
    ),
    one_process(
        "K4",
        "method",
        """
        import functools
        from dataclasses import dataclass

        def injected(function):
            @functools.wraps(function)
            def w(self, *a): return function(self, "db", *a)
            return w

        @dataclass
        class C:
            k: int

            @cached
            @injected
            def go(self, db, x=5, y=6): return db, x, y
        """,
        ("C(1).go(1)", "('db', 1, 6)"),
        ("C(1).go(1, 5)", "('db', 1, 5)"),
    ),
]


def apart(name: str, mode: str, *texts: tuple[str, str], call: str = "load(1)") -> Fault:
    """Programs of one project with functions of one name."""
    return Fault("K5", name, [Run(text, [(call, value)], mode) for text, value in (*texts, texts[0])])


BARE = "@cached\ndef load(x): return x + {}\n"
LOAD = "@cached(version=1)\ndef load(x): return x + {}\n"
HELPED = "def helper(x): return x + {}\n@cached(version=1)\ndef load(x): return helper(x)\n"
FACTORY = """
def make(k):
    @cached{0}
    def h(x): return x * k
    return h

def bare(k):
    @cached{0}
    def h(x): return {{1: lambda: x * k}}[1]()
    return h

def default(k):
    @cached{0}
    def h(x, y=k): return x * y
    return h
"""

VERSIONS = [
    apart("scripts", "main", (LOAD.format(1), "2"), (LOAD.format(2), "3")),
    apart("notebooks", "cells", (LOAD.format(1), "2"), (LOAD.format(2), "3")),
    apart("whole cells", "cell", (LOAD.format(1), "2"), (LOAD.format(2), "3")),
    apart("helpers of scripts", "main", (HELPED.format(1), "2"), (HELPED.format(2), "3")),
    apart("no version", "main", (BARE.format(1), "2"), (BARE.format(2), "3")),
    apart("lambdas", "main", *((f"load = cached(version=1)(lambda x: x + {k})", str(k + 1)) for k in (1, 2))),
    one_process("K5", "closures", FACTORY.format("(version=1)"), ("make(2)(1)", "2"), ("make(20)(1)", "20")),
    one_process(
        "K5", "closures in closures", FACTORY.format("(version=1)"), ("bare(2)(1)", "2"), ("bare(20)(1)", "20")
    ),
    one_process("K5", "defaults", FACTORY.format("(version=1)"), ("default(2)(1)", "2"), ("default(20)(1)", "20")),
    one_process(
        "K5", "named closures", FACTORY.format("(name='h', version=1)"), ("make(2)(1)", "2"), ("make(20)(1)", "20")
    ),
    one_process("K5", "closures without a version", FACTORY.format(""), ("make(2)(1)", "2"), ("make(20)(1)", "20")),
    one_process(
        "K5",
        "two of one name",
        "def one():\n    @cached(version=1)\n    def h(x): return 1\n    return h\nfirst = one()\n"
        "def one():\n    @cached(version=1)\n    def h(x): return 2\n    return h\n",
        ("first(1)", "1"),
        ("one()(1)", "2"),
    ),
]


@pytest.mark.parametrize("fault", DECORATED + VERSIONS, ids=str)
def test_other_calls_have_other_results(lab: Lab, fault: Fault) -> None:
    assert lab.run(fault) == wanted(fault)


MODULE = "@cached(version={})\ndef load(x): return x + {}\n"


@pytest.mark.parametrize("fault", [Fault("K5", "module", [])], ids=str)
def test_a_version_stands_for_the_text_of_a_function_of_a_module(lab: Lab, fault: Fault) -> None:
    texts = [(MODULE.format(1, 1), "2"), (MODULE.format(1, 2), "2"), (MODULE.format(2, 2), "3")]
    fault = Fault(fault.kind, fault.name, [Run(text, [("load(1)", value)]) for text, value in texts])
    assert lab.run(fault) == wanted(fault)
