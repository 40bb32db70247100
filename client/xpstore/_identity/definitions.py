"""Definitions of functions and classes as read: once for each code object, however often they are asked for."""

import weakref
from types import FunctionType
from typing import Any

from xpstore._identity.source import find_class, find_function, own_methods
from xpstore._identity.syntax import Code, read_code
from xpstore._identity.values import Part, PartKind, fingerprint_plain

# A function made anew with each call has its own bindings each time.
MAX_KNOWN_PARTS = 64


class Definition:
    """A definition, and the parts made of it so far by what its names were bound to."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self._parts: dict[tuple[str, tuple[tuple[str, str], ...]], Part] = {}

    def part(self, name: str, bindings: list[tuple[str, str]]) -> Part:
        """The part of a process that this code is, where its names are bound so."""
        key = (name, tuple(bindings))
        part = self._parts.get(key)
        if part is None:
            if len(self._parts) >= MAX_KNOWN_PARTS:
                self._parts.clear()
            digest = fingerprint_plain(("code", self.code.text, key[1]), name)
            part = self._parts[key] = Part(PartKind.CODE, name, digest, self.code.summary)
        return part


# By identity while the object lives: code objects may be equal when their sources are not, as of `1 + 1` and `2`.
_known: dict[int, tuple[weakref.ref[Any], Definition]] = {}


def definition_of_function(function: FunctionType) -> Definition:
    """Returns the definition of a function.

    Raises:
        InvalidArgument: its source is missing or is not that of the code that runs.
    """
    code = function.__code__
    definition = _recall(code)
    if definition is None:
        definition = _remember(code, read_code(find_function(function), code.co_freevars))
    return definition


def definition_of_class(cls: type) -> Definition:
    """Returns the definition of a class.

    Raises:
        InvalidArgument: as for `definition_of_function`.
    """
    definition = _recall(cls)
    if definition is None:
        free = {name for method in own_methods(cls) for name in method.__code__.co_freevars}
        definition = _remember(cls, read_code(find_class(cls), sorted(free)))
    return definition


def _recall(key: Any) -> Definition | None:
    known = _known.get(id(key))
    return known[1] if known is not None and known[0]() is key else None


def _remember(key: Any, code: Code) -> Definition:
    number, definition = id(key), Definition(code)
    _known[number] = weakref.ref(key, lambda _: _known.pop(number, None)), definition
    return definition
