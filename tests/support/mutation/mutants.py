"""A pytest plugin for mutate.py. It changes the client in memory, no file is edited.

`XPSTORE_MUTATE=module:Class.method` empties that one function; `XPSTORE_RECORD=FILE` writes which tests call which.
"""

import functools
import importlib
import inspect
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

NOT_APPLIED = 99
MODULES = (
    "client",
    "project",
    "experiment",
    "model",
    "module",
    "metric",
    "series",
    "search",
    "tags",
    "iteration",
    "run",
    "artifact",
    "artifact_links",
    "_artifacts.staging",
    "_files.remote",
    "_session.current",
)
# What `with` and assignment call.
SPOKEN = ("__enter__", "__exit__", "__setattr__")
Function = Callable[..., Any]


def mutants() -> list[str]:
    """Every public function, and every public member of a public class, inherited ones where they are defined."""
    found: dict[str, None] = {}
    for name in MODULES:
        module = importlib.import_module(f"xpstore.{name}")
        for member, value in vars(module).items():
            if member.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            if inspect.isclass(value):
                found.update(dict.fromkeys(_methods(value)))
            elif inspect.isfunction(value):
                found[f"{module.__name__}:{member}"] = None
    return list(found)


def _methods(kind: type) -> Iterator[str]:
    for owner in kind.__mro__:
        if not owner.__module__.startswith("xpstore.") or hasattr(owner, "__dataclass_fields__"):
            continue
        for name, member in vars(owner).items():
            if (name.startswith("_") and name not in SPOKEN) or not _is_code(member):
                continue
            yield f"{owner.__module__}:{owner.__name__}.{name}"
            if isinstance(member, property) and member.fset is not None:
                yield f"{owner.__module__}:{owner.__name__}.{name}="


def _is_code(member: Any) -> bool:
    kinds = (classmethod, staticmethod, property, cached_property)
    return inspect.isfunction(member) or isinstance(member, kinds)


def replace(target: str, change: Callable[[Function], Function]) -> None:
    """Changes `module:function`, `module:Class.method` or, for a property's setter, `module:Class.name=`."""
    module_name, _, path = target.partition(":")
    module = importlib.import_module(module_name)
    owner_name, is_member, name = path.partition(".")
    if is_member:
        owner = getattr(module, owner_name)
        changed = _changed(vars(owner)[name.rstrip("=")], change, is_setter=name.endswith("="))
        type.__setattr__(owner, name.rstrip("="), changed)
        if isinstance(changed, cached_property):
            changed.__set_name__(owner, name)
        return
    before, after = getattr(module, path), change(getattr(module, path))
    for other in [other for key, other in sys.modules.items() if key.partition(".")[0] == "xpstore"]:
        for attribute in [key for key, value in vars(other).items() if value is before]:
            setattr(other, attribute, after)


def _changed(member: Any, change: Callable[[Function], Function], *, is_setter: bool) -> Any:
    if isinstance(member, classmethod | staticmethod):
        return type(member)(change(member.__func__))
    if isinstance(member, cached_property):
        return cached_property(change(member.func))
    if not isinstance(member, property):
        return change(member)
    if is_setter:
        return member.setter(change(member.fset))  # type: ignore[arg-type]
    return member.getter(change(member.fget))  # type: ignore[arg-type]


def _emptied(function: Function) -> Function:
    @functools.wraps(function)
    def empty(*_: Any, **__: Any) -> None:
        return None

    return empty


calls: defaultdict[str, dict[str, None]] = defaultdict(dict)


def _recorded(target: str, function: Function) -> Function:
    @functools.wraps(function)
    def record(*arguments: Any, **options: Any) -> Any:
        test, _, phase = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")
        if phase == "call)":  # what only fixtures call is not tested
            calls[target][test] = None
        return function(*arguments, **options)

    return record


def pytest_sessionfinish() -> None:
    if path := os.environ.get("XPSTORE_RECORD"):
        with open(path, "w") as file:
            json.dump({target: list(tests) for target, tests in calls.items()}, file)


def pytest_configure() -> None:
    every = mutants()  # imports all modules of the client, so that `replace` finds what they import from each other
    if target := os.environ.get("XPSTORE_MUTATE"):
        try:
            replace(target, _emptied)
        except Exception as error:
            print(f"cannot mutate {target}: {error!r}", flush=True)
            os._exit(NOT_APPLIED)
    if "XPSTORE_RECORD" in os.environ:
        for target in every:
            replace(target, functools.partial(_recorded, target))
