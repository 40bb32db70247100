"""What a function is made of is kept between calls: whatever changes in place is seen all the same.

The right value is what a process would say that has kept nothing.
"""

import builtins
import enum
import importlib
import math
import statistics
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy
import pandas
import pytest

from support.kept_program import HELPERS, PROGRAM
from xpstore._identity.process import Doubt, Identity, declare
from xpstore._identity.values import PartKind, fingerprint_process


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "kept_helpers.py").write_text(HELPERS)
    (tmp_path / "kept_job.py").write_text(PROGRAM)
    importlib.invalidate_caches()
    yield importlib.import_module("kept_job")
    for name in ("kept_job", "kept_helpers"):
        del sys.modules[name]


def key(identity: Identity, *args: Any) -> str:
    """The key of a call; in doubt, why."""
    try:
        process = identity.of_call(args or (1,), {})
    except Doubt as error:
        return str(error)
    return fingerprint_process(process.name, process.parts)


def key_of_function(identity: Identity) -> str:
    process = identity.of_function()
    return fingerprint_process(process.name, process.parts)


Change = Callable[[ModuleType, pytest.MonkeyPatch], object]


def _cell(function: FunctionType, name: str) -> types.CellType:
    return (function.__closure__ or ())[function.__code__.co_freevars.index(name)]


def _edit(own: ModuleType, old: str, new: str) -> None:
    """Edits the file and loads it again, as autoreload does: the functions keep their identity and get other code."""
    path = Path(str(own.__file__))
    path.write_text(path.read_text().replace(old, new))
    fresh: dict[str, Any] = {"__name__": own.__name__}
    exec(compile(path.read_text(), str(path), "exec"), fresh)
    own.one.__code__ = fresh["one"].__code__


# What changes, and how: each must change the key, at once.
CHANGES: dict[str, Change] = {
    "a global": lambda own, patch: patch.setattr(own, "RATE", 3),
    "a global that was not there": lambda own, patch: patch.setattr(own, "MISSING_YET", 1, raising=False),
    "a global that goes": lambda own, patch: patch.delattr(own, "RATE"),
    "True for 1": lambda own, patch: patch.setattr(own.helpers, "OFFSET", True),
    "a list in place": lambda own, patch: own.LIMITS.append(4),
    "a dictionary in place": lambda own, patch: patch.setitem(own.TABLE, "a", 2),
    "deep in a dictionary": lambda own, patch: own.TABLE["b"].append(3),
    "order of a dictionary": lambda own, patch: own.TABLE.update(a=own.TABLE.pop("a")),
    "an array in place": lambda own, patch: own.ARRAY.__setitem__(0, 9),
    "a list in a tuple": lambda own, patch: own.PAIR[1].append(3),
    "a set in place": lambda own, patch: own.NAMES.add("y"),
    "another function under a name": lambda own, patch: patch.setattr(own, "one", own.other),
    "code of a function": lambda own, patch: patch.setattr(own.one, "__code__", own.other.__code__),
    "a function edited": lambda own, patch: _edit(own, "return x + RATE", "return x + RATE + 1"),
    "defaults of a function": lambda own, patch: patch.setattr(
        own.keyed, "__kwdefaults__", {"scale": 5, "limits": [1]}
    ),
    "a keyword default in place": lambda own, patch: patch.setitem(own.keyed.__kwdefaults__, "scale", 7),
    "in a mutable default": lambda own, patch: own.keyed.__kwdefaults__["limits"].append(2),
    "an attribute of a function": lambda own, patch: patch.setattr(own.one, "scale", 2, raising=False),
    "another in a table of functions": lambda own, patch: patch.setitem(own.TOOLS, "first", own.spare),
    "one more in a table of functions": lambda own, patch: patch.setitem(own.TOOLS, "second", own.spare),
    "a class attribute": lambda own, patch: patch.setattr(own.Base, "factor", 4),
    "a class attribute in place": lambda own, patch: own.Base.kept.append(2),
    "a class attribute on the subclass": lambda own, patch: patch.setattr(own.Model, "factor", 3, raising=False),
    "a method": lambda own, patch: patch.setattr(own.Base, "apply", lambda self, x: x),
    "a method that is new": lambda own, patch: patch.setattr(own.Model, "__call__", own.one, raising=False),
    "code of a method": lambda own, patch: patch.setattr(own.Base.apply, "__code__", (lambda self, x: x + 1).__code__),
    "a property": lambda own, patch: patch.setattr(own.Base, "size", property(lambda self: 2)),
    "a static method": lambda own, patch: patch.setattr(own.Base, "fixed", staticmethod(own.one)),
    "bases of a class": lambda own, patch: type.__setattr__(own.Model, "__bases__", (own.Spare, own.Base)),
    "another class under a name": lambda own, patch: patch.setattr(own, "Model", own.Base),
    "a class that is registered": lambda own, patch: own.Shape.register(own.Square),
    "a default of a data class": lambda own, patch: patch.setattr(own.Config, "lr", 0.2),
    "a member of an enum": lambda own, patch: patch.setattr(own, "Colour", enum.Enum("Colour", {"RED": 2})),
    "an attribute of an object": lambda own, patch: patch.setattr(own.HELD, "x", [2]),
    "deep in an object": lambda own, patch: own.HELD.x.append(2),
    "the class of an object": lambda own, patch: patch.setattr(own.HELD, "__class__", own.Round),
    "an object in a list": lambda own, patch: own.HOLDERS.append(own.Square()),
    "the method of an object in a list": lambda own, patch: patch.setattr(own.Holder, "get", lambda self: 0),
    "a variable around a function": lambda own, patch: patch.setattr(_cell(own.STEP, "count"), "cell_contents", 1),
    "a variable around it in place": lambda own, patch: _cell(own.STEP, "state").cell_contents.append(1),
    "a type that is registered": lambda own, patch: own.dispatched.register(int, own.one),
    "another partial": lambda own, patch: patch.setattr(own, "HALF", own.spare),
    "a keyword of a partial": lambda own, patch: patch.setitem(own.HALF.keywords, "scale", 3),
    "an attribute of a partial": lambda own, patch: setattr(own.HALF, "scale", 3),
    "code of a function that a library made": lambda own, patch: patch.setattr(
        own.MADE, "__code__", (lambda x: x + 1).__code__
    ),
    "what a library's decorator wraps": lambda own, patch: patch.setattr(own.managed, "__wrapped__", own.one),
    "an annotation of a class": lambda own, patch: patch.setitem(own.Config.__annotations__, "lr", int),
    "what a decorator wraps": lambda own, patch: patch.setattr(
        _cell(own.wrapped, "function"), "cell_contents", own.one
    ),
    "what a cache wraps": lambda own, patch: patch.setattr(own.remembered, "__wrapped__", own.other),
    "a function of another module": lambda own, patch: patch.setattr(own.helpers, "offset", own.helpers.replacement),
    "a function that was imported from one": lambda own, patch: patch.setattr(own, "shared", own.helpers.replacement),
    "another module under a name": lambda own, patch: patch.setattr(own, "helpers", statistics),
    "a function of a library": lambda own, patch: patch.setattr(math, "floor", own.one),
    "a function of a library, imported inside": lambda own, patch: patch.setattr(statistics, "mean", own.one),
    "a method of a library": lambda own, patch: patch.setattr(pandas.DataFrame, "__len__", lambda self: 7),
    "a builtin": lambda own, patch: patch.setattr(builtins, "len", lambda value: 1),
    "a builtin that is hidden": lambda own, patch: patch.setattr(own, "len", lambda value: 2, raising=False),
    "a mock": lambda own, patch: patch.setattr(own, "one", MagicMock()),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_in_place_is_seen_at_once(own: ModuleType, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(own.f, declare())
    before = key(identity)
    assert key(identity) == before == key(Identity(own.f, declare()))
    with monkeypatch.context() as patch:
        change(own, patch)
        assert key(identity) != before
        assert key(identity) == key(Identity(own.f, declare()))
    assert key(identity) == key(Identity(own.f, declare()))


def _module(name: str, **names: Any) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(Path(__file__))
    vars(module).update(names)
    return module


BY_NAME: dict[str, Callable[[Any], object]] = {
    "by_proxy": lambda own: setattr(own.PROXY, "_function", own.other),
    "by_text": lambda own: setattr(own, "RATE", 3),
    "by_doc": lambda own: setattr(own.one, "__doc__", "Another."),
    "by_subclasses": lambda own: type("Late", (own.Base,), {"factor": 9, "__module__": own.__name__}),
    "by_import": lambda own: vars(sys.modules.setdefault("kept_helpers", own)).update(shared=own.other),
    "by_reload": lambda own: sys.modules.update(kept_helpers=_module("kept_helpers", shared=own.other)),
    "computed": lambda own: own.helpers.STATE.append(own.helpers.STATE.pop() + 1),
}


@pytest.mark.parametrize(("name", "change"), BY_NAME.items(), ids=BY_NAME)
def test_what_is_found_in_other_ways_is_looked_at_too(own: Any, name: str, change: Any) -> None:
    function = getattr(own, "by_import" if name == "by_reload" else name)
    identity = Identity(function, declare())
    before = key(identity)
    assert key(identity) == before
    kept = change(own)
    assert key(identity) == key(Identity(function, declare())) != before, kept


VERSIONED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], object]]] = {
    "a variable around it": (lambda own: own.STEP, lambda own: setattr(_cell(own.STEP, "count"), "cell_contents", 1)),
    "in place": (lambda own: own.STEP, lambda own: _cell(own.STEP, "state").cell_contents.append(1)),
    "a variable around what it calls": (
        lambda own: own.around(own.STEP),
        lambda own: setattr(_cell(own.STEP, "count"), "cell_contents", 1),
    ),
    "a keyword of a partial": (lambda own: own.HALF, lambda own: own.HALF.keywords.update(scale=3)),
    "what a method is bound to": (lambda own: own.HELD.get, lambda own: own.HELD.x.append(2)),
}


@pytest.mark.parametrize(("function", "change"), VERSIONED.values(), ids=VERSIONED)
def test_what_is_bound_is_looked_at_beside_a_version(own: Any, function: Any, change: Any) -> None:
    declared = declare(name="f", version=1)
    identity = Identity(function(own), declared)
    before = key_of_function(identity)
    assert key_of_function(identity) == before
    change(own)
    assert key_of_function(identity) == key_of_function(Identity(identity._function, declared)) != before


def test_a_class_in_a_class_is_looked_at(own: Any) -> None:
    identity = Identity(own.Outer.Inner.get, declare())
    before = key(identity)
    own.Outer.Inner = own.Round
    assert key(identity) == key(Identity(identity._function, declare())) != before


def test_nothing_is_walked_again_while_nothing_changes(own: Any) -> None:
    identity = Identity(own.f, declare())
    identity.of_call((1,), {})
    kept = identity.of_call((1,), {}).code
    own.unrelated = 1
    own.helpers.unrelated = lambda: 0
    assert identity.of_call((2,), {}).code is kept
    assert identity.of_call((own.Holder(1),), {}).code is not kept, "its class is a part"
    assert identity.of_call((3,), {}).code is kept
    assert identity.of_call((own.Holder(2),), {}).code is identity.of_call((own.Holder(3),), {}).code


def test_the_class_of_an_argument_is_looked_at_too(own: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = Identity(own.one, declare())
    before = key(identity, own.Holder(1))
    assert key(identity, own.Holder(1)) == before != key(identity, own.Base())
    monkeypatch.setattr(own.Holder, "get", lambda self: 3)
    assert key(identity, own.Holder(1)) == key(Identity(own.one, declare()), own.Holder(1)) != before


def test_a_large_value_goes_when_its_name_is_bound_to_another(own: Any) -> None:
    identity = Identity(own.f, declare())
    large: Any = numpy.zeros(8).view(type("Array", (numpy.ndarray,), {}))
    gone: list[int] = []
    own.ARRAY = large
    weakref.finalize(large, gone.append, 1)
    identity.of_call((1,), {})
    del large
    own.ARRAY = numpy.arange(4)
    assert gone == [1]
    assert key(identity) == key(Identity(own.f, declare()))


def test_a_chain_of_calls_may_be_longer_than_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["def f0(x):\n    return x\n", *(f"def f{i}(x):\n    return f{i - 1}(x)\n" for i in range(1, 3000))]
    (tmp_path / "kept_chain.py").write_text("".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    chain = importlib.import_module("kept_chain")
    identity = Identity(chain.f2999, declare())
    before = key(identity)
    chain.f0.__code__ = (lambda x: x + 1).__code__
    assert key(identity) != before


def test_the_version_of_a_library_is_looked_up_again_when_it_is_loaded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def install(version: str) -> None:
        metadata = f"Metadata-Version: 2.1\nName: kept-library\nVersion: {version}\n"
        (tmp_path / "kept_library-0.dist-info").mkdir(exist_ok=True)
        (tmp_path / "kept_library-0.dist-info" / "METADATA").write_text(metadata)
        (tmp_path / "kept_library-0.dist-info" / "top_level.txt").write_text("kept_library\n")
        (tmp_path / "kept_library.py").write_text("")

    def versions() -> list[str]:
        return [part.text for part in identity.of_call((1,), {}).parts if part.kind is PartKind.LIBRARY]

    install("1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    library = importlib.import_module("kept_library")
    identity = Identity(lambda x: x, declare(depends=["kept-library"]))
    assert versions() == ["1.0"]
    install("2.0")
    assert versions() == ["1.0"], "what runs is what was loaded"
    importlib.reload(library)
    assert versions() == ["2.0"]
