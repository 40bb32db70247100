"""Items that are objects of own classes, in all the places where objects are."""

from support.programs.slots import Draw, Item

PLACES = {
    "list": ("S{n} = [{o}]", "S{n}[0]"),
    "dict": ('S{n} = {{"a": ({o}, 1)}}', 'S{n}["a"][0]'),
    "global": ("S{n} = {o}", "S{n}"),
    "attribute": ("class Outer{n}:\n    pass\n\nS{n} = Outer{n}()\nS{n}.inner = {o}", "S{n}.inner"),
    "class attribute": ("class Outer{n}:\n    inner = [{o}]", "Outer{n}.inner[0]"),
    "nested": (
        "class Outer{n}:\n    def __init__(self, inner):\n        self.inner = inner\n\nS{n} = [Outer{n}({o})]",
        "S{n}[0].inner",
    ),
    "set": ("S{n} = frozenset([{o}])", "[*S{n}][0]"),
}


def instance(d: Draw) -> Item:
    """An object in a list, a dictionary, an attribute (K1); its class has text of its own only."""
    store, read = PLACES[d.choose(*PLACES)]
    head = d.choose("", "from dataclasses import dataclass\n\n@dataclass(frozen=True)")
    own = "k: int" if head else "def __init__(self, k):\n        self.k = k"
    return Item(
        f"""
{head}
class C{d.n}:
    {own}

    def go(self, x):
        {d.comment()}
        return x {d.op()} {d.const()} + self.k

    {d.member("def __bool__(self): return False")}

{store.format(n=d.n, o=f"C{d.n}({d.const()})")}

def h{d.n}(x):
    found = {read.format(n=d.n)}
    return found.go(x) + (300 if found else 0) + {d.call("x")}
""",
        f"h{d.n}({{}})",
        [f"C{d.n}.go = lambda self, x: 99"],
    )


def held(d: Draw) -> Item:
    """An object in a default, a closure, a partial or a bound method (K1)."""
    how = d.choose(
        "def h{n}(x, losses=(O{n},)):\n    return losses[0].go(x)",
        "def make{n}(k):\n    return lambda x: k['o'].go(x)\n\nh{n} = make{n}({{'o': O{n}}})",
        "import functools\n\ndef g{n}(o, x):\n    return o[0].go(x)\n\nh{n} = functools.partial(g{n}, [O{n}])",
        "h{n} = O{n}.go",
        "def h{n}(x, *, o={{1: O{n}}}):\n    return o[1].go(x)",
    ).format(n=d.n)
    return Item(
        f"""
class C{d.n}:
    def __fingerprint__(self):
        return "the same"

    def go(self, x):
        return x {d.op()} {d.const()} + {d.call("x")}

O{d.n} = C{d.n}()

{how}
""",
        f"h{d.n}({{}})",
        [f"C{d.n}.go = lambda self, x: 99"],
    )


def slots(d: Draw) -> Item:
    return Item(
        f"""
class C{d.n}:
    __slots__ = ("k", "j")

    def __init__(self, k):
        self.k, self.j = k, {d.const()}

    def go(self, x):
        return self.k {d.op()} self.j + {d.call("x")}

S{d.n} = C{d.n}({d.const()})
""",
        d.choose(f"S{d.n}.go({{}})", f"C{d.n}(9).go({{}})"),
    )
