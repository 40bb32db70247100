"""Which computation a function is: what makes it another one, and what does not. Modules are edited and re-imported."""

import ast
import hashlib
import re
import textwrap

import pytest

from support.program import PROGRAM, Program, differing, run_python
from xpstore._identity.process import identify
from xpstore._identity.references import references_of
from xpstore._identity.syntax import FunctionNode, bare, serialize
from xpstore._identity.values import fingerprint_process

UNCHANGING = [
    ("job", "def f(", "# a comment\n\n\ndef f("),
    ("job", "RATE = 0.5", "RATE   =  .50  # learning"),
    ("job", '"""Computes."""', '"""Computes something else."""'),
    ("job", '    """Computes."""\n', ""),
    ("job", "x: int, y: int = 2", "x: 'float', y=2"),
    ("job", "-> float:", "-> 'anything':"),
    ("job", "    total = prepare", "    total: float = prepare"),
    ("job", "    values = [", "    values = (["),
    ("job", "if y:\n", "if (y):\n"),
    ("job", 'log.info("total %s", total)', "log.info('total %s',\n        total,)"),
    ("job", "import math\n", "import math\nimport json\n"),
    ("job", "y: int = 2", "y: int = 1 + 1"),
    ("helpers", '"""Prepares."""', '"""Prepares it."""'),
    ("helpers", "def relu(x):", "def relu(x: float) -> float:"),
    ("deep", "return x\n", "return x + 1\n"),
    ("deep", "SCALE = [1, 2, 3]", "SCALE = [\n    1,\n    2,\n    3,\n]"),
    ("model", "class Root:\n", 'class Root:\n    """The root."""\n\n'),
]


@pytest.mark.parametrize(("module", "old", "new"), UNCHANGING, ids=lambda text: re.sub(r"\W+", "-", text)[:24])
def test_what_does_not_change_the_result_does_not_change_the_process(
    program: Program, module: str, old: str, new: str
) -> None:
    before = program.identify()
    program.edit(module, old, new)
    if "values" in new:
        program.edit("job", "> -0.0]", "> -0.0])")
    assert program.identify() == before


CHANGING = [
    ("job", "return n and once", "return n or once", "again"),
    ("job", "once(n - 1)", "once(n - 2)", "again"),
    ("job", "return again(n)", "return again(n) + 1", "once"),
    ("job", "- first", "+ first", "f"),
    ("job", "prepare(x) +", "decorated(x) +", "f"),
    ("job", "> -0.0", "> 0.0", "f"),
    ("job", "{total!r:>", "{total!s:>", "f"),
    ("job", "{math.pi:.2f}", "{math.pi:.3f}", "f"),
    ("job", "case 0 | 1", "case 0 | 1.0", "f"),
    ("job", "case 0 | 1", "case 0 | True", "f"),
    ("job", "case [a, *rest]", "case [a, *_]", "f"),
    ("job", "half :=", "third :=", "f"),
    ("job", "nested(b: int = 4)", "nested(b: int = 5)", "f"),
    ("job", "nested(b: int = 4)", "nested(b: float = 4)", "f"),
    ("job", "nonlocal total", "total = 0", "f"),
    ("job", "import lazy as late", "import relu as late", "f"),
    ("job", '"relu"', 'b"relu"', "f"),
    ("job", "import math", "import cmath as math", "f"),
    ("job", "LOW as first, HIGH as second", "HIGH as first, LOW as second", "first"),
    ("job", "RATE = 0.5", "RATE = 0.6", "RATE"),
    ("job", "RATE = 0.5", "RATE = '0.5'", "RATE"),
    ("job", "np.arange(3)", "np.arange(3.0)", "WEIGHTS"),
    ("job", "y: int = 2", "y: int = 3", "f(y)"),
    ("job", "z: float = 1.5", "z: float = 1.6", "f(z)"),
    ("job", "make(7)", "make(8)", "make.<locals>.inner.offset"),
    ("job", "return x + offset", "return x - offset", "make.<locals>.inner"),
    ("helpers", "deepest(x) * 2", "deepest(x) * 3", "lab.helpers.prepare"),
    ("helpers", "return x - 1", "return x - 2", "lab.helpers.via_module"),
    ("helpers", "* k", "+ k", "lab.helpers.times.<locals>.decorate.<locals>.wrapper"),
    ("helpers", "@times(3)", "@times(4)", "lab.helpers.times.<locals>.decorate.<locals>.wrapper.k"),
    ("helpers", "x + 10", "x + 11", "lab.helpers.decorated"),
    ("helpers", "x + 20", "x + 21", "lab.helpers.remembered"),
    ("helpers", "x + 30", "x + 31", "lab.helpers.lazy"),
    ("helpers", "max(x, 0)", "max(x, 1)", "lab.helpers.relu"),
    ("helpers", '{"relu": relu}', '{"relu": lazy}', "TABLE"),
    ("helpers", "x ** n", "x ** -n", "lab.helpers.power"),
    ("helpers", "n=2", "n=3", "square(n)"),
    ("deep", "return x + SCALE", "return x * SCALE", "lab.deep.deepest"),
    ("deep", "SCALE = [1, 2, 3]", "SCALE = [1, 2, 4]", "lab.deep.SCALE"),
    ("model", "return 4", "return 5", "lab.model.Model"),
    ("model", "return 1", "return 2", "lab.model.Root"),
    ("model", "layers = 3", "layers = 4", "lab.model.Model.layers"),
    ("model", "@staticmethod", "@classmethod", "lab.model.Model"),
    ("model", "@dataclass", "@dataclass(frozen=True)", "lab.model.Config.(data class)"),
    ("model", "lr: float", "lr: ClassVar[float]", "lab.model.Config.(fields)"),
    ("model", "DEFAULT = Config(lr=0.5)", "DEFAULT = Config(lr=0.6)", "DEFAULT"),
    ("model", "RED = 1", "RED = 2", "lab.model.Color.(members)"),
]


@pytest.mark.parametrize(
    ("module", "old", "new", "part"), CHANGING, ids=[f"{old}-to-{new}"[:40] for _, old, new, _ in CHANGING]
)
def test_what_changes_the_result_changes_the_part_that_says_so(
    program: Program, module: str, old: str, new: str, part: str
) -> None:
    before = program.identify()
    if "ClassVar" in new:
        program.edit("model", "Config(lr=0.5)", "Config()")
        before = program.identify()
    program.edit(module, old, new)
    after = program.identify()
    assert part in differing(before, after)
    assert fingerprint_process(before.name, before.parts) != fingerprint_process(after.name, after.parts)


def test_a_process_is_the_same_in_every_process_whatever_the_hash_seed(program: Program) -> None:
    expected = program.identify()
    code = "import lab.job\nfrom xpstore._identity.process import identify\n"
    code += "print([part.fingerprint for part in identify(lab.job.f).parts])"
    for seed in ("0", "1", "4711"):
        answer = run_python(program.folder.parent, "-c", code, PYTHONHASHSEED=seed)
        assert answer == str([part.fingerprint for part in expected.parts])


def test_code_reads_the_same_on_all_pythons() -> None:
    """The digest is that of 3.11, 3.12 and 3.13: the suite runs on whatever Python there is."""
    digest = hashlib.sha256()
    for name, text in sorted(PROGRAM.items()):
        tree = ast.parse(textwrap.dedent(text))
        for node in ast.walk(tree):
            if isinstance(node, FunctionNode):
                digest.update(serialize(bare(node)).encode())
        found = references_of(compile(tree, name, "exec"))
        digest.update(repr([sorted(found.globals), sorted(found.imports)]).encode())
    assert digest.hexdigest() == "92ff2ff7b539e39e96e4e607ece7f8f40c5b9053210e72f10051b7a9c389e958"


# Values that change between calls


def test_values_count_as_they_are_at_the_call(program: Program) -> None:
    job = program.load()
    before = identify(job.f)
    job.WEIGHTS[0] = 5
    assert differing(before, identify(job.f)) == {"WEIGHTS"}
    job.WEIGHTS[0] = 0
    assert identify(job.f) == before
    job.helpers.via_module = job.helpers.lazy
    assert "lab.helpers.via_module" in differing(before, identify(job.f))
    job.Model.layers = 8
    assert "lab.model.Model.layers" in differing(before, identify(job.f))


def test_a_name_that_is_defined_later_counts_from_then_on(program: Program) -> None:
    own = program.write("def f(x):\n    return helper(x)\n")
    before = identify(own.f)
    own.helper = abs
    assert identify(own.f) != before


def test_two_functions_made_of_one_text_do_not_stand_for_each_other(program: Program) -> None:
    own = program.write("""
        def make(k):
            def inner(x):
                return x * k
            return inner

        two, three = make(2), make(3)

        def f(x):
            return two(x) - three(x)
    """)
    before = identify(own.f)
    assert {"make.<locals>.inner", "make.<locals>.inner #2"} <= {part.name for part in before.parts}
    own.two, own.three = own.three, own.two
    assert identify(own.f) != before
    assert identify(own.two) != identify(own.three)


def test_equal_code_of_different_texts_is_told_apart(program: Program) -> None:
    """Python makes the same code object of both; whichever is seen first must not stand for the other."""
    first = identify(program.write("def f():\n    return 1 + 1\n").f)
    second = identify(program.write("def f():\n    return 2\n").f)
    assert first != second
    assert identify(program.write("def f():\n    return 1 + 1\n").f) == first


def test_a_global_that_is_only_written_does_not_count(program: Program) -> None:
    own = program.write("def f(x):\n    global last\n    last = x\n    return x\n")
    before = identify(own.f)
    own.f(3)
    assert identify(own.f) == before


def test_choices_of_types_count(program: Program) -> None:
    text = "import typing\nMODES = typing.Literal['a', 'b']\ndef f(x):\n    return typing.get_args(MODES)\n"
    before = identify(program.write(text).f)
    assert identify(program.write(text.replace("'b'", "'c'")).f) != before
