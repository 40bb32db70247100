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


def codecs(handler: Any) -> dict[str, Any]:
    """How messages of a handler are read and written: not at all where its method is marked."""
    method = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    takes = getattr(method, "takes_serialized", False)
    answers = getattr(method, "answers_serialized", False)
    return {
        "request_deserializer": None if takes else handler.request_deserializer,
        "response_serializer": None if answers else handler.response_serializer,
    }
