"""Items that are functions."""

from support.programs.readings import late, library, lookups, oddity, paths, times, values
from support.programs.slots import Builder, Draw, Item


def function(d: Draw) -> Item:
    v = d.local()
    return Item(
        f"""
def h{d.n}(x):
    {d.doc()}
    {v} = x {d.op()} {d.const()}
    {d.comment()}
    return ({d.space()}{v} {d.op()} {d.call("x")}) % 9973
""",
        f"h{d.n}({{}})",
        [f"h{d.n} = lambda x: x + 1234"],
    )


def decorator(d: Draw) -> Item:
    wraps = d.choose("@functools.wraps(function)", "")
    return Item(
        f"""
import functools

def times{d.n}(k):
    def decorate(function):
        {wraps}
        def wrapper(*args):
            return (function(*args) {d.op()} k) % 9973
        return wrapper
    return decorate

@times{d.n}({d.const()})
def h{d.n}(x):
    {d.doc()}
    return {d.call("x")} {d.op()} {d.const()}
""",
        f"h{d.n}({{}})",
    )


def injected(d: Draw) -> Item:
    wraps = d.choose("@functools.wraps(function)", "")
    return Item(
        f"""
import functools

def inject{d.n}(function):
    {wraps}
    def wrapper(*args):
        return function({d.const()}, *args)
    return wrapper

@inject{d.n}
def h{d.n}(base, x):
    return (base * 31 {d.op()} {d.call("x")}) % 9973
""",
        f"h{d.n}({{}})",
    )


def closure(d: Draw) -> Item:
    return Item(
        f"""
def make{d.n}(k, table):
    def inner(x):
        return (x {d.op()} k + table["b"]) % 997
    return inner

h{d.n} = make{d.n}({d.const()}, {{"a": 1, "b": {d.const()}}})
""",
        f"h{d.n}({{}})",
    )


def table(d: Draw) -> Item:
    return Item(
        f"""
def one{d.n}(x):
    return {d.call("x")} {d.op()} {d.const()}

def two{d.n}(x):
    return x {d.op()} {d.const()}

T{d.n} = {{{d.order(f'"a": one{d.n}', f'"b": two{d.n}')}}}

def h{d.n}(x):
    return sum((i + 3) * function(x) for i, function in enumerate(T{d.n}.values())) % 9973
""",
        f"h{d.n}({{}})",
        [f"T{d.n}['a'] = lambda x: 4321"],
    )


def partial(d: Draw) -> Item:
    return Item(
        f"""
from functools import partial

def power{d.n}(x, n, m=2):
    return (x * n {d.op()} m + {d.call("n")}) % 9973

h{d.n} = partial(power{d.n}, n={d.const()})
""",
        f"h{d.n}({{}})",
    )


def defaults(d: Draw) -> Item:
    return Item(
        f"""
def h{d.n}(x, seen=[{d.const()}, 4], *, k={d.const()}, then={d.either("abs", "hash")}):
    {d.doc()}
    return then(x - 50 {d.op()} seen[0]) + k - len(seen)
""",
        f"h{d.n}({{}})",
        [f"h{d.n}.__kwdefaults__['k'] = 7654"],
    )


def keyword_defaults(d: Draw) -> Item:
    return Item(
        f"""
def h{d.n}(x, *, k={d.const()}):
    return {d.call("x")} + k * 7

h{d.n}.__kwdefaults__ = {{"k": {d.const()}}}
h{d.n}.__defaults__ = ({d.const()},)
""",
        d.choose(f"h{d.n}({{}})", f"h{d.n}()+({{}})"),
    )


def lambdas(d: Draw) -> Item:
    return Item(
        f"""
first{d.n}, second{d.n} = lambda x: x {d.op()} {d.const()}, lambda x: {d.call("x")}
h{d.n} = lambda x, k={d.const()}: first{d.n}(second{d.n}(x)) + k
""",
        f"h{d.n}({{}})",
    )


def outside(d: Draw) -> Item:
    """Attributes of a function that are set from outside (K9)."""
    return Item(
        f"""
def h{d.n}(x):
    return {d.call("x")} + h{d.n}.k * 3

h{d.n}.k = {d.const()}
""",
        f"h{d.n}({{}})",
        [f"h{d.n}.k = 700"],
    )


def comprehension(d: Draw) -> Item:
    v = d.local()
    return Item(
        f"""
def h{d.n}(x):
    def inner(i, k={d.const()}):
        return i {d.op()} k
    {v} = [inner(i) + x for i in range(4) if i {d.either("<", ">")} 2]
    return sum({v}) + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def nonlocal_(d: Draw) -> Item:
    v = d.local()
    return Item(
        f"""
def h{d.n}(x):
    {v} = {d.const()}
    def add(k):
        nonlocal {v}
        {v} {d.op()}= k
    add(x)
    add({d.const()})
    return {v} % 9973
""",
        f"h{d.n}({{}})",
    )


def generator(d: Draw) -> Item:
    return Item(
        f"""
def each{d.n}(x):
    yield x
    {d.member(f"yield {d.const()}")}
    yield from (i {d.op()} {d.const()} for i in range(3))

def h{d.n}(x):
    return sum(each{d.n}(x)) + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def async_(d: Draw) -> Item:
    return Item(
        f"""
async def wait{d.n}(x):
    return x {d.op()} {d.const()}

async def both{d.n}(x):
    return await wait{d.n}(x) + {d.call("x")}

def h{d.n}(x):
    try:
        both{d.n}(x).send(None)
    except StopIteration as done:
        return done.value
""",
        f"h{d.n}({{}})",
    )


def imports(d: Draw) -> Item:
    """The most usual cell of a notebook (K6): an import, and a function that uses it."""
    use = d.choose(
        'import json|len(json.dumps({"x": x}))',
        'from os import path|len(path.join("a" * (x % 9), "b"))',
        "import math|math.floor(math.sqrt(abs(x)))",
    )
    text, expression = use.split("|")
    return Item(
        f"""
{text}

def h{d.n}(x):
    {d.comment()}
    return {expression} {d.op()} {d.const()} + {d.call("x")}
""",
        f"h{d.n}({{}})",
    )


def dispatch(d: Draw) -> Item:
    return Item(
        f"""
import functools

@functools.singledispatch
def show{d.n}(x):
    return 1

@show{d.n}.register
def _(x: int):
    return x {d.op()} {d.const()}

@functools.lru_cache(maxsize=None)
def kept{d.n}(x):
    return {d.call("x")} {d.op()} 3

def h{d.n}(x):
    return show{d.n}(x) + kept{d.n}(x)
""",
        f"h{d.n}({{}})",
    )


FUNCTIONS: dict[str, Builder] = {
    one.__name__.strip("_"): one
    for one in (
        function,
        decorator,
        injected,
        closure,
        table,
        values,
        partial,
        defaults,
        keyword_defaults,
        lambdas,
        outside,
        comprehension,
        nonlocal_,
        generator,
        async_,
        imports,
        dispatch,
        times,
        paths,
        lookups,
        library,
        late,
        oddity,
    )
}
