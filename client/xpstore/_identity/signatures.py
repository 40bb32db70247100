"""What a function is called with: the arguments of a call by parameter, however they were passed."""

import functools
import inspect
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any

from xpstore._identity.ownership import top_level

AnyFunction = Callable[..., Any]


class NotBound(TypeError):
    """A function does not take the arguments of a call."""


def parameters_of(
    function: AnyFunction, args: Sequence[Any], kwargs: Mapping[str, Any], ignore: Collection[str]
) -> Iterator[tuple[str, Any]]:
    """The arguments of a call by parameter: `f(1)`, `f(x=1)` and `f(x=1, y=<its default>)` give the same.

    Those of `*args` are `args[0]`, `args[1]`; those of `**kwargs` are `kwargs.name`. `self` is one of them.

    Args:
        function: what is called.
        args: the positional arguments.
        kwargs: the keyword arguments.
        ignore: parameters to leave out.

    Raises:
        NotBound: the function does not take these arguments.
    """
    plain = _plain_arguments(function, args, kwargs)
    if plain is not None:
        yield from ((name, value) for name, value in plain if name not in ignore)
        return
    try:
        bound = signature_of(function).bind(*args, **kwargs)
    except TypeError as error:
        raise NotBound(str(error)) from error
    bound.apply_defaults()
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


def _plain_arguments(
    function: AnyFunction, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> list[tuple[str, Any]] | None:
    """As `bind` says, a tenth of its time; None where it takes more than names, or the call does not fit."""
    if not isinstance(function, FunctionType) or function.__code__.co_flags & _STARRED:
        return None
    code, defaults = function.__code__, function.__defaults__ or ()
    names, first = code.co_varnames[: code.co_argcount], code.co_argcount - len(defaults)
    if code.co_posonlyargcount or code.co_kwonlyargcount or len(args) > len(names):
        return None
    rest = names[len(args) :]
    if not kwargs.keys() <= set(rest):
        return None
    found = [*zip(names, args, strict=False)]
    for position, name in enumerate(rest, len(args)):
        if name in kwargs:
            found.append((name, kwargs[name]))
        elif position >= first:
            found.append((name, defaults[position - first]))
        else:
            return None
    return found


_STARRED = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_Signatures = weakref.WeakKeyDictionary[FunctionType, tuple[Any, Any, dict[str, int], inspect.Signature]]
_signatures: _Signatures = weakref.WeakKeyDictionary()
_ANYTHING = inspect.signature(lambda *args, **kwargs: None)


def signature_of(function: AnyFunction) -> inspect.Signature:
    """What can be passed to what is called: neither to what it wraps, nor what it says of itself."""
    if isinstance(function, FunctionType):
        return _signature_of_function(function)
    if isinstance(function, MethodType):
        return inspect.signature(MethodType(_bare(function.__func__), function.__self__))
    if isinstance(function, functools.partial):
        return inspect.signature(functools.partial(_bare(function.func), *function.args, **function.keywords))
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None and top_level(type(function).__module__) in ("functools", "xpstore"):
        return signature_of(wrapped)  # they pass on what they are given
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
