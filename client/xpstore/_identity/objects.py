"""Fingerprints of objects: of classes, of files, of what this package and other libraries make."""

import contextlib
import dataclasses
import enum
import functools
import inspect
import io
import os
from argparse import Namespace
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from types import MappingProxyType, MemberDescriptorType, ModuleType, SimpleNamespace
from typing import Any

from blake3 import blake3

from xpstore._files.index import FileIndex
from xpstore._files.manifest import bare_entry, tree_digest
from xpstore._files.scan import Source, scan
from xpstore._identity.arrays import expand_numpy, expand_torch
from xpstore._identity.columns import expand_arrow
from xpstore._identity.frames import expand_pandas
from xpstore._identity.nodes import Branch, Fields, NodeType, Refused, name_of, named, no_fingerprint, seal

READ_BYTES = 1 << 20

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


def expand(value: Any, read_code: Callable[[Any], str]) -> Expanded:
    """Says what a value consists of, or seals it, when it is not of one of Python's own plain types.

    Args:
        value: any.
        read_code: gives the fingerprint of a function or class.

    Raises:
        Refused: it has no fingerprint.
    """
    kind = type(value)
    if hasattr(kind, "_fingerprint_node"):  # of this package: an artifact, a model
        expanded: Expanded = value._fingerprint_node()
        return expanded
    if hasattr(kind, "__fingerprint__"):
        return _own(value)
    if isinstance(value, enum.Enum):
        return _enum(value)
    if isinstance(value, type) or inspect.isroutine(value) or isinstance(value, (ModuleType, functools.partial)):
        return _code(value, read_code)
    if callable(value) and hasattr(value, "__wrapped__"):  # a function made by a decorator, such as `cached`
        return _code(value, read_code)
    if isinstance(value, tuple) and hasattr(kind, "_fields") and not getattr(value, "__dict__", None):
        return named(NodeType.NAMED_TUPLE, value, (None, tuple(zip(kind._fields, tuple.__iter__(value), strict=True))))
    roots = {base.__module__.partition(".")[0] for base in kind.__mro__}
    for library, expand_of in _LIBRARIES.items():
        if library in roots and (found := expand_of(value)) is not None:
            return found
    plain = next((base for base in kind.__mro__ if base in _PLAIN), None)
    if dataclasses.is_dataclass(value) and plain is None:
        return named(NodeType.FIELDS, value, (None, Fields(_fields(value))))
    if isinstance(value, PurePath):
        return _path(value)
    return _standard(value) or _subclass(value, plain)


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
    if isinstance(value, type) and value.__module__.partition(".")[0] in ("builtins", "numpy"):
        return seal(NodeType.TYPE + name_of(value).rstrip("_").encode())  # numpy 1 says bool_, numpy 2 bool
    if isinstance(value, ModuleType):
        raise no_fingerprint(value, "pass its name and a version of it, or leave it out with ignore=")
    return seal(NodeType.CODE + bytes.fromhex(read_code(value)))


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        if not hasattr(value, field.name):
            raise Refused(f"its field {field.name!r} is not set")
        yield field.name, getattr(value, field.name)


def _standard(value: Any) -> Expanded | None:
    """Types of the standard library that are no plain values."""
    kind = type(value)
    if kind is defaultdict:
        return named(NodeType.SUBCLASS, value, ("default_factory", value.default_factory), (None, dict(value)))
    if kind is deque:
        return named(NodeType.SUBCLASS, value, ("maxlen", value.maxlen), (None, list(value)))
    if kind is MappingProxyType:
        return named(NodeType.SUBCLASS, value, (None, dict(value)))
    if kind in (SimpleNamespace, Namespace):
        return named(NodeType.FIELDS, value, (None, Fields(vars(value))))
    if isinstance(value, defaultdict | deque):
        raise no_fingerprint(value)
    return None


def _subclass(value: Any, plain: type | None) -> Branch:
    """An object of a subclass of a plain type: the value as that type has it, and the attributes beside."""
    if plain is None or dataclasses.is_dataclass(value):
        raise no_fingerprint(value, _fix(value))
    attributes = Fields() if type(value) is Counter else Fields(_attributes(value))
    return named(NodeType.SUBCLASS, value, (None, _PLAIN[plain](value)), (None, attributes))


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for base in type(value).__mro__:
        if "__slots__" not in base.__dict__:
            continue
        for name, slot in base.__dict__.items():
            if isinstance(slot, MemberDescriptorType):
                with contextlib.suppress(AttributeError):  # not set
                    yield name, slot.__get__(value)


def _fix(value: Any) -> str:
    if isinstance(value, io.IOBase):
        return "pass its path, or the bytes read from it"
    if inspect.isasyncgen(value) or isinstance(value, Iterator):
        return "reading it would use it up; pass a list"
    if inspect.isawaitable(value):
        return "await it and pass the result"
    if type(value).__module__ == "random":
        return "pass the seed that it is made from"
    return ""


def _path(value: PurePath) -> bytes:
    """What a path leads to: the bytes of a file whatever its name, or the tree below a directory."""
    if not isinstance(value, Path):
        raise no_fingerprint(value, "a path stands for what it contains: pass a pathlib.Path, or text for its name")
    sources = scan(value)
    digests = _digests(sources)
    if not value.is_dir():
        return seal(NodeType.FILE + next(digests))
    entries = (bare_entry(source, digest) for source, digest in zip(sources, digests, strict=True))
    return seal(NodeType.DIRECTORY + tree_digest(entries))


def _digests(sources: list[Source]) -> Iterator[bytes]:
    """The digest of each file; those that are unchanged since they were saved or loaded are not read again."""
    files = [(source.location, source.status) for source in sources if source.status is not None]
    cuts = iter(FileIndex.open_default().get(files))  # type: ignore[arg-type]  # paths, as they have a status
    for source in sources:
        if source.location is None:
            yield bytes(32)
        else:
            cut = next(cuts)
            yield cut.digest if cut is not None else _digest(source)


def _digest(source: Source) -> bytes:
    digest, buffer = blake3(), bytearray(min(READ_BYTES, source.size_bytes) or 1)
    with source.open() as file:
        while size := file.readinto(buffer):  # type: ignore[attr-defined]  # a raw file
            digest.update(memoryview(buffer)[:size])
    if not source.is_unchanged():
        raise Refused(f"{os.fspath(source.location)!r} changed while it was read")  # type: ignore[arg-type]
    return digest.digest()


def _expand_sklearn(value: Any) -> Expanded | None:
    """An estimator: its parameters and what fitting made of it. Its trees are compiled, and say their state."""
    from sklearn.base import BaseEstimator  # here, as it is loaded for what is its own alone
    from sklearn.tree._tree import Tree  # the same

    if isinstance(value, BaseEstimator):
        return named(NodeType.FIELDS, value, (None, Fields(vars(value))))
    if type(value) is Tree:
        return named(NodeType.FIELDS, value, (None, Fields(value.__getstate__())))
    return None


# By the package that a class or one of its bases is of: a library is not imported for what is not its own.
_LIBRARIES: dict[str, Callable[[Any], Expanded | None]] = {
    "pandas": expand_pandas,
    "pyarrow": expand_arrow,
    "torch": expand_torch,
    "numpy": expand_numpy,
    "sklearn": _expand_sklearn,
}
