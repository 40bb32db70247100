"""Fingerprints of objects: of classes, of files, of what this package and other libraries make."""

import contextlib
import dataclasses
import enum
import functools
import inspect
import sys
from argparse import Namespace
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import PurePath
from types import (
    BuiltinMethodType,
    FunctionType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

from xpstore._identity.arrays import expand_numpy, expand_torch
from xpstore._identity.columns import expand_arrow
from xpstore._identity.estimators import expand_scipy, expand_sklearn
from xpstore._identity.frames import expand_pandas, expand_polars
from xpstore._identity.nodes import (
    Branch,
    Fields,
    NodeType,
    Reduced,
    Refused,
    name_of,
    named,
    no_fingerprint,
    seal,
    seal_text,
)
from xpstore._identity.paths import seal_path
from xpstore._identity.reductions import attributes, expand_reduced, name_to
from xpstore._identity.refusals import cure_of, is_idle

Expanded = bytes | Branch

# What makes a plain value of an object of a subclass, however the subclass overrides it.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    int: int.__pos__,
    float: float.__pos__,
    complex: complex.__pos__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytearray.__getitem__(value, slice(None)),
    list: lambda value: list.__getitem__(value, slice(None)),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    OrderedDict: lambda value: OrderedDict((key, dict.__getitem__(value, key)) for key in OrderedDict.__iter__(value)),
    dict: lambda value: {key: dict.__getitem__(value, key) for key in dict.__iter__(value)},
}


def expand(value: Any, read_code: Callable[[Any], str], is_global: bool) -> Expanded:
    """Says what a value consists of, or seals it, when it is not of one of Python's own plain types.

    Args:
        value: any.
        read_code: gives the fingerprint of a function or class.
        is_global: paths are their text, locks and loggers their types.

    Raises:
        Refused: it has no fingerprint.
    """
    kind = type(value)
    if kind is Reduced:
        return expand_reduced(value.value)
    if hasattr(kind, "_fingerprint_node"):  # of this package: an artifact, a model
        expanded: Expanded = value._fingerprint_node()
        return expanded
    if hasattr(kind, "__fingerprint__"):
        return _own(value)
    if isinstance(value, enum.Enum):
        return _enum(value)
    if is_global and is_idle(value):
        return seal(NodeType.IDLE + seal_text(name_of(kind)))
    if cure := cure_of(value):
        raise no_fingerprint(value, cure)
    if isinstance(value, BuiltinMethodType | MethodWrapperType) and not isinstance(
        value.__self__, type | ModuleType | None
    ):
        return expand_reduced(value)  # bound to what it says: `[1].count`
    if kind is MethodType and not isinstance(value.__self__, type):  # an object may have its own methods in it
        return Branch(NodeType.METHOD, [("__func__", value.__func__), ("__self__", value.__self__)])
    if kind is functools.partial:
        parts = (value.func, value.args, value.keywords, attributes(vars(value)))
        return Branch(NodeType.PARTIAL, zip(("func", "args", "keywords", None), parts, strict=True))
    # A descriptor that is written in Python is an object with a state, whatever `inspect` says.
    is_routine = inspect.isroutine(value) and not isinstance(getattr(kind, "__get__", None), FunctionType)
    if is_routine or isinstance(value, (type, ModuleType, functools.partial)):
        return _code(value, read_code)
    if callable(value) and hasattr(value, "__wrapped__"):  # a function made by a decorator, such as `cached`
        return _code(value, read_code)
    if isinstance(value, tuple) and hasattr(kind, "_fields") and not getattr(value, "__dict__", None):
        return named(NodeType.NAMED_TUPLE, value, (None, tuple(zip(kind._fields, tuple.__iter__(value), strict=True))))
    if isinstance(value, tuple) and hasattr(
        kind, "n_sequence_fields"
    ):  # such as that of `os.stat`: has more than items
        return expand_reduced(value)
    roots = {base.__module__.partition(".")[0] for base in kind.__mro__}
    for library, expand_of in _LIBRARIES.items():
        if library in roots and (found := expand_of(value)) is not None:
            return found
    plain = next((base for base in kind.__mro__ if base in _PLAIN), None)
    if dataclasses.is_dataclass(value) and plain is None:
        return named(NodeType.FIELDS, value, (None, Fields(_fields(value))))
    if isinstance(value, PurePath):
        return seal_path(value, is_global)
    if (found := _standard(value)) is not None:
        return found
    if plain is not None:
        return _subclass(value, _PLAIN[plain](value))
    return expand_reduced(value)


def _own(value: Any) -> Branch:
    try:
        content = value.__fingerprint__()
    except Exception as error:
        raise Refused(f"its __fingerprint__ raised {type(error).__name__}: {error}") from error
    return named(NodeType.OWN, value, ("__fingerprint__()", content))


def _enum(value: enum.Enum) -> Branch:
    # What Python calls a combination of flags differs between its versions.
    name = value.name if value.name in type(value).__members__ else None
    return named(NodeType.ENUM, value, ("name", name), ("value", value.value))


def _code(value: Any, read_code: Callable[[Any], str]) -> bytes:
    """A function, class or module as a value: by what it does, not by its name alone."""
    # A class that `exec` made says it is of `builtins` too.
    is_known = isinstance(value, type) and value.__module__.partition(".")[0] in ("builtins", "numpy")
    if is_known and name_to(value, value.__qualname__) is not None:
        return seal(NodeType.TYPE + name_of(value).rstrip("_").encode())  # numpy 1 says bool_, numpy 2 bool
    if isinstance(value, ModuleType):
        raise no_fingerprint(value, "pass its name and a version of it, or leave it out with ignore=")
    return seal(NodeType.CODE + bytes.fromhex(read_code(value)))


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    fields = [field.name for field in dataclasses.fields(value)]
    for name in fields:
        if not hasattr(value, name):
            raise Refused(f"its field {name!r} is not set")
        yield name, getattr(value, name)
    yield from ((name, item) for name, item in attributes(dict(_attributes(value))).items() if name not in fields)


def _standard(value: Any) -> Expanded | None:
    """Types of the standard library whose reduction says less than they do."""
    if isinstance(value, defaultdict):
        # What `dict` keeps of it, in its order.
        return _subclass(value, _PLAIN[dict](value), ("default_factory", value.default_factory))
    if isinstance(value, deque):
        return _subclass(value, list(deque.__iter__(value)), ("maxlen", value.maxlen))
    if type(value) is MappingProxyType:
        return named(NodeType.SUBCLASS, value, (None, dict(value)))
    if type(value) in (SimpleNamespace, Namespace):
        return named(NodeType.FIELDS, value, (None, attributes(vars(value))))
    if isinstance(value, array):
        return _array(value)
    if name_of(type(value)) == "zoneinfo.ZoneInfo" and value.key:
        return seal(NodeType.ZONE + seal_text("zoneinfo.ZoneInfo") + seal_text(value.key) + seal(NodeType.NONE))
    return None


def _array(value: "array[Any]") -> Branch:
    """An array of Python's, of which the sizes of most types differ between machines."""
    if value.typecode in ("f", "d", "u", "w"):
        return _subclass(value, value.tolist(), (None, value.typecode))
    little = value[:]
    if sys.byteorder == "big":
        little.byteswap()
    return _subclass(value, little.tobytes(), (None, f"{value.typecode}{value.itemsize}"))


def _subclass(value: Any, plain: Any, *more: tuple[str | None, Any]) -> Branch:
    """An object of a subclass of a plain type: the value as that type has it, and the attributes beside."""
    beside = Fields() if type(value) is Counter else attributes(dict(_attributes(value)))
    return named(NodeType.SUBCLASS, value, *more, (None, plain), (None, beside))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for base in type(value).__mro__:
        if "__slots__" not in base.__dict__:
            continue
        for name, slot in base.__dict__.items():
            if isinstance(slot, MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # not set
                    yield name, slot.__get__(value)


# By the package that a class or one of its bases is of: a library is not imported for what is not its own.
_LIBRARIES: dict[str, Callable[[Any], Expanded | None]] = {
    "pandas": expand_pandas,
    "pyarrow": expand_arrow,
    "torch": expand_torch,
    "numpy": expand_numpy,
    "sklearn": expand_sklearn,
    "scipy": expand_scipy,
    "polars": expand_polars,
}
