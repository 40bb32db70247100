"""One call of a cached function, before anybody knows whether it is a hit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Call:
    """One call.

    Attributes:
        args: its positional arguments.
        kwargs: its keyword arguments.
        compute: computes it.
        is_abandoned: whether nobody waits for it any more.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    compute: Callable[[], Any]
    is_abandoned: Callable[[], bool]


def call_of(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    """A call that is computed in the thread that asks for it."""
    return Call(args, kwargs, lambda: function(*args, **kwargs), lambda: False)


def arguments_of(one: Any) -> tuple[Any, ...]:
    """The positional arguments of one of many calls: a tuple, or else the only one."""
    return one if isinstance(one, tuple) else (one,)
