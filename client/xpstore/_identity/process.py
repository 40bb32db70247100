"""Which computation a call is: the function by its declared version or its code, and its arguments."""

import functools
import importlib.metadata
import inspect
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from xpstore._identity.dependencies import Dependencies
from xpstore._identity.describe import describe
from xpstore._identity.functions import bound_arguments, contents
from xpstore._identity.ownership import canonical, full_name, home_of, is_local, top_level
from xpstore._identity.values import Part, PartKind, fingerprint_plain
from xpstore._identity.values import fingerprint as fingerprint_with
from xpstore.errors import InvalidArgument

AnyFunction = Callable[..., Any]


class Doubt(InvalidArgument):
    """What a result depends on cannot be seen, so that no entry of the cache may be taken for it."""


class NotBound(TypeError):
    """A function does not take the arguments of a call."""


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
    return identify_call(function, declare(name=name, version=version, depends=depends, ignore=ignore))


def identify_call(
    function: AnyFunction,
    declared: Declared,
    args: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Process:
    """Says which computation a call is; without arguments which one the function is.

    Args:
        function: as for `identify`.
        declared: what was said about it.
        args: the positional arguments.
        kwargs: the keyword arguments.

    Raises:
        NotBound: the function does not take these arguments.
        Doubt: something that the result may depend on cannot be seen; the message names it.
        InvalidArgument: a library in `depends` is not installed.
    """
    inner, bound = _unbound(function)
    own_name, home = _name_of(inner), home_of(inner)
    is_shared = canonical(home) == "__main__" or "<" in own_name  # others may have this name: <lambda>, <locals>
    is_versioned = declared.version is not None and not (is_shared and declared.name is None)
    members = None if args is None else list(_members(_bind(function, args, kwargs or {}), declared.ignore))
    parts = [_library(library) for library in declared.depends]
    if declared.version is not None:
        parts.append(_version(declared.version))
    try:
        dependencies = Dependencies(home, top_level(home))
        if is_versioned:
            dependencies.add_versioned(inner, [*bound, *_closed_over(inner)])
        else:
            dependencies.add_root(function, own_name, declared.ignore)
        code = {part.name: part.fingerprint for part in dependencies.parts.found if part.kind is PartKind.CODE}
        follower = _Arguments(dependencies)
        parameters = [
            Part(PartKind.PARAMETER, name, fingerprint_with(value, name, follower=follower), describe(value))
            for name, value in members or ()
        ]
        parts += dependencies.finish()
    except InvalidArgument as error:
        raise Doubt(str(error)) from error
    except Exception as error:  # walking calls code of others: a module's `__getattr__`, an object's `__getstate__`
        raise Doubt(f"{own_name}: looking at what it depends on raised {type(error).__name__}: {error}") from error
    ordered = sorted(parts, key=lambda part: (part.kind, part.name))
    caution = _caution(own_name, declared) if is_shared and declared.name is None else ""
    return Process(declared.name or own_name, (*ordered, *parameters), caution, code)


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


def _closed_over(function: Any, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """The values that a function closes over, and the functions among them do: a version stands for none of them."""
    if not isinstance(function, FunctionType) or id(function) in seen:
        return
    for name, value in contents(function):
        if isinstance(value, FunctionType):
            yield from ((f"{name}.{key}", one) for key, one in _closed_over(value, seen | {id(function)}))
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
    """The follower of arguments: the classes of the objects in them are parts of the process."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def met(self, value: Any) -> None:
        self._dependencies.met(value)


def fingerprint_code(value: Any) -> str:
    """Returns the fingerprint of a function or class that is a value: of its code, or of its name if it is installed.

    Raises:
        InvalidArgument: its code cannot be seen.
    """
    home = home_of(_unbound(value)[0])
    dependencies = Dependencies(home, top_level(home) if is_local(home) else "")
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
    parameters = _signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in ignore:
        if name not in parameters and not takes_any:
            known = ", ".join(parameters) or "none"
            raise InvalidArgument(f"ignore = {name!r}: {_name_of(function)} has no such parameter; it has: {known}")


def _bind(function: AnyFunction, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
    """The arguments of a call by parameter: `f(1)`, `f(x=1)` and `f(x=1, y=<its default>)` give the same.

    Raises:
        NotBound: the function does not take these arguments.
    """
    try:
        bound = _signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise NotBound(str(error)) from error
    bound.apply_defaults()
    return bound


def _members(bound: inspect.BoundArguments, ignore: Collection[str]) -> Iterator[tuple[str, Any]]:
    """Those of `*args` are `args[0]`, `args[1]`; those of `**kwargs` are `kwargs.name`. `self` is one of them."""
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if name in ignore:
            continue
        if kind is inspect.Parameter.VAR_POSITIONAL:
            yield from ((f"{name}[{position}]", item) for position, item in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            yield from ((f"{name}.{key}", item) for key, item in value.items() if key not in ignore)
        else:
            yield name, value


_Signatures = weakref.WeakKeyDictionary[FunctionType, tuple[Any, Any, dict[str, int], inspect.Signature]]
_signatures: _Signatures = weakref.WeakKeyDictionary()
_ANYTHING = inspect.signature(lambda *args, **kwargs: None)


def _signature(function: AnyFunction) -> inspect.Signature:
    """What can be passed to what is called: neither to what it wraps, nor what it says of itself."""
    if isinstance(function, FunctionType):
        return _signature_of_function(function)
    if isinstance(function, MethodType):
        return inspect.signature(MethodType(_bare(function.__func__), function.__self__))
    if isinstance(function, functools.partial):
        return inspect.signature(functools.partial(_bare(function.func), *function.args, **function.keywords))
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None and top_level(type(function).__module__) in ("functools", "xpstore"):
        return _signature(wrapped)  # they pass on what they are given
    call = None if isinstance(function, type) else getattr(type(function), "__call__", None)  # noqa: B004
    if isinstance(call, FunctionType):
        return inspect.signature(MethodType(_bare(call), function))
    try:
        return inspect.signature(function)
    except ValueError:  # of C, and says nothing
        return _ANYTHING


def _signature_of_function(function: FunctionType) -> inspect.Signature:
    """Remembered while its code and its defaults are the same objects."""
    code, values = function.__code__, function.__defaults__
    keywords = {name: id(value) for name, value in (function.__kwdefaults__ or {}).items()}  # held by the signature
    known = _signatures.get(function)
    if known is None or known[0] is not code or known[1] is not values or known[2] != keywords:
        known = _signatures[function] = (code, values, keywords, inspect.signature(_bare(function)))
    return known[3]


def _bare(function: Any) -> Any:
    """The function without its attributes: `__wrapped__` and `__signature__` are believed first."""
    if not isinstance(function, FunctionType):
        return function
    copy = FunctionType(function.__code__, {}, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _unbound(function: Any) -> tuple[Any, list[tuple[str, Any]]]:
    """The function itself, and what is bound to it: `self`, or the arguments of a partial function."""
    bound: list[tuple[str, Any]] = []
    while isinstance(function, MethodType | functools.partial):
        if isinstance(function, MethodType):
            bound.append(("__self__", function.__self__))
            function = function.__func__
        else:
            bound += [(f"({key})", value) for key, value in bound_arguments(function)]
            function = function.func
    return function, bound


def _name_of(function: Any) -> str:
    return full_name(function).removeprefix("__main__.")


@functools.lru_cache(maxsize=256)
def _version(text: str) -> Part:
    return Part(PartKind.VERSION, "version", fingerprint_plain(text), text)


@functools.cache
def _library(name: str) -> Part:
    version = _installed_version(name)
    return Part(PartKind.LIBRARY, name, fingerprint_plain(version), version)


def _installed_version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    distributions = importlib.metadata.packages_distributions().get(name)  # "sklearn" is of "scikit-learn"
    if not distributions:
        raise InvalidArgument(f"depends = {name!r}: no such library is installed")
    return " ".join(sorted(f"{one} {importlib.metadata.version(one)}" for one in {*distributions}))
