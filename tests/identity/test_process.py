"""Which computation a function is: what makes it another one, and what does not. Modules are edited and re-imported."""

import ast
import functools
import hashlib
import importlib
import json
import linecache
import multiprocessing
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xpstore.code import read_code, serialize
from xpstore.errors import InvalidArgument
from xpstore.fingerprint import Part, PartKind, fingerprint, fingerprint_process
from xpstore.process import Process, bind_parameters, check_cacheable, identify
from xpstore.source import Node

PROGRAM = {
    "__init__": "",
    "consts": "LOW = 1\nHIGH = 9\n",
    "deep": """
        SCALE = [1, 2, 3]

        def deepest(x):
            return x + SCALE[0]

        def unused(x):
            return x
        """,
    "helpers": '''
        import functools
        from . import deep

        def prepare(x):
            """Prepares."""
            return deep.deepest(x) * 2

        def via_module(x):
            return x - 1

        def times(k):
            def decorate(function):
                @functools.wraps(function)
                def wrapper(*args, **kwargs):
                    return function(*args, **kwargs) * k
                return wrapper
            return decorate

        @times(3)
        def decorated(x):
            return x + 10

        @functools.lru_cache(maxsize=None)
        def remembered(x):
            return x + 20

        def lazy(x):
            return x + 30

        def relu(x):
            return max(x, 0)

        TABLE = {"relu": relu}

        def power(x, n):
            return x ** n

        square = functools.partial(power, n=2)
        ''',
    "model": """
        import enum
        from dataclasses import dataclass, field
        from typing import ClassVar

        class Root:
            def depth(self):
                return 1

        class Model(Root):
            layers = 3

            @staticmethod
            def width():
                return 4

            @property
            def size(self):
                return self.layers * self.width()

        @dataclass
        class Config:
            lr: float = 0.1
            steps: list = field(default_factory=list)

        class Color(enum.Enum):
            RED = 1

        DEFAULT = Config(lr=0.5)
        """,
    "job": '''
        """Training."""
        import logging
        import math
        import numpy as np
        from . import helpers
        from .consts import LOW as first, HIGH as second
        from .helpers import TABLE, decorated, prepare, remembered, square
        from .model import DEFAULT, Color, Config, Model

        RATE = 0.5
        WEIGHTS = np.arange(3)
        log = logging.getLogger(__name__)

        def again(n):
            return n and once(n - 1)

        def once(n):
            return again(n)

        def make(offset):
            def inner(x):
                return x + offset
            return inner

        shifted = make(7)

        async def waited(x):
            return x

        def f(x: int, y: int = 2, *, z: float = 1.5) -> float:
            """Computes."""
            from .helpers import lazy as late
            total = prepare(x) + helpers.via_module(x) + decorated(x) + remembered(x) + late(x)
            total += square(x) + TABLE["relu"](x) + shifted(x) + again(1) - first + second
            log.info("total %s", total)
            values = [item * RATE for item in range(3) if (half := item / 2) > -0.0]
            config = Config(lr=y)
            match x:
                case 0 | 1 if y:
                    total += 1
                case [a, *rest]:
                    total += 2
            def nested(b: int = 4) -> str:
                nonlocal total
                total += b
                return f"{total!r:>{y}} of {math.pi:.2f}"
            return total + sum(values) + Model().size + config.lr + DEFAULT.lr + z + len(nested()) + WEIGHTS[0] \
                + Color.RED.value
        ''',
}


class Program:
    """A package in a folder, imported anew after each edit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lab"
        self.folder.mkdir()
        for module, text in PROGRAM.items():
            self.path(module).write_text(textwrap.dedent(text).lstrip())

    def path(self, module: str) -> Path:
        return self.folder / f"{module}.py"

    def edit(self, module: str, old: str, new: str) -> None:
        text = self.path(module).read_text()
        assert old in text
        self.path(module).write_text(text.replace(old, new, 1))

    def load(self, module: str = "job") -> Any:
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return importlib.import_module(f"lab.{module}")

    def write(self, text: str, module: str = "own") -> Any:
        self.path(module).write_text(textwrap.dedent(text))
        return self.load(module)

    def identify(self) -> Process:
        return identify(self.load().f)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    program = Program(tmp_path)
    yield program
    for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
        del sys.modules[name]


def differing(one: Process, other: Process) -> set[str]:
    """The names of parts that are not in both, or not the same."""
    parts = [{(part.kind, part.name): part.fingerprint for part in process.parts} for process in (one, other)]
    return {
        name
        for kind, name in parts[0].keys() | parts[1].keys()
        if parts[0].get((kind, name)) != parts[1].get((kind, name))
    }


UNCHANGING = [
    ("job", "def f(", "# a comment\n\n\ndef f("),
    ("job", "RATE = 0.5", "RATE   =  .50  # learning"),
    ("job", '"""Computes."""', '"""Computes something else."""'),
    ("job", '    """Computes."""\n', ""),
    ("job", "x: int, y: int = 2", "x: 'float', y=2"),
    ("job", "-> float:", "-> 'anything':"),
    ("job", "def nested(b: int = 4) -> str:", "def nested(b=4):"),
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
    ("model", "@dataclass", "@dataclass(frozen=True)", "lab.model.Config"),
    ("model", "lr: float", "lr: ClassVar[float]", "lab.model.Config"),
    ("model", "DEFAULT = Config(lr=0.5)", "DEFAULT = Config(lr=0.6)", "DEFAULT"),
    ("model", "RED = 1", "RED = 2", "lab.model.Color"),
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
    code = "import lab.job, xpstore.process as p; print([part.fingerprint for part in p.identify(lab.job.f).parts])"
    for seed in ("0", "1", "4711"):
        answer = run_python(program.folder.parent, "-c", code, PYTHONHASHSEED=seed)
        assert answer == str([part.fingerprint for part in expected.parts])


def run_python(folder: Path, *command: str, **environment: str) -> str:
    path = os.pathsep.join([str(folder), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_code_reads_the_same_on_all_pythons() -> None:
    """The digest is that of 3.11, 3.12 and 3.13: the suite runs on whatever Python there is."""
    digest = hashlib.sha256()
    for text in PROGRAM.values():
        for node in ast.parse(textwrap.dedent(text)).body:
            if isinstance(node, Node):
                code = read_code(node)
                digest.update(repr((code.text, [one.names for one in code.references], code.attributes)).encode())
    assert digest.hexdigest() == "26f6cffaf912dccf4555405524452bd9de4ebc23330943999733b8f48dc1f13f"


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


# What functions are


def test_methods_are_known_with_their_class_and_their_object(program: Program) -> None:
    own = program.write("""
        from dataclasses import dataclass

        @dataclass
        class Trainer:
            lr: float

            def fit(self, x):
                return self.step(x)

            def step(self, x):
                return x * self.lr

            @classmethod
            def named(cls, x):
                return cls(x)
    """)
    assert identify(own.Trainer(0.1).fit) == identify(own.Trainer(0.1).fit)
    assert identify(own.Trainer(0.1).fit) != identify(own.Trainer(0.2).fit)
    assert identify(own.Trainer.named).name == "lab.own.Trainer.named"
    [self, x] = bind_parameters(own.Trainer.fit, (own.Trainer(0.1), 3), {})
    assert (self.name, x.name) == ("self", "x")
    before, plain = identify(own.Trainer(0.1).fit), identify(own.Trainer.fit)
    program.edit("own", "x * self.lr", "x / self.lr")
    own = program.load("own")
    assert "Trainer" in differing(before, identify(own.Trainer(0.1).fit))
    assert "Trainer" in differing(plain, identify(own.Trainer.fit))


def test_partial_functions_are_known_with_their_arguments(program: Program) -> None:
    own = program.write("""
        def apply(f, g, x):
            return f(g(x))

        def one(x):
            return x + 1

        def two(x):
            return x + 2
    """)
    partials = [
        functools.partial(own.apply, own.one, own.two),
        functools.partial(own.apply, own.two, own.one),
        functools.partial(own.apply, own.one),
        functools.partial(own.apply, own.one, own.two, x=3),
    ]
    for version in (None, 1):
        keys = {fingerprint_process(*parts_of(identify(one, version=version))) for one in partials}
        assert len(keys) == 4
    assert identify(partials[0]).name == "lab.own.apply"


def parts_of(process: Process) -> tuple[str, tuple[Part, ...]]:
    return process.name, process.parts


def test_async_functions_and_classes_are_processes(program: Program) -> None:
    job = program.load()
    check_cacheable(job.waited)
    assert [part.name for part in identify(job.waited).parts] == ["waited"]
    assert "lab.model.Root" in {part.name for part in identify(job.Model).parts} | {"lab.model.Root"}
    assert identify(job.Model).name == "lab.model.Model"


def test_what_a_generic_function_dispatches_to_counts(program: Program) -> None:
    text = """
        import functools

        @functools.singledispatch
        def show(x):
            return str(x)

        @show.register
        def _(x: int):
            return hex(x)

        def f(x):
            return show(x)
    """
    before = identify(program.write(text).f)
    assert identify(program.write(text.replace("hex(x)", "oct(x)")).f) != before


def test_a_decorator_that_is_an_object_counts_with_its_state(program: Program) -> None:
    text = """
        import functools

        class scaled:
            def __init__(self, function, k):
                functools.update_wrapper(self, function)
                self.k = k

            def __call__(self, x):
                return self.__wrapped__(x) * self.k

        def plain(x):
            return x + 1

        g = scaled(plain, 2)

        def f(x):
            return g(x)
    """
    before = identify(program.write(text).f)
    for edit in (("plain, 2", "plain, 3"), ("x + 1", "x + 2"), (") * self.k", ") + self.k")):
        assert identify(program.write(text.replace(*edit)).f) != before


def test_modules_beside_the_package_are_own_code_and_libraries_are_not(program: Program, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("def g(x):\n    return x\n")
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "bought.py").write_text("def g(x):\n    return x\n")
    sys.path.insert(0, str(installed))
    try:
        own = program.write("import beside, bought\n\ndef f(x):\n    return beside.g(x) + bought.g(x)\n")
        assert [part.name for part in identify(own.f).parts] == ["beside.g", "f"]
    finally:
        sys.path.remove(str(installed))
        for name in ("beside", "bought"):
            sys.modules.pop(name, None)


def test_a_cached_function_that_declares_a_version_counts_by_it(program: Program) -> None:
    own = program.write("""
        class Cached:
            def __init__(self, function, version):
                self.__wrapped__ = function
                self.__module__, self.__qualname__ = function.__module__, function.__qualname__
                self.declared_version = version

            def __call__(self, x):
                return self.__wrapped__(x)

        g = Cached(lambda x: x, "2")

        def f(x):
            return g(x)
    """)
    before = identify(own.f)
    assert [part.kind for part in before.parts] == [PartKind.VERSION, PartKind.CODE]
    own.g.declared_version = "3"
    assert identify(own.f) != before


# Names, versions, libraries


def test_a_declared_version_stands_for_the_code(program: Program) -> None:
    job = program.load()
    process = identify(job.f, version=2)
    assert process.name == "lab.job.f"
    assert [(part.kind, part.name, part.text) for part in process.parts] == [(PartKind.VERSION, "version", "2")]
    assert process == identify(job.f, version="2") != identify(job.f, version=3)
    assert identify(len, version=1).name == "builtins.len"
    assert identify(lambda x: x, name="identity", version=1).name == "identity"


def test_the_versions_of_libraries_count_when_asked_for(program: Program) -> None:
    process = identify(program.load().waited, depends=("numpy", "sklearn", "numpy"))
    libraries = {part.name: part.text for part in process.parts if part.kind is PartKind.LIBRARY}
    assert libraries["numpy"] == importlib.metadata.version("numpy")
    assert libraries["sklearn"].startswith("scikit-learn ")


REFUSED_OPTIONS = [
    ({"depends": ("no-such-library",)}, r"depends = 'no-such-library': no such library is installed"),
    ({"depends": "numpy"}, r"depends = 'numpy': must be a list or tuple"),
    ({"version": ""}, r"version = '': must be a text or an integer"),
    ({"version": True}, r"version = True: must be"),
    ({"version": 1.5}, r"version = 1.5: must be"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED_OPTIONS)
def test_malformed_options_are_refused(program: Program, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        identify(program.load().waited, **options)


def test_a_lambda_with_a_version_needs_a_name() -> None:
    with pytest.raises(InvalidArgument, match="give it `name=` too"):
        identify(lambda x: x, version=1)


# What cannot be seen

UNSEEN = [
    ("f = lambda x: x", r"<lambda> in line \d+ of .*own.py is a lambda"),
    ("f, g = lambda x: x, lambda x: -x", "is a lambda"),
    ("def f(x, key=lambda y: y):\n    return x", "is a lambda"),
    ("from math import sqrt as f", r"math.sqrt, whose code cannot be seen: declare `version=`"),
    ("exec('def f(x):\\n    return x')", r"f has no source that could be read \(<string>\): declare `version=`"),
    ("class C:\n    def __call__(self, x):\n        return x\nf = C()", r"is a callable lab.own.C, whose state cannot"),
    ("import threading\nLOCK = threading.Lock()\ndef f(x):\n    return LOCK", r"LOCK: .*declare `version=`"),
    ("from lab import lock\ndef f(x):\n    return lock.LOCK", r"lab.lock.LOCK: .*declare `version=`"),
    ("import threading\ndef f(x, lock=threading.Lock()):\n    return x", r"f\(lock\): .*declare `version=`"),
    ("C = type('C', (), {})\ndef f(x):\n    return C()", r"code of C that runs is not that of"),
    ("class C: pass\nclass C: pass\ndef f(x):\n    return C()", r"C is defined in lines 1 and 2"),
]


@pytest.mark.parametrize(("text", "message"), UNSEEN, ids=range(len(UNSEEN)))
def test_what_cannot_be_seen_is_refused_by_name(program: Program, text: str, message: str) -> None:
    program.path("lock").write_text("import threading\nLOCK = threading.Lock()\n")
    own = program.write(text)
    with pytest.raises(InvalidArgument, match=message):
        identify(own.f)
    assert identify(own.f, name="f", version=1).parts


def test_a_default_of_an_ignored_parameter_does_not_count(program: Program) -> None:
    own = program.write("import threading\ndef f(x, lock=threading.Lock()):\n    return x")
    assert [part.name for part in identify(own.f, ignore=["lock"]).parts] == ["f"]


def test_a_file_edited_after_the_import_is_noticed(program: Program) -> None:
    own = program.write("def f(x):\n    return x + 1\n")
    program.path("own").write_text("def f(x):\n    return x + 2\n")
    linecache.clearcache()
    with pytest.raises(InvalidArgument, match=r"the code of f that runs is not that of .*own.py: .*Import it again"):
        identify(own.f)
    assert identify(program.load("own").f)


def test_an_edit_elsewhere_in_the_file_is_no_obstacle(program: Program) -> None:
    own = program.write("def f(x):\n    return x + 1\n")
    program.path("own").write_text("import json\n\n\ndef g(x):\n    return x\n\n\ndef f(x):\n    return x + 1\n")
    linecache.clearcache()
    assert identify(own.f) == identify(program.load("own").f)


def test_a_class_edited_after_the_import_is_noticed(program: Program) -> None:
    text = "class C:\n    def g(self):\n        return 1\n\n\ndef f(x):\n    return C().g()\n"
    own = program.write(text)
    program.path("own").write_text(text.replace("1", "2"))
    linecache.clearcache()
    with pytest.raises(InvalidArgument, match="the code of C that runs"):
        identify(own.f)


# Scripts, notebooks and the processes they start

SCRIPT = """
from dataclasses import dataclass

FACTOR = 3


@dataclass
class Config:
    lr: float

    def half(self):
        return self.lr / 2


def helper(x):
    return x * FACTOR


def compute(x, config=Config(0.1)):
    return helper(x) + config.half()
"""

REPORT = """
def report():
    import json
    from xpstore.fingerprint import fingerprint_process
    from xpstore.process import identify
    process = identify(compute)
    return json.dumps([process.name, process.is_of_main, fingerprint_process(process.name, process.parts)])
"""


def test_a_script_a_notebook_and_a_spawned_process_share_a_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + REPORT + "\nif __name__ == '__main__':\n    print(report())\n")
    of_script = json.loads(run_python(tmp_path, str(script)))
    assert of_script[:2] == ["compute", True]

    notebook = tmp_path / "notebook.py"  # runs cells as IPython does: with their text in linecache
    notebook.write_text(
        f"cells = {[*re.split(chr(10) * 3, SCRIPT), REPORT]!r}\n"
        "import linecache\n"
        "for number, cell in enumerate(cells):\n"
        "    name = f'/tmp/ipykernel_1/{number}.py'\n"
        "    linecache.cache[name] = len(cell), None, cell.splitlines(True), name\n"
        "    exec(compile(cell, name, 'exec'), globals())\n"
        "print(report())\n"
    )
    assert json.loads(run_python(tmp_path, str(notebook))) == of_script

    spawning = tmp_path / "spawning.py"
    spawning.write_text(
        SCRIPT
        + REPORT
        + "\nif __name__ == '__main__':\n"
        + "    import multiprocessing\n"
        + "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        + "        print(pool.apply(report))\n"
    )
    assert json.loads(run_python(tmp_path, str(spawning))) == of_script

    module = tmp_path / "module.py"
    plain = SCRIPT.replace("Config(0.1)", "None")  # the name of an object's class has its module in it
    module.write_text(plain)
    named = "import xpstore.process as p; print([part.fingerprint for part in p.identify({}, name='compute').parts])"
    of_module = run_python(tmp_path, "-c", f"from module import compute; {named.format('compute')}")
    script.write_text(plain + "\n" + named.format("compute"))
    assert run_python(tmp_path, str(script)) == of_module


# The text of code


def test_the_documented_text_is_that_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "process.md").read_text()
    (example,) = re.findall(r"```text\n(.*)\n```", page)
    assert serialize(ast.parse("x + 1.0", mode="eval").body) == example


TEXTS = [
    ("1", "(Constant int 1)"),
    ("True", "(Constant bool True)"),
    ("0x1f", "(Constant int 1f)"),
    ("1.", "(Constant float 1.0)"),
    ("1e999", "(Constant float inf)"),
    ("2j", "(Constant complex 0.0 2.0)"),
    ("u'\u00e9'", r"(Constant str '\xe9')"),
    ("b'a'", "(Constant bytes b'a')"),
    ("...", "(Constant ellipsis Ellipsis)"),
    ("None", "(Constant NoneType None)"),
    ("{**a}", "(Dict keys=[NoneType None] values=[(Name id=str 'a')])"),
    ("f'a' f'' 'b{{'", "(JoinedStr values=[(Constant str 'ab{{')])"),
    (
        "f'{x:>{y}}'",
        "(JoinedStr values=[(FormattedValue conversion=int -1 format_spec=(JoinedStr values=[(Constant str '>')"
        "(FormattedValue conversion=int -1 value=(Name id=str 'y'))]) value=(Name id=str 'x'))])",
    ),
]


@pytest.mark.parametrize(("expression", "text"), TEXTS, ids=[expression for expression, _ in TEXTS])
def test_constants_and_texts_are_written_with_their_type(expression: str, text: str) -> None:
    assert serialize(ast.parse(expression, mode="eval").body) == text


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "process.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    shown = run_python(tmp_path, str(tmp_path / "example.py"))
    assert shown.splitlines() == ["CODE prepare", "CODE scale", "VALUE RATE", "VALUE prepare(n)"]


def test_a_global_that_is_only_written_does_not_count(program: Program) -> None:
    own = program.write("def f(x):\n    global last\n    last = x\n    return x\n")
    before = identify(own.f)
    own.f(3)
    assert identify(own.f) == before


def test_choices_of_types_count(program: Program) -> None:
    text = "import typing\nMODES = typing.Literal['a', 'b']\ndef f(x):\n    return typing.get_args(MODES)\n"
    before = identify(program.write(text).f)
    assert identify(program.write(text.replace("'b'", "'c'")).f) != before


# Functions as values


def test_a_function_as_an_argument_is_its_code(program: Program) -> None:
    helpers = program.load("helpers")
    before = [
        fingerprint(one) for one in (helpers.relu, helpers.lazy, helpers.square, [helpers.relu], helpers.decorated)
    ]
    assert len({*before}) == 5
    program.edit("helpers", "max(x, 0)", "max(x, 1)")
    helpers = program.load("helpers")
    assert fingerprint(helpers.relu) != before[0]
    assert [fingerprint(one) for one in (helpers.lazy, helpers.square)] == before[1:3]
    assert fingerprint(json.dumps) == fingerprint(json.dumps) != fingerprint(json.loads)
    model = program.load("model")
    before_model = fingerprint(model.Model)
    program.edit("model", "return 4", "return 5")
    assert fingerprint(program.load("model").Model) != before_model
    with pytest.raises(InvalidArgument, match=r"key\['by'\]: .*is a lambda"):
        fingerprint({"by": lambda x: x}, "key")


def test_a_table_that_holds_the_function_that_reads_it_ends(program: Program) -> None:
    text = "def f(x):\n    return TABLE['f'](x - 1) if x else 0\n\n\nTABLE = {'f': f}\n"
    before = identify(program.write(text).f)
    assert identify(program.write(text.replace("else 0", "else 1")).f) != before


# Declaring and binding


def values() -> Iterator[int]:
    yield 1


async def async_values() -> Any:
    yield 1


def takes(a: int, b: int = 2, /, c: int = 3, *rest: int, d: int = 4, **others: int) -> None: ...


@pytest.mark.parametrize("function", [values, async_values, functools.partial(values)])
def test_generators_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgument, match="is a generator, whose values cannot be kept"):
        check_cacheable(function)


def test_ignored_names_must_be_parameters() -> None:
    check_cacheable(takes, ignore=["a", "anything"])  # one of **others
    with pytest.raises(
        InvalidArgument, match=r"ignore = 'verbose': .*async_values|has no such parameter; it has: values"
    ):
        check_cacheable(identity, ignore=["verbose"])
    with pytest.raises(InvalidArgument, match="must be a list or tuple of names"):
        check_cacheable(takes, ignore="a")
    with pytest.raises(InvalidArgument, match="must be a function"):
        check_cacheable(3)  # type: ignore[arg-type]


def identity(values: Any) -> Any:
    return values


SAME_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {"d": 4}),
    ((1,), {"c": 3, "d": 4}),
]


def test_equal_calls_bind_to_equal_parameters() -> None:
    expected = bind_parameters(takes, (1,), {})
    assert [(part.kind, part.name, part.text) for part in expected] == [
        (PartKind.PARAMETER, "a", "1"),
        (PartKind.PARAMETER, "b", "2"),
        (PartKind.PARAMETER, "c", "3"),
        (PartKind.PARAMETER, "d", "4"),
    ]
    for args, kwargs in SAME_CALLS:
        assert bind_parameters(takes, args, kwargs) == expected


def test_members_of_star_arguments_are_parameters() -> None:
    parts = bind_parameters(takes, (1, 2, 3, 5, 6), {"a": 7, "z": 8})
    assert {part.name: part.text for part in parts} == {
        "a": "1", "b": "2", "c": "3", "d": "4", "rest[0]": "5", "rest[1]": "6", "others.a": "7", "others.z": "8"
    }  # fmt: skip
    assert len({part.name for part in parts}) == 8


def test_ignored_parameters_do_not_count() -> None:
    parts = bind_parameters(takes, (1,), {"z": 8, "bar": lambda: 0}, ignore=["c", "d", "bar"])
    assert [part.name for part in parts] == ["a", "b", "others.z"]
    assert [part.name for part in bind_parameters(takes, (1,), {"z": 8}, ignore=["others", "b"])] == ["a", "c", "d"]


def test_an_argument_without_a_fingerprint_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"^values\['lock'\]: "):
        bind_parameters(identity, ({"lock": multiprocessing.Lock()},), {})
    with pytest.raises(TypeError, match="missing a required argument"):
        bind_parameters(identity, (), {})


def test_a_changed_default_changes_the_call() -> None:
    def late(x: int, y: Any = 2) -> int:
        return x

    before = bind_parameters(late, (1,), {})
    late.__defaults__ = (3,)
    assert bind_parameters(late, (1,), {}) != before
