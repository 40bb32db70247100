"""What a function consists of beside its code: what it closes over, its defaults, and where it was written."""

import functools
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from xpstore._identity.ownership import full_name

MISSING: Any = object()


def module_of_code(function: FunctionType) -> str:
    """Where a function was written: `functools.wraps` gives it the name of what it wraps."""
    return str(function.__globals__.get("__name__", ""))


def made_by(value: Any) -> str:
    """The function that a function was made by, or the class of an object."""
    if isinstance(value, FunctionType):
        return f"{module_of_code(value)}.{value.__code__.co_qualname}"
    return full_name(type(value))


def contents(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The variables of the functions around a function, as they are now."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            yield name, MISSING


def defaults(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The parameters that have a default, with it."""
    values = function.__defaults__ or ()
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    yield from zip(names[len(names) - len(values) :], values, strict=True)
    yield from sorted((function.__kwdefaults__ or {}).items())


def bound_arguments(value: functools.partial[Any]) -> Iterator[tuple[str, Any]]:
    """The arguments that a partial function has already."""
    yield from ((str(position), item) for position, item in enumerate(value.args))
    yield from sorted(value.keywords.items())


def label(key: Any) -> str:
    """A key of a table of functions as text."""
    return key if isinstance(key, str) else full_name(key)
