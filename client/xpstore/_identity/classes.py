"""What a class consists of: as it is now, not as its text says, which may be edited, patched or never written."""

import abc
import dataclasses
import enum
import functools
import inspect
import re
from collections.abc import Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType
from typing import Any

from xpstore._identity.watches import Watches

# What Python and its libraries keep in a class for themselves; it follows from the rest, or is the name of the class.
_KEPT_BY_PYTHON = frozenset(
    [
        "__module__",
        "__qualname__",
        "__doc__",
        "__dict__",
        "__weakref__",
        "__annotations__",
        "__abstractmethods__",
        "__classcell__",
        "__classdictcell__",
        "__dataclass_fields__",
        "__dataclass_params__",
        "__match_args__",
        "__orig_bases__",
        "__parameters__",
        "__type_params__",
        "__static_attributes__",
        "__firstlineno__",
        "__slotnames__",
        "__annotate__",
        "__annotate_func__",
        "__annotations_cache__",
        "__mutable_keys__",
        "__readonly_keys__",
        "__protocol_attrs__",
        "__non_callable_proto_members__",
        "__callable_proto_members_only__",
        "_abc_impl",
        "_is_protocol",
        "_is_runtime_protocol",
    ]
)
_OF_SLOTS = (MemberDescriptorType, GetSetDescriptorType, WrapperDescriptorType)
# The methods that the library makes for a data class, in 3.11 to 3.13, and the one that it gives to all, since 3.13.
_MADE = "__create_fn__.<locals>."
_REPLACE = getattr(dataclasses, "_replace", None)
# What was said of a data class, as 3.11 has it: of what 3.12 added fields and members say the same.
_SAID = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

Member = tuple[str, Any]


def members(cls: type) -> Iterator[Member]:
    """What a class has of its own, each with what tells it from others: functions, classes, and values."""
    if isinstance(cls, enum.EnumMeta):
        yield "(members)", [(name, one.value) for name, one in vars(cls)["_member_map_"].items()]
    if "_fields" in vars(cls) and issubclass(cls, tuple):
        yield "(fields)", cls._fields  # type: ignore[attr-defined]
        yield "(defaults)", getattr(cls, "_field_defaults", {})
    if "__dataclass_fields__" in vars(cls):
        yield from _fields(cls)
    yield "(annotations)", [(name, text_of(one)) for name, one in vars(cls).get("__annotations__", {}).items()]
    if isinstance(cls, abc.ABCMeta):
        yield from (("(registered)", one) for one in _registered(cls))
    for name, value in sorted(vars(cls).items()):
        if name not in _KEPT_BY_PYTHON and not _is_implied(cls, name, value):
            yield from _member(name, value)


def _member(name: str, value: Any) -> Iterator[Member]:
    if isinstance(value, staticmethod | classmethod):
        yield f"{type(value).__name__} {name}", value.__func__
    elif isinstance(value, property):
        for kind, function in (("get", value.fget), ("set", value.fset), ("delete", value.fdel)):
            if function is not None:
                yield f"{kind} {name}", function
    elif isinstance(value, functools.cached_property):
        yield f"cached {name}", value.func
    elif isinstance(value, functools.partialmethod):
        yield f"partial {name}", functools.partial(value.func, *value.args, **value.keywords)
    elif isinstance(value, functools.singledispatchmethod):
        yield f"dispatch {name}", value.dispatcher
    elif isinstance(value, _OF_SLOTS):
        yield name, "slot"
    else:
        yield name, value


def _is_implied(cls: type, name: str, value: Any) -> bool:
    """Whether a member follows from what else is told of a class."""
    function = getattr(value, "__func__", value)
    if name == "__hash__" and value is None:  # of a class with `__eq__`
        return True
    if name in ("__init__", "__subclasshook__") and "_is_protocol" in vars(cls):  # what a protocol is given
        return str(function.__module__).startswith("typing")
    if isinstance(cls, enum.EnumMeta):
        return name in cls.__members__ or (name.startswith("_") and not _is_written(cls, function))
    if "_fields" in vars(cls) and issubclass(cls, tuple):
        return name in vars(cls)["_fields"] or (name.startswith("_") and not _is_written(cls, function))
    if "__dataclass_fields__" in vars(cls):
        if value is _REPLACE:
            return True
        return isinstance(function, FunctionType) and inspect.unwrap(function).__code__.co_qualname.startswith(_MADE)
    return False


def _is_written(cls: type, function: Any) -> bool:
    """Whether a function is of the text of a class, and not made for it by its library."""
    return (
        isinstance(function, FunctionType)
        and function.__module__ == cls.__module__
        and (function.__code__.co_filename != "<string>")
    )


def _fields(cls: type) -> Iterator[Member]:
    shapes = []
    for one in vars(cls)["__dataclass_fields__"].values():  # with those that are of the class or of `__init__` alone
        flags = (one.init, one.repr, one.hash, one.compare, one.kw_only is True, str(one._field_type))
        shapes.append((one.name, text_of(one.type), flags, sorted(map(str, one.metadata))))
        if one.default is not dataclasses.MISSING:
            yield f"{one.name} =", one.default
        if one.default_factory is not dataclasses.MISSING:
            yield f"{one.name} = made by", one.default_factory
    yield "(fields)", shapes
    said = vars(cls)["__dataclass_params__"]
    yield "(data class)", [*((name, getattr(said, name)) for name in _SAID), ("match", "__match_args__" in vars(cls))]


def _registered(cls: abc.ABCMeta) -> list[type]:
    registry = abc._get_dump(cls)[0]  # type: ignore[attr-defined]  # there is no other way to it
    classes = [reference() for reference in registry]
    return sorted((one for one in classes if one is not None), key=lambda one: f"{one.__module__}.{one.__qualname__}")


def text_of(annotation: Any) -> str:
    """An annotation, or what describes a class, as text that is the same in every process."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, type):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return _ADDRESS.sub("", repr(annotation))


def class_around(function: FunctionType, watches: Watches) -> type | None:
    """The class that a function was written in, if its module has it under that name.

    Args:
        function: which.
        watches: notes what was looked at.
    """
    names = function.__code__.co_qualname.split(".")[:-1]
    found = watches.read(function.__globals__, names[0]) if names else None
    for name in names[1:]:
        if not isinstance(found, type):
            return None
        watches.class_(found)
        found = getattr(found, name, None)
    return found if isinstance(found, type) else None
