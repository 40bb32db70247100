"""Which computation a call is: the function by its declared version or its code, and its arguments."""

import functools
import importlib.metadata
import inspect
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from xpstore._identity.dependencies import Dependencies, bound_arguments
from xpstore._identity.describe import describe
from xpstore._identity.ownership import canonical, full_name, home_of, is_local, top_level
from xpstore._identity.values import Part, PartKind, fingerprint_plain
from xpstore._identity.values import fingerprint as fingerprint_with
from xpstore.errors import InvalidArgument

AnyFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Process:
    """A computation, without its arguments.

    Attributes:
        name: the name given, or that of the module and the function; for a function of `__main__` its own alone.
        parts: what it is made of, sorted by kind and name; those of the arguments join them for `fingerprint_process`.
        is_of_main: nothing but its code tells it from functions of the same name of other programs: it is of `__main__`
            and was given no name.
    """

    name: str
    parts: tuple[Part, ...]
    is_of_main: bool = field(default=False, compare=False)


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
        name: its name instead of that of its module and itself. A lambda with a version needs one.
        version: stands for the code, which is not looked at then. 1 and "1" are the same.
        depends: distributions or packages whose installed versions count.
        ignore: parameters whose defaults do not count.

    Returns:
        The process: the same one in each interpreter, on each machine and with each version of Python.

    Raises:
        InvalidArgument: something that the result may depend on cannot be seen; the message names it.

    Example:
        ```python
        identify(prepare).parts[0].name  # "prepare"
        identify(train, version=2, depends=("torch",))
        ```
    """
    inner, bound = _unbound(function)
    own_name = _name_of(inner)
    parts = [_library(library) for library in _libraries(depends)]
    if version is not None:
        if name is None and "<lambda>" in own_name:
            raise InvalidArgument(f"{own_name} is one of many lambdas: give it `name=` too")
        text = _version_text(version)
        parts.append(Part(PartKind.VERSION, "version", fingerprint_plain(text), text))
        parts += [Part(PartKind.VALUE, key, fingerprint(value, key), describe(value)) for key, value in bound]
    else:
        dependencies = Dependencies(home_of(inner), top_level(home_of(inner)))
        dependencies.add_root(function, own_name, ignore)
        parts += dependencies.parts
    ordered = tuple(sorted(parts, key=lambda part: (part.kind, part.name)))
    return Process(name or own_name, ordered, name is None and canonical(home_of(inner)) == "__main__")


def fingerprint(value: Any, name: str = "value") -> str:
    """Returns the fingerprint of a value, the functions in it by their code; see `values.fingerprint`.

    Example:
        ```python
        fingerprint({"lr": 0.1, "layers": [64, 10]}) == fingerprint({"layers": [64, 10], "lr": 0.1})
        ```
    """
    return fingerprint_with(value, name, follower=_ByCode())


class _ByCode:
    """The follower of a value alone: functions in it count by their code, classes of objects by their names."""

    def code(self, value: Any) -> str:
        return fingerprint_code(value)

    def met(self, value: Any) -> None:
        pass


def fingerprint_code(value: Any) -> str:
    """Returns the fingerprint of a function or class that is a value: of its code, or of its name if it is installed.

    Raises:
        InvalidArgument: its code cannot be seen.
    """
    home = home_of(_unbound(value)[0])
    dependencies = Dependencies(home, top_level(home) if is_local(home) else "")
    target = dependencies.add(value, full_name(value))
    parts = sorted((int(part.kind), part.name, part.fingerprint) for part in dependencies.parts)
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
    if isinstance(ignore, str):
        raise InvalidArgument(f"ignore = {ignore!r}: must be a list or tuple of names")
    if not ignore:
        return
    parameters = _signature(function).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in ignore:
        if name not in parameters and not takes_any:
            known = ", ".join(parameters) or "none"
            raise InvalidArgument(f"ignore = {name!r}: {_name_of(function)} has no such parameter; it has: {known}")


def bind_parameters(
    function: AnyFunction, args: Sequence[Any], kwargs: Mapping[str, Any], ignore: Collection[str] = ()
) -> list[Part]:
    """Returns the arguments of a call as parts: `f(1)`, `f(x=1)` and `f(x=1, y=<its default>)` give the same.

    The members of `*args` are `args[0]`, `args[1]`; those of `**kwargs` are `kwargs.name`. `self` is one of them.

    Args:
        function: what is called.
        args: its positional arguments.
        kwargs: its keyword arguments.
        ignore: parameters that do not count, also by the names of members of `**kwargs`.

    Raises:
        TypeError: the function does not take these arguments.
        InvalidArgument: an argument has no fingerprint; the message names it.
    """
    bound = _signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return [
        Part(PartKind.PARAMETER, name, fingerprint(value, name), describe(value))
        for name, value in _members(bound, ignore)
    ]


def _members(bound: inspect.BoundArguments, ignore: Collection[str]) -> Iterator[tuple[str, Any]]:
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


_Signatures = weakref.WeakKeyDictionary[FunctionType, tuple[Any, Any, inspect.Signature]]
_signatures: _Signatures = weakref.WeakKeyDictionary()


def _signature(function: AnyFunction) -> inspect.Signature:
    """The signature of a function; remembered while its defaults are the same objects."""
    if not isinstance(function, FunctionType):
        return inspect.signature(function)
    values, keywords = function.__defaults__, function.__kwdefaults__
    known = _signatures.get(function)
    if known is None or known[0] is not values or known[1] != keywords:
        known = _signatures[function] = (values, dict(keywords) if keywords else keywords, inspect.signature(function))
    return known[2]


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


def _version_text(version: str | int) -> str:
    if isinstance(version, bool) or not isinstance(version, str | int) or version == "":
        raise InvalidArgument(f"version = {version!r}: must be a text or an integer")
    return str(version)


def _libraries(depends: Sequence[str]) -> list[str]:
    if isinstance(depends, str):
        raise InvalidArgument(f"depends = {depends!r}: must be a list or tuple of names")
    return list(dict.fromkeys(depends))


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
