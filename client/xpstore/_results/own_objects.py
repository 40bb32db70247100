"""Objects of classes of the program as JSON and back: data classes, named tuples and members of enums.

A class is kept by its name, `shop.orders:Order`, and an object as its fields. Reading runs nothing of the class,
neither `__init__` nor `__post_init__`: the fields come back as they were. Nor does it import what is not the program's
own: only a module of a package that is imported already.
"""

import contextlib
import dataclasses
import enum
import importlib
import sys
from abc import ABC
from collections.abc import Callable
from types import MemberDescriptorType
from typing import Any, Generic, Protocol

from xpstore._results.exact import fingerprint
from xpstore.errors import Conflict, InvalidArgument

Walk = Callable[[Any], Any]

DATA_CLASS, NAMED_TUPLE, ENUM = "$data_class", "$named_tuple", "$enum"
TAGS = (DATA_CLASS, NAMED_TUPLE, ENUM)
# Bases without a place in memory for anything.
_EMPTY = (object, ABC, Generic, Protocol)


def holds(value: Any) -> bool:
    """Whether it is an object of a data class, a named tuple or a member of an enum."""
    return isinstance(value, enum.Enum) or _is_named_tuple(type(value)) or _is_data_class(type(value))


def encode(value: Any, walk: Walk) -> Any:
    """JSON of a value that `holds`; `walk` encodes what is in it.

    Raises:
        InvalidArgument: its class cannot be found by its name, or it has more than its fields.
    """
    kind = type(value)
    name = _name_of(kind)
    if isinstance(value, enum.Enum):
        member = value.name if value.name in kind.__members__ else None  # else a combination of flags
        if _member(kind, name, member, value.value) is not value:
            raise InvalidArgument(f"the result has a member of {name} that its name and value do not lead to")
        return {ENUM: [name, member, walk(value.value)]}
    state = _state(value)
    if _is_named_tuple(kind):
        _check_bases(kind, tuple)
        if state:
            raise InvalidArgument(f"the result has a {name} with attributes beside its fields: {_listed(state)}")
        return {NAMED_TUPLE: [name, list(kind._fields), [walk(item) for item in tuple.__iter__(value)]]}
    _check_bases(kind)
    fields = _fields(kind)
    if sorted(state) != sorted(fields):
        unset, more = set(fields) - {*state}, {*state} - {*fields}
        what = f"whose {_listed(unset)} is not set" if unset else f"with attributes beside its fields: {_listed(more)}"
        raise InvalidArgument(f"the result has a {name} {what}")
    return {DATA_CLASS: [name, {field: walk(state[field]) for field in state}]}


def decode(tag: str, parts: list[Any], walk: Walk) -> Any:
    """The value of JSON with one of `TAGS`; `walk` decodes what is in it.

    Raises:
        InvalidArgument: its class is not of this program.
        Conflict: the class is another than it was.
    """
    kind = _find(parts[0])
    if tag == ENUM:
        return _member(kind, parts[0], parts[1], walk(parts[2]))
    if tag == NAMED_TUPLE:
        name, fields, items = parts
        if not _is_named_tuple(kind) or list(kind._fields) != fields:
            raise _changed(name)
        return tuple.__new__(kind, map(walk, items))
    name, state = parts
    if not _is_data_class(kind) or sorted(_fields(kind)) != sorted(state):
        raise _changed(name)
    made = object.__new__(kind)
    for field, node in state.items():
        slot = _slot(kind, field)
        if slot is not None:
            slot.__set__(made, walk(node))
        else:
            made.__dict__[field] = walk(node)
    return made


def _member(kind: Any, name: str, member: str | None, value: Any) -> Any:
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        raise _changed(name)
    try:
        found = kind(value) if member is None else kind.__members__[member]
    except (KeyError, ValueError):
        raise _changed(name) from None
    if fingerprint(found.value) != fingerprint(value):
        raise _changed(name)
    return found


def _changed(name: str) -> Conflict:
    return Conflict(f"the class {name} is another than when the result was stored: its fields or members changed")


def _is_data_class(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple)


def _fields(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _check_bases(kind: type, *plain: type) -> None:
    """Raises InvalidArgument if objects hold something that is neither in their `__dict__` nor in their slots."""
    for base in kind.__mro__:
        if base not in (*_EMPTY, *plain) and not base.__flags__ & (1 << 9):  # not made by a class statement
            raise InvalidArgument(f"the result has a {_name_of(kind)}, which is a {base.__name__} too: no safe format")


def _state(value: Any) -> dict[str, Any]:
    """All attributes of an object, as they are, past its properties and descriptors."""
    state = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # not set
                    state[name] = slot.__get__(value)
    return state


def _slot(kind: type, name: str) -> MemberDescriptorType | None:
    slots = (vars(base).get(name) for base in kind.__mro__)
    return next((slot for slot in slots if isinstance(slot, MemberDescriptorType)), None)


def _name_of(kind: type) -> str:
    """The name that leads to a class.

    Raises:
        InvalidArgument: none does.
    """
    # What is of a script is of `__mp_main__` in processes that multiprocessing spawned from it.
    module = "__main__" if kind.__module__ == "__mp_main__" else kind.__module__
    name = f"{module}:{kind.__qualname__}"
    try:
        found = _find(name)
    except (InvalidArgument, Conflict):
        found = None
    if found is not kind:
        raise InvalidArgument(
            f"the result has a {module}.{kind.__qualname__}, a class that its name does not lead to: "
            "define it at the top of a module"
        )
    return name


def _find(name: str) -> Any:
    module_name, _, path = name.partition(":")
    is_script = module_name == "__main__"
    for module in ("__main__", "__mp_main__") if is_script else (module_name,):
        found: Any = sys.modules.get(module) or (None if is_script else _imported(module))
        for piece in path.split("."):
            found = vars(found).get(piece) if hasattr(found, "__dict__") else None
        if found is not None:
            return found
    if is_script:
        raise InvalidArgument(f"the result has a {path} of another script, which this one does not have")
    raise _changed(name)


def _imported(name: str) -> Any:
    """A module that is not imported yet, but of a package that is: what is stored does not choose what code is run."""
    if name.partition(".")[0] not in sys.modules:
        raise InvalidArgument(f"the result has an object of the module {name}: import it first")
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise InvalidArgument(
            f"the result has an object of the module {name}, which cannot be imported: {error}"
        ) from error


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(str, names)))
