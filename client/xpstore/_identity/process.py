"""Which computation a call is: the function by its declared version or its code, and its arguments."""

import functools
import importlib.metadata
import inspect
import operator
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from xpstore._identity.dependencies import Dependencies, refuse_mock
from xpstore._identity.describe import describe
from xpstore._identity.functions import bound_arguments, contents
from xpstore._identity.ownership import Border, full_name, home_of, is_local, top_level
from xpstore._identity.signatures import AnyFunction, parameters_of, signature_of
from xpstore._identity.values import Part, PartKind, fingerprint_plain
from xpstore._identity.values import fingerprint as fingerprint_with
from xpstore._identity.watches import Watches
from xpstore.errors import InvalidArgument

# Of one function: for so many mixtures of own classes among its arguments what it is made of is kept.
MOST_FOUND = 16


class Doubt(InvalidArgument):
    """What a result depends on cannot be seen, so that no entry of the cache may be taken for it."""


@dataclass(frozen=True, slots=True)
class Process:
    """A computation.

    Attributes:
        name: the name given, or that of the module and the function; for a function of `__main__` its own alone.
        parts: what it is made of, sorted by kind and name, then its parameters in their order.
        caution: what somebody who relies on it should know, if anything.
        code: the fingerprints of the functions and classes that it reaches, by name; those of arguments not among them.
    """

    name: str
    parts: tuple[Part, ...]
    caution: str = field(default="", compare=False)
    code: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What was said about which computation a function is; see `identify`."""

    name: str | None = None
    version: str | None = None
    depends: tuple[str, ...] = ()
    ignore: frozenset[str] = frozenset()


def declare(
    *,
    name: str | None = None,
    version: str | int | None = None,
    depends: Sequence[str] = (),
    ignore: Collection[str] = (),
) -> Declared:
    """Checks what is said about a function.

    Raises:
        InvalidArgument: it is malformed.
    """
    if isinstance(version, bool) or not isinstance(version, str | int | None) or version == "":
        raise InvalidArgument(f"version = {version!r}: must be a text or an integer")
    for key, names in (("depends", depends), ("ignore", ignore)):
        if isinstance(names, str):
            raise InvalidArgument(f"{key} = {names!r}: must be a list or tuple of names")
    text = None if version is None else str(version)
    return Declared(name=name, version=text, depends=tuple(dict.fromkeys(depends)), ignore=frozenset(ignore))


def identify(
    function: AnyFunction,
    *,
    name: str | None = None,
    version: str | int | None = None,
    depends: Sequence[str] = (),
    ignore: Collection[str] = (),
) -> Process:
    """Says which computation a function is now: globals, closures and defaults count with their present values.

    Args:
        function: a function, method, partial function, class, or an object with `__fingerprint__`.
        name: its name instead of that of its module and itself.
        version: stands for the code, which is not looked at then. 1 and "1" are the same. Of a function of `__main__`,
            a lambda, or one made in a function, it does so only with a name: others may have the same.
        depends: distributions or packages whose installed versions count.
        ignore: parameters whose defaults do not count.

    Returns:
        The process: the same one in each interpreter, on each machine and with each version of Python, where the source
        of its code is there.

    Raises:
        InvalidArgument: an option is malformed; or something that the result may depend on cannot be seen: the message
            names it.

    Example:
        ```python
        identify(prepare).parts[0].name  # "prepare"
        identify(train, version=2, depends=("torch",))
        ```
    """
    return Identity(function, declare(name=name, version=version, depends=depends, ignore=ignore)).of_function()


class Identity:
    """Which computation a function is, and each call of it. What was found is kept while all that was looked at holds.

    Args:
        function: as for `identify`.
        declared: what was said about it.
    """

    def __init__(self, function: AnyFunction, declared: Declared) -> None:
        self._function = function
        self._declared = declared
        self._found: dict[tuple[type, ...], _Found] = {}  # by the own classes among the arguments

    def of_function(self) -> Process:
        """Which computation it is, without arguments.

        Raises:
            Doubt, InvalidArgument: as for `of_call`.
        """
        return self._process(())

    def of_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Process:
        """Which computation a call is.

        Raises:
            NotBound: the function does not take these arguments.
            Doubt: something that the result may depend on cannot be seen; the message names it.
            InvalidArgument: a library in `depends` is not installed.
        """
        return self._process([*parameters_of(self._function, args, kwargs, self._declared.ignore)])

    def is_current(self, process: Process) -> bool:
        """Whether the code is still what it was when the process of a call was made.

        What came or went meanwhile is not compared, such as classes of what it put into a global: were other code bound
        to a name, whatever has the name would not be the same.
        """
        if any(found.code is process.code and found.watches.are_same() for found in [*self._found.values()]):
            return True
        try:
            now = self.of_function().code
        except Doubt:
            return False
        return all(now.get(name, fingerprint) == fingerprint for name, fingerprint in process.code.items())

    def _process(self, members: Sequence[tuple[str, Any]]) -> Process:
        inner, _ = _unbound(self._function)
        name, home = _name_of(inner), home_of(inner)
        libraries = [_library(library) for library in sorted(self._declared.depends)]
        arguments = _Arguments(Border(home, top_level(home)))
        try:
            parameters = [
                Part(PartKind.PARAMETER, key, fingerprint_with(value, key, follower=arguments), describe(value))
                for key, value in members
            ]
            found = self._known(name, tuple(arguments.classes)) or self._find(name, arguments)
        except InvalidArgument as error:
            raise Doubt(str(error)) from error
        except Exception as error:  # walking calls code of others: a module's `__getattr__`, an object's `__getstate__`
            raise Doubt(f"{name}: looking at what it depends on raised {type(error).__name__}: {error}") from error
        return Process(self._declared.name or name, (*found.parts, *libraries, *parameters), found.caution, found.code)

    def _known(self, name: str, classes: tuple[type, ...]) -> "_Found | None":
        found = self._found.get(classes)
        return found if found is not None and found.name == name and found.watches.hold() else None

    def _find(self, name: str, arguments: "_Arguments") -> "_Found":
        declared, border = self._declared, arguments.border
        is_shared = border.module == "__main__" or "<" in name  # others may have this name: <lambda>, <locals>
        dependencies = Dependencies(border)
        if declared.version is not None and not (is_shared and declared.name is None):
            inner, bound = _unbound(self._function, dependencies.watches)
            dependencies.add_versioned(inner, [*bound, *_closed_over(inner, dependencies.watches)])
        else:
            dependencies.add_root(self._function, name, declared.ignore)
        code = {part.name: part.fingerprint for part in dependencies.parts.found if part.kind is PartKind.CODE}
        for cls in arguments.classes:
            dependencies.add(cls, full_name(cls))
        parts = [*dependencies.finish(), *([] if declared.version is None else [_version(declared.version)])]
        caution = _caution(name, declared) if is_shared and declared.name is None else ""
        ordered = tuple(sorted(parts, key=lambda part: (part.kind, part.name)))
        found = _Found(name, ordered, caution, code, dependencies.watches)
        if len(self._found) >= MOST_FOUND:
            self._found.clear()
        self._found[tuple(arguments.classes)] = found
        return found


@dataclass(frozen=True, slots=True)
class _Found:
    """What a function is made of, with what was looked at to find it."""

    name: str
    parts: tuple[Part, ...]
    caution: str
    code: Mapping[str, str]
    watches: Watches


def _caution(name: str, declared: Declared) -> str:
    if declared.version is not None:
        return (
            f"{name!r} may be a name of other functions too, so its code counts beside its version. "
            "Say @cached(name=..., version=...) to give it a name of its own, then the version alone counts."
        )
    if "<" in name:
        return ""
    return (
        f"{name!r} is a function of __main__: nothing but its code tells it from others of this name. "
        "Say @cached(name=...) to give it one of its own."
    )


def _closed_over(function: Any, watches: Watches, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """The values that a function closes over, and the functions among them do: a version stands for none of them."""
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    watches.function(function)
    for name, value in contents(function):
        if isinstance(value, FunctionType):
            yield from ((f"{name}.{key}", one) for key, one in _closed_over(value, watches, seen | {id(function)}))
        else:
            yield name, value


def fingerprint(value: Any, name: str = "value") -> str:
    """Returns the fingerprint of a value, the functions in it by their code; see `values.fingerprint`.

    Example:
        ```python
        fingerprint({"lr": 0.1, "layers": [64, 10]}) != fingerprint({"layers": [64, 10], "lr": 0.1})  # as Python does
        ```
    """
    return fingerprint_with(value, name, follower=_ByCode())


class _ByCode:
    """The follower of a value alone: functions in it count by their code, classes of objects by their names."""

    def code(self, value: Any) -> str:
        return fingerprint_code(value)

    def met(self, value: Any) -> None:
        pass


class _Arguments(_ByCode):
    """The follower of arguments: the own classes of the objects in them are parts of the process, as they are met."""

    def __init__(self, border: Border) -> None:
        self.border = border
        self.classes: dict[type, None] = {}

    def met(self, value: Any) -> None:
        refuse_mock(value)
        kind = type(value)
        if not isinstance(value, type) and kind not in self.classes and self.border.is_own_class(kind):
            self.classes[kind] = None


def fingerprint_code(value: Any) -> str:
    """Returns the fingerprint of a function or class that is a value: of its code, or of its name if it is installed.

    Raises:
        InvalidArgument: its code cannot be seen.
    """
    home = home_of(_unbound(value)[0])
    dependencies = Dependencies(Border(home, top_level(home) if is_local(home) else ""))
    target = dependencies.add(value, full_name(value))
    parts = sorted((int(part.kind), part.name, part.fingerprint) for part in dependencies.finish())
    return fingerprint_plain((full_name(value), target, parts))


def check_cacheable(function: AnyFunction, ignore: Collection[str] = ()) -> None:
    """Refuses what cannot be cached, when it is declared.

    Raises:
        InvalidArgument: it is a generator or no function at all, or `ignore` names what is no parameter of it.
    """
    if not callable(function):
        raise InvalidArgument(f"function = {describe(function)}: must be a function")
    call = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_generator(one) for is_generator in kinds for one in (function, call)):
        raise InvalidArgument(f"{_name_of(function)} is a generator, whose values cannot be kept: return a list")
    if not ignore:
        return
    parameters = signature_of(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in ignore:
        if name not in parameters and not takes_any:
            known = ", ".join(parameters) or "none"
            raise InvalidArgument(f"ignore = {name!r}: {_name_of(function)} has no such parameter; it has: {known}")


def _unbound(function: Any, watches: Watches | None = None) -> tuple[Any, list[tuple[str, Any]]]:
    """The function itself, and what is bound to it: `self`, or the arguments of a partial function."""
    bound: list[tuple[str, Any]] = []
    while isinstance(function, MethodType | functools.partial):
        if isinstance(function, MethodType):
            bound.append(("__self__", function.__self__))
            function = function.__func__
        else:
            if watches is not None:
                watches.mapping(function.keywords)
            bound += [(f"({key})", value) for key, value in bound_arguments(function)]
            function = function.func
    return function, bound


def _name_of(function: Any) -> str:
    return full_name(function).removeprefix("__main__.")


@functools.lru_cache(maxsize=256)
def _version(text: str) -> Part:
    return Part(PartKind.VERSION, "version", fingerprint_plain(text), text)


# What was looked up, with the modules of the library and how they were loaded then.
_libraries: dict[str, tuple[list[Any], Part]] = {}


def _library(name: str) -> Part:
    """Looked up again once it is loaded or reloaded: what was installed meanwhile is what runs then."""
    specs = [getattr(sys.modules.get(module), "__spec__", None) for module in _modules_of(name)]
    known = _libraries.get(name)
    if known is None or any(map(operator.is_not, known[0], specs)):
        version = _installed_version(name)
        known = _libraries[name] = specs, Part(PartKind.LIBRARY, name, fingerprint_plain(version), version)
    return known[1]


@functools.cache
def _modules_of(name: str) -> list[str]:
    """The top-level modules of a package or distribution."""
    if name in sys.modules:
        return [name]
    found = importlib.metadata.packages_distributions()
    return [name, *(module for module, distributions in found.items() if name in distributions)]


def _installed_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    distributions = importlib.metadata.packages_distributions().get(name)  # "sklearn" is of "scikit-learn"
    if not distributions:
        raise InvalidArgument(f"depends = {name!r}: no such library is installed")
    return " ".join(sorted(f"{one} {importlib.metadata.version(one)}" for one in {*distributions}))
