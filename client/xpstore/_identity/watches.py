"""What a walk looked at, so that another need not be made while all of it is the same.

Python tells nobody that a dictionary or a class changed (3.12 does, in C alone), so it is looked at again: names, code
and members by `is`, some microseconds where the walk is a tenth of a millisecond. What may change in place is digested.
"""

import abc
import copyreg
import itertools
import operator
import weakref
from collections.abc import Mapping
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

from xpstore._identity.functions import MISSING
from xpstore._identity.nodes import Follower
from xpstore._identity.values import fingerprint

# These never change: a name that is bound to the same one has the same value.
_FIXED = frozenset({bool, int, float, complex, str, bytes, type(None)})
_CODE = (FunctionType, BuiltinFunctionType, ModuleType, type)
_PARTS = operator.attrgetter("__code__", "__defaults__", "__kwdefaults__", "__closure__", "__dict__")
_MISSING = itertools.repeat(MISSING)


class Watches:
    """What was looked at.

    Attributes:
        is_complete: whether all of it can be looked at again; else a walk must be made each time.
    """

    def __init__(self) -> None:
        self.is_complete = True
        self._names: dict[int, tuple[Mapping[str, Any], dict[str, int]]] = {}
        self._mappings: dict[int, tuple[Mapping[Any, Any], tuple[int, ...]]] = {}
        self._functions: dict[int, tuple[FunctionType, tuple[Any, ...]]] = {}
        self._cells: dict[int, tuple[CellType, int]] = {}
        self._classes: dict[int, tuple[type, tuple[type, ...]]] = {}
        self._values: list[tuple[Any, str, str, _Met]] = []
        self._registrations: object = None
        self._held: dict[int, Any] = {}  # objects, else an id might be given again
        self._large: dict[int, weakref.ref[Any]] = {}

    def read(self, namespace: Mapping[str, Any], name: str) -> Any:
        """What a name is bound to, MISSING if it is not."""
        value = namespace.get(name, MISSING)
        known = self._names.setdefault(id(namespace), (namespace, {}))[1]
        if known.setdefault(name, self._id_of(value)) != id(value):  # another thread binds it
            self.is_complete = False
        return value

    def attribute(self, module: ModuleType, name: str) -> Any:
        """An attribute of a module, MISSING if it has none."""
        value = getattr(module, name, MISSING)
        if self.read(vars(module), name) is not value:  # of its class, or its `__getattr__` made it
            self.is_complete = False
        return value

    def mapping(self, held: Mapping[Any, Any]) -> None:
        """All that a dictionary has."""
        self._mappings[id(held)] = held, _ids(held)
        for one in itertools.chain(held, held.values()):
            self._id_of(one)

    def function(self, function: FunctionType) -> None:
        """Code, defaults, attributes and what it closes over."""
        parts = _PARTS(function)
        self._functions[id(function)] = function, parts
        self.mapping(parts[-1])
        self.mapping(parts[2] or {})
        for cell in function.__closure__ or ():
            self._cells[id(cell)] = cell, self._id_of(_content(cell))

    def class_(self, cls: type) -> None:
        """Bases, members, and which classes were registered anywhere."""
        if id(cls) in self._classes:
            return
        copyreg._slotnames(cls)  # type: ignore[attr-defined]  # a member that comes when it is first asked for
        self._classes[id(cls)] = cls, cls.__bases__
        self.mapping(vars(cls))
        self.mapping(vars(cls).get("__annotations__", {}))
        if isinstance(cls, abc.ABCMeta):
            self._registrations = abc.get_cache_token()

    def digest(self, value: Any, name: str, follower: Follower) -> str:
        """The fingerprint of a value that code refers to."""
        met = _Met()
        digest = fingerprint(value, name, follower=_Noting(follower, met), is_global=True)
        if not _is_fixed(value):
            self._id_of(value)
            self._values.append((self._large.get(id(value), value), name, digest, met))
        return digest

    def hold(self) -> bool:
        """Whether all is as it was."""
        try:
            return self.is_complete and self.are_same() and all(itertools.starmap(_is_equal, self._values))
        except Exception:  # a dictionary that changes meanwhile, a value that cannot be read any more
            return False

    def are_same(self) -> bool:
        """Whether all names, code and classes are the same objects: the quickest first."""
        for namespace, known in self._names.values():
            if [*map(id, map(namespace.get, known, _MISSING))] != [*known.values()]:
                return False
        for function, parts in self._functions.values():
            if any(map(operator.is_not, _PARTS(function), parts)):
                return False
        return (
            all(id(_content(cell)) == content for cell, content in self._cells.values())
            and all(cls.__bases__ == bases for cls, bases in self._classes.values())
            and all(_ids(held) == ids for held, ids in self._mappings.values())
            and (self._registrations is None or self._registrations == abc.get_cache_token())
            and all(reference() is not None for reference in self._large.values())
        )

    def _id_of(self, value: Any) -> int:
        """The id of an object, which is held: weakly where it may be large, so that another value lets it go."""
        key = id(value)
        if key not in self._held and key not in self._large:
            try:
                self._large[key] = weakref.ref(_no_code(value))
            except TypeError:
                self._held[key] = value
        return key


class _Met:
    """What was said of the functions in a value, and the classes of the objects in it."""

    def __init__(self) -> None:
        self.texts: dict[int, tuple[str, Any]] = {}
        self.kinds: set[type] = set()


class _Noting:
    """Follows a value, and notes what is in it."""

    def __init__(self, follower: Follower, met: _Met) -> None:
        self._follower = follower
        self._met = met

    def code(self, value: Any) -> str:
        text = self._follower.code(value)
        self._met.texts[id(value)] = text, value
        return text

    def met(self, value: Any) -> None:
        self._follower.met(value)
        self._met.kinds.add(type(value))


class _Again:
    """The follower of a value that is digested again: of what is new in it nothing is known."""

    def __init__(self, met: _Met) -> None:
        self._met = met

    def code(self, value: Any) -> str:
        return self._met.texts[id(value)][0]

    def met(self, value: Any) -> None:
        if type(value) not in self._met.kinds:
            raise KeyError(type(value))


def _is_equal(held: Any, name: str, digest: str, met: _Met) -> bool:
    value = held() if type(held) is weakref.ref else held
    return fingerprint(value, name, follower=_Again(met), is_global=True) == digest


def _is_fixed(value: Any) -> bool:
    return type(value) in _FIXED or (type(value) is tuple and all(map(_is_fixed, value)))


def _no_code(value: Any) -> Any:
    return None if isinstance(value, _CODE) else value  # of None there is no weak reference


def _ids(held: Mapping[Any, Any]) -> tuple[int, ...]:
    return (*map(id, held), *map(id, held.values()))


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING
