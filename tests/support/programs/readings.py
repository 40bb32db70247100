"""Items that are functions and what they read: globals of all types, libraries, what they look up by a text."""

from support.programs.slots import Draw, Item


def values(d: Draw) -> Item:
    return Item(
        f"""
RATE{d.n} = {d.const()}
LIST{d.n} = [{d.const()}, {d.const()}]
DICT{d.n} = {{{d.order(f'"a": {d.const()}', '"b": 3')}}}

def h{d.n}(x):
    {d.comment()}
    return x {d.op()} RATE{d.n} + LIST{d.n}[1] + [*DICT{d.n}].index("b") * 100 + DICT{d.n}["a"]
""",
        f"h{d.n}({{}})",
    )


def times(d: Draw) -> Item:
    """Values that were one fingerprint (K8): zones and folds."""
    zone = d.either('ZoneInfo("Africa/Lagos")', 'ZoneInfo("Europe/Paris")')
    return Item(
        f"""
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

D{d.n} = datetime(2026, 1, 1, tzinfo={zone})
F{d.n} = datetime(2025, 10, 26, 2, 30, fold={d.either("0", "1")})

def h{d.n}(x):
    later = (D{d.n} + timedelta(days=181)).utcoffset().seconds // 60
    return x + later + F{d.n}.fold * 7 + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def paths(d: Draw) -> Item:
    """A path that is not there, or a folder (K17), and its name (K8)."""
    return Item(
        f"""
from pathlib import Path

OUT{d.n} = Path({d.either('"out.csv"', '"out.parquet"')})
ROOT{d.n} = Path({d.choose('"/proc/self"', '"no such folder"')})

def h{d.n}(x):
    return len(str(ROOT{d.n} / OUT{d.n})) + x {d.op()} {d.const()}
""",
        f"h{d.n}({{}})",
    )


def lookups(d: Draw) -> Item:
    """What is looked up by a text while it runs."""
    use = d.choose(
        f'globals()["K{d.n}"]',
        f"len(g{d.n}.__doc__)",
        f'len(str(g{d.n}.__annotations__["x"]))',
        f'getattr(sys.modules[__name__], "K" + "{d.n}")',
        f'eval("K{d.n}")',
    )
    return Item(
        f"""
import sys

K{d.n} = {d.const()}

def g{d.n}(x: {d.either('"int"', '"float32"', "annotation")}):
    {d.either('"Short."', '"Not so short."', "docstring that is read")}
    return x

def h{d.n}(x):
    return {use} * 3 + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def library(d: Draw) -> Item:
    """Own code that is put into a library's module, and into a class of it."""
    return Item(
        f"""
import colorsys
import fractions

def mine{d.n}(x):
    return x {d.op()} {d.const()}

{d.member(f"colorsys.rgb_to_hls = mine{d.n}")}
fractions.Fraction.more{d.n} = lambda self: {d.const()}

def h{d.n}(x):
    if colorsys.rgb_to_hls.__name__ == "mine{d.n}":
        x = colorsys.rgb_to_hls(x)
    return x + fractions.Fraction(1).more{d.n}() + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def late(d: Draw) -> Item:
    """Imports while it runs: of a library, and of the module that all is in."""
    return Item(
        f"""
K{d.n} = {d.const()}

def h{d.n}(x):
    from importlib import import_module as load
    from operator import {d.either("add", "mul")} as join
    own = load(__name__)
    return join(own.K{d.n} * 3, x) + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


# What most programs have among their globals (K19), and an integer that is made of it.
ODDITIES = [
    "import threading|threading.Lock()|o.locked() + 0",
    "import logging|logging.getLogger('a')|len(o.name)",
    "import numpy|numpy.sqrt|int(o(9))",
    "from os import environ|environ|len(o) * 0",
    "import copy, random|random.Random(4)|copy.copy(o).randrange(9)",
    "import copy, numpy|numpy.random.default_rng(4)|int(copy.deepcopy(o).integers(9))",
    "import re|re.compile('a+')|len(o.findall('aaba'))",
    "from contextvars import ContextVar|ContextVar('v', default=3)|o.get()",
    "import weakref|weakref.WeakValueDictionary()|len(o)",
    "import copy, itertools|itertools.count(3)|next(copy.copy(o))",
    "import io|io.StringIO('abc')|len(o.getvalue())",
    "import operator|operator.itemgetter(1)|o([4, 5])",
    "import types|types.SimpleNamespace(a=3)|o.a",
    "import sys|sys.modules|len(o) * 0",
    "import math|object()|(o is not None) * 4",
]


def oddity(d: Draw) -> Item:
    head, odd, use = d.choose(*ODDITIES).split("|")
    default, local = d.choose(f", o=O{d.n}|", f"|o = O{d.n}").split("|")
    return Item(
        f"""
{head}

O{d.n} = {odd}

def h{d.n}(x{default}):
    {local}
    return {use} {d.op()} {d.const()} + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )
