"""What functions are: methods, partials, generic ones, values, with versions and libraries of theirs."""

import functools
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import Program, differing
from xpstore._identity.process import Identity, Process, check_cacheable, declare, fingerprint, identify
from xpstore._identity.values import Part, PartKind, fingerprint_process
from xpstore.errors import InvalidArgument


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
    [*_, self, x] = Identity(own.Trainer.fit, declare()).of_call((own.Trainer(0.1), 3), {}).parts
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


def test_a_version_stands_for_a_function_that_its_name_leads_to(program: Program) -> None:
    """Others may be named <lambda>, or be made by the same function, or be of another `__main__`."""
    own = program.write("""
        def make(k):
            def inner(x):
                return x * k
            return inner

        def wrapped(function):
            def wrapper(x):
                return function(x)
            return wrapper

        one, other = lambda x: x, lambda x: -x
    """)
    two, three = own.make(2), own.make(3)
    for name, same in ((None, False), ("same", False)):
        assert (identify(two, name=name, version=1) == identify(three, name=name, version=1)) == same
    assert identify(own.one, version=1) != identify(own.other, version=1)
    assert identify(own.one, name="same", version=1) == identify(own.other, name="same", version=1)
    assert "so its code counts" in identify(own.one, version=1).caution
    assert identify(own.one, version=1) != identify(own.one, version=2)
    before, after = (identify(own.wrapped(own.make(k)), name="same", version=1) for k in (2, 3))
    assert before != after, "what the wrapped function closes over counts"


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
    assert fingerprint({"by": lambda x: x}) == fingerprint({"by": lambda x: x}) != fingerprint({"by": lambda x: -x})


def test_a_table_that_holds_the_function_that_reads_it_ends(program: Program) -> None:
    text = "def f(x):\n    return TABLE['f'](x - 1) if x else 0\n\n\nTABLE = {'f': f}\n"
    before = identify(program.write(text).f)
    assert identify(program.write(text.replace("else 0", "else 1")).f) != before
