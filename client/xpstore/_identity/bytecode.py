"""Code objects in a normal form: two have the same one only if they compute the same, wherever their text stood.

The form is of one minor version of Python. It has each instruction with what it names: constants by type and value,
names, places to jump to by their number. What no instruction names falls away: docstrings, line numbers, file names,
and the room that the interpreter keeps for itself.
"""

import dis
import inspect
import sys
import weakref
from collections.abc import Iterator
from types import CodeType
from typing import Any, Generic, TypeVar

Known = TypeVar("Known")

# Of `from __future__ import annotations`, of a docstring (3.13), and of standing in another function: none computes.
_IDLE_FLAGS = 0x1000000 | 0x4000000 | inspect.CO_NESTED
_IDLE = frozenset({"NOP", "CACHE", "EXTENDED_ARG"})
_JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})
# Whose operand has a bit beside the number of the name: what is pushed before, or whether it is a method.
_NAMED = frozenset(dis.hasname)
_BY_VALUE = frozenset({*dis.hasconst, *dis.haslocal, *dis.hasfree})

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def instructions(code: CodeType) -> list[dis.Instruction]:
    """The instructions of a code object that compute something; those of code inside it are not among them."""
    return [one for one in dis.get_instructions(code) if one.opname not in _IDLE]


def normal(code: CodeType) -> tuple[Any, ...]:
    """The normal form of a code object, and of those inside it; made of texts, numbers and tuples."""
    kept = instructions(code)
    place_of = _places(code, kept)
    parameters = code.co_argcount + code.co_kwonlyargcount
    parameters += bool(code.co_flags & inspect.CO_VARARGS) + bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_varnames[:parameters],
        code.co_flags & ~_IDLE_FLAGS,
        tuple((one.opname, *_operand(one, place_of)) for one in kept),
        tuple(_handlers(code, place_of)),
    )


def _places(code: CodeType, kept: list[dis.Instruction]) -> dict[int, int]:
    """For each offset the number of the first kept instruction that is not before it."""
    offsets = [one.offset for one in kept]
    places, number = {}, 0
    for offset in range(0, len(code.co_code) + 2, 2):
        while number < len(offsets) and offsets[number] < offset:
            number += 1
        places[offset] = number
    return places


def _operand(one: dis.Instruction, place_of: dict[int, int]) -> tuple[Any, ...]:
    if one.opcode in _JUMPS:
        return (place_of[one.argval],)
    if one.opcode in dis.hasconst:
        return (constant(one.argval),)
    if one.opcode in _NAMED:
        # The number of the name is the place in a list; what is left of the operand is about the instruction.
        return (str(one.argval), one.argrepr)
    if one.opcode in _BY_VALUE:
        return (repr(one.argval),)
    return (one.arg,)


def _handlers(code: CodeType, place_of: dict[int, int]) -> Iterator[tuple[Any, ...]]:
    """What catches exceptions: from where to where, by whom, and with what left on the stack."""
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]  # in 3.11 to 3.13; there is no other
        yield place_of[entry.start], place_of[entry.end], place_of[entry.target], entry.depth, entry.lasti


def constant(value: Any) -> Any:
    """A constant that equals another only if type and sign of zero do too."""
    if isinstance(value, CodeType):
        return (value.co_name, normal(value))
    if isinstance(value, tuple):
        return ("tuple", *map(constant, value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(repr(constant(item)) for item in value))
    return (type(value).__name__, ascii(value))


class ByCode(Generic[Known]):
    """What is known of code objects while they live.

    By identity: code objects may be equal when their sources are not, as those of `1 + 1` and `2`.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[CodeType], Known]] = {}

    def get(self, code: CodeType) -> Known | None:
        """What is known of a code object."""
        found = self._known.get(id(code))
        return found[1] if found is not None and found[0]() is code else None

    def keep(self, code: CodeType, known: Known) -> Known:
        """Remembers what is known of it."""
        number = id(code)
        self._known[number] = weakref.ref(code, lambda _: self._known.pop(number, None)), known
        return known
