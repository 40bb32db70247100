"""Methods whose messages pass as bytes, written and read by hand: see `xpstore.format.messages`.

Generated code would copy every byte of an upload or a download twice more.
"""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def takes_serialized(method: F) -> F:
    """Marks a method that is given its requests as bytes."""
    method.takes_serialized = True  # type: ignore[attr-defined]
    return method


def answers_serialized(method: F) -> F:
    """Marks a method that gives its responses as bytes."""
    method.answers_serialized = True  # type: ignore[attr-defined]
    return method
