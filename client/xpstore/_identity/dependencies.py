"""What the result of a function depends on besides its arguments: its code, what that calls, values they refer to."""

import builtins
import enum
import functools
import importlib
import importlib.util
import inspect
import logging
import operator
import sys
from collections.abc import Collection, Iterator
from types import (
    BuiltinFunctionType,
    FunctionType,
    GenericAlias,
    MethodType,
    ModuleType,
    UnionType,
)
from typing import Any

from xpstore._identity.definitions import Definition, definition_of_class, definition_of_function
from xpstore._identity.describe import describe
from xpstore._identity.ownership import canonical, full_name, home_of, is_importable, is_local, top_level
from xpstore._identity.source import CURE, own_methods
from xpstore._identity.syntax import Import
from xpstore._identity.values import Part, PartKind, fingerprint, fingerprint_plain
from xpstore.errors import InvalidArgument

_MISSING: Any = object()
# What a module says about itself; it differs between a script and the same code in a module.
_OF_THE_MODULE = {f"__{name}__" for name in ("name", "file", "doc", "spec", "package", "loader", "builtins", "class")}

# Not float: -0.0 and 0.0 are equal, and would be remembered as one.
_SCALARS = frozenset({int, str, bool, type(None)})

Bindings = list[tuple[str, str]]


class Dependencies:
    """Follows functions to all that their results depend on.

    Own code is followed: that of the top-level package given, and that which is not installed.

    Attributes:
        parts: what was met.
    """

    def __init__(self, module: str, package: str) -> None:
        self.parts: list[Part] = []
        self._module = canonical(module)
        self._package = package
        self._targets: dict[int, str] = {}  # of functions and classes, also of those under way: recursion ends
        self._values: dict[tuple[str, int], str] = {}
        self._names: set[tuple[PartKind, str]] = set()
        self._root: Any = None
        self._ignore = frozenset[str]()
        self._alive: list[Any] = []  # else an id might be given again

    def add(self, value: Any, name: str) -> str:
        """Follows what is called `name`. Returns what it is, in words that tell it from all else that was met.

        Raises:
            InvalidArgument: something that it depends on cannot be seen.
        """
        if type(value) in _SCALARS:
            return self._add_value(value, name)
        known = self._targets.get(id(value))
        if known is not None:
            return known
        if isinstance(value, ModuleType):
            return f"module {canonical(value.__name__)}"
        if isinstance(value, type):
            return self._add_class(value) if self._is_own(value.__module__) else f"class {full_name(value)}"
        if isinstance(value, FunctionType) and self._is_own(_module_of_code(value)):
            return self._add_function(value)
        if isinstance(value, MethodType):
            return f"{self.add(value.__func__, name)} of {self.add(value.__self__, f'{name}.__self__')}"
        if isinstance(value, functools.partial):
            bound = {key: self.add(item, f"{name}({key})") for key, item in bound_arguments(value)}
            return f"partial {self.add(value.func, name)} {bound}"
        if isinstance(value, logging.Logger):
            return "logger"  # computes nothing
        if isinstance(value, GenericAlias | UnionType) or type(value).__module__ == "typing":
            return f"type {value!r}"
        if callable(value) and not hasattr(type(value), "__fingerprint__"):
            return self._add_callable(value, name)
        return self._add_value(value, name)

    def add_root(self, function: Any, name: str, ignore: Collection[str]) -> None:
        """Follows the function that all is about. The defaults of the parameters in `ignore` do not count.

        Raises:
            InvalidArgument: as for `add`; or its code itself cannot be seen.
        """
        self._root, self._ignore = inspect.unwrap(function), frozenset(ignore)
        target = self.add(function, name)
        seen = {part.kind for part in self.parts} & {PartKind.CODE, PartKind.VERSION}
        if not seen and not hasattr(type(function), "__fingerprint__"):
            raise InvalidArgument(f"{name} is {target}, whose code cannot be seen: {CURE}")
        if not isinstance(function, FunctionType | type):  # what it is put together from, and how
            self.parts.append(Part(PartKind.CODE, self._unique(PartKind.CODE, "()"), fingerprint_plain(target), target))

    def _add_value(self, value: Any, name: str) -> str:
        key = (name, id(value))
        if key in self._values:
            return self._values[key]
        self._alive.append(value)
        unique = self._unique(PartKind.VALUE, name)
        self._values[key] = f"value {unique}"
        if type(value) in _SCALARS:
            self.parts.append(_scalar_part(unique, value))
            return self._values[key]
        try:
            digest = fingerprint(value, name, follower=self)
        except InvalidArgument as error:
            raise InvalidArgument(f"{error}. The code refers to it: make it an argument, or {CURE}") from error
        self.parts.append(Part(PartKind.VALUE, unique, digest, describe(value)))
        return self._values[key]

    def code(self, value: Any) -> str:
        """Functions inside a value, such as those of a table of functions, are followed too."""
        return fingerprint_plain(self.add(value, full_name(value)))

    def met(self, value: Any) -> None:
        """So are the classes of the objects inside it: their methods may be called."""
        if not isinstance(value, type) and self._is_own(type(value).__module__):
            self.add(type(value), full_name(type(value)))

    def _add_callable(self, value: Any, name: str) -> str:
        """A callable that is no own function: of a library, made by a decorator, of C, or an object."""
        version = getattr(value, "declared_version", None)
        if isinstance(version, str):  # of a cached function: its code does not count
            return self._remember(value, self._add_version(full_name(value), version))
        if hasattr(value, "__wrapped__") and top_level(type(value).__module__) == "xpstore":
            return self.add(value.__wrapped__, name)  # caching what a function returns does not change it
        is_library = not self._is_own(home_of(value))
        if is_library and is_importable(value):
            return f"function {full_name(value)}"
        if hasattr(value, "__wrapped__") or (isinstance(value, FunctionType) and value.__closure__):
            return self._add_wrapper(value, name)
        if isinstance(value, FunctionType):
            return f"function {_module_of_code(value)}.{value.__code__.co_qualname}"
        owner = getattr(value, "__self__", None)
        if isinstance(value, BuiltinFunctionType) and not isinstance(owner, ModuleType):
            return f"{value.__name__} of {self.add(owner, f'{name}.__self__')}"
        if isinstance(value, BuiltinFunctionType):
            raise InvalidArgument(f"{name} is the C function {full_name(value)}, whose code cannot be seen: {CURE}")
        try:
            return self._add_value(value, name)
        except InvalidArgument as error:
            what = f"a callable {full_name(type(value))}"
            raise InvalidArgument(f"{name} is {what}, whose state cannot be seen ({error})") from error

    def _add_version(self, name: str, version: str) -> str:
        unique = self._unique(PartKind.VERSION, name)
        self.parts.append(Part(PartKind.VERSION, unique, fingerprint_plain(version), version))
        return f"version {unique}"

    def _add_wrapper(self, value: Any, name: str) -> str:
        """What a decorator made. If a library's says what it wraps, that alone counts; else what it holds does."""
        made_by = _made_by(value)
        target = self._remember(value, f"wrapper {made_by}")
        wrapped = getattr(value, "__wrapped__", _MISSING)
        if self._is_own(type(value).__module__):
            self.add(type(value), name)
            held = {key: item for key, item in vars(value).items() if not key.startswith("__")}
        elif wrapped is _MISSING:
            held = dict(contents(value))
        else:
            held = getattr(value, "registry", {}) if hasattr(value, "dispatch") else {}  # of singledispatch
        held = dict(sorted(((_label(key), item) for key, item in held.items()), key=operator.itemgetter(0)))
        bindings = [(key, self.add(item, f"{name}.{key}")) for key, item in held.items()]
        if wrapped is not _MISSING:
            bindings.append(("__wrapped__", self.add(wrapped, name)))
        return self._remember(value, f"{target} {bindings}")

    def _add_function(self, function: FunctionType) -> str:
        code, module = function.__code__, _module_of_code(function)
        if code.co_name == "<lambda>":
            where = f"line {code.co_firstlineno} of {code.co_filename}"
            raise InvalidArgument(f"{code.co_qualname} in {where} is a lambda: define it with `def`, or {CURE}")
        name = self._unique(PartKind.CODE, self._name(module, code.co_qualname))
        target = self._remember(function, f"code {name}")
        definition = definition_of_function(function)
        bindings = self._bindings(definition, function.__globals__, dict(contents(function)), name)
        for key, value in defaults(function):
            if function is self._root and key in self._ignore:
                continue
            bindings.append((f"{key}=", self.add(value, f"{name}({key})")))
        cls = _class_of(function)
        if cls is not None and self._is_own(cls.__module__):  # what it calls on `self` cannot be seen
            bindings.append(("class", self.add(cls, name)))
        if hasattr(function, "__wrapped__"):
            bindings.append(("__wrapped__", self.add(function.__wrapped__, name)))
        self.parts.append(definition.part(name, bindings))
        return target

    def _add_class(self, cls: type) -> str:
        methods = own_methods(cls)
        if cls.__bases__ == (tuple,) and hasattr(cls, "_fields") and not methods:  # has no text of its own
            return f"namedtuple {cls.__qualname__} {cls._fields}"
        name = self._unique(PartKind.CODE, self._name(cls.__module__, cls.__qualname__))
        target = self._remember(cls, f"code {name}")
        definition = definition_of_class(cls)
        module = methods[0].__globals__ if methods else vars(sys.modules[cls.__module__])
        cells = {key: value for method in methods for key, value in contents(method)}
        bindings = self._bindings(definition, module, cells, name)
        for key in definition.code.attributes if not issubclass(cls, enum.Enum) else ():
            value = vars(cls).get(key, _MISSING)
            if value is not _MISSING and not hasattr(value, "__get__"):
                bindings.append((f".{key}", self.add(value, f"{name}.{key}")))
        self.parts.append(definition.part(name, bindings))
        return target

    def _bindings(self, definition: Definition, module: dict[str, Any], cells: dict[str, Any], name: str) -> Bindings:
        """Each name that a definition takes from elsewhere, with what it is bound to now."""
        bindings = []
        for reference in definition.code.references:
            first, *rest = reference.names
            if first in _OF_THE_MODULE:
                continue
            if reference.imports:
                targets = [self._imported(one, module, rest) for one in reference.imports]
            elif first in cells:
                targets = [self._attribute(cells[first], f"{name}.{first}", rest)]
            elif first in module:
                label = self._name(module.get("__name__", ""), first)
                targets = [self._attribute(module[first], label, rest)]
            else:
                targets = [] if hasattr(builtins, first) else ["undefined"]
            bindings += [(".".join(reference.names), target) for target in targets]
        return bindings

    def _attribute(self, value: Any, label: str, names: list[str]) -> str:
        """Follows dotted names through own modules only: what an attribute of anything else is, its class says."""
        for name in names:
            if not isinstance(value, ModuleType) or not self._is_own(value.__name__):
                break
            label = self._name(value.__name__, name)
            value = getattr(value, name, _MISSING)
        return "undefined" if value is _MISSING else self.add(value, label)

    def _imported(self, one: Import, module: dict[str, Any], names: list[str]) -> str:
        """Follows what an import inside a function binds. No library is imported for it."""
        package = module.get("__package__") or str(module.get("__name__", "")).rpartition(".")[0]
        prefix = "." * one.level
        load, bound = (importlib.util.resolve_name(prefix + name, package) for name in (one.load, one.bound))
        if not self._is_own(load):
            return f"import {bound} {one.attribute}"
        try:
            importlib.import_module(load)
            value: Any = sys.modules[bound]
            if one.attribute and not hasattr(value, one.attribute):
                value = importlib.import_module(f"{load}.{one.attribute}")
                return self._attribute(value, bound, names)
        except ImportError:
            return "undefined"
        return self._attribute(value, bound, [one.attribute, *names] if one.attribute else names)

    def _is_own(self, module: str) -> bool:
        return top_level(module) == self._package or is_local(module)

    def _name(self, module: str, name: str) -> str:
        """Names of the first function's module go without it: code of a notebook may stand in a module elsewhere."""
        return name if canonical(module) == self._module else f"{canonical(module)}.{name}"

    def _unique(self, kind: PartKind, name: str) -> str:
        """The order in which things are met is that of their names in the code, so the number is always the same."""
        unique, number = name, 1
        while (kind, unique) in self._names:
            number += 1
            unique = f"{name} #{number}"
        self._names.add((kind, unique))
        return unique

    def _remember(self, value: Any, target: str) -> str:
        self._alive.append(value)
        self._targets[id(value)] = target
        return target


@functools.lru_cache(maxsize=1024, typed=True)
def _scalar_part(name: str, value: Any) -> Part:
    return Part(PartKind.VALUE, name, fingerprint_plain(value, name), describe(value))


def _module_of_code(function: FunctionType) -> str:
    """Where a function was written: `functools.wraps` gives it the name of what it wraps."""
    return str(function.__globals__.get("__name__", ""))


def _class_of(function: FunctionType) -> type | None:
    """The class whose text a function is in."""
    found: Any = function.__globals__
    for name in function.__code__.co_qualname.split(".")[:-1]:
        found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
    return found if isinstance(found, type) else None


def _made_by(value: Any) -> str:
    if isinstance(value, FunctionType):
        return f"{_module_of_code(value)}.{value.__code__.co_qualname}"
    return full_name(type(value))


def _label(key: Any) -> str:
    return key if isinstance(key, str) else full_name(key)


def contents(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """The variables of the functions around a function, as they are now."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            yield name, _MISSING


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
