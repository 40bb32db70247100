"""What Python values become on the wire."""

import json
import operator
import reprlib
from typing import Any

from xpstore.errors import InvalidArgument


def to_json(field: str, value: Any, *, is_canonical: bool = False) -> str:
    """JSON text of a value; scalars of numpy and torch count as the numbers they are.

    Args:
        field: how an error names the value.
        value: anything that JSON can say.
        is_canonical: write equal values as equal texts, whatever the order of their keys.

    Raises:
        InvalidArgument: JSON cannot say it: NaN, an infinity, an object of a class of its own.
    """
    try:
        text = json.dumps(
            value,
            allow_nan=False,
            ensure_ascii=False,
            separators=(",", ":"),
            sort_keys=is_canonical,
            default=to_scalar,
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid(field, value, f"must be JSON ({error})") from None
    return text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair becomes its JSON escape


def to_json_object(field: str, value: Any, *, is_canonical: bool = False) -> str:
    """JSON text of a dictionary, "{}" of None."""
    if value is not None and not isinstance(value, dict):
        raise invalid(field, value, "must be a dictionary")
    return to_json(field, value or {}, is_canonical=is_canonical)


def to_scalar(value: Any) -> Any:
    """The Python number in a scalar of numpy, torch or the like, which has `.item()`."""
    item = getattr(value, "item", None)
    if not callable(item):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return item()


def to_int64(field: str, value: Any) -> int:
    """An integer that the wire can carry; one of numpy or torch counts."""
    number = operator.index(value)
    if not -(1 << 63) <= number < 1 << 63:
        raise invalid(field, number, "must have at most 64 bits")
    return number


def to_text(value: str, max_length: int) -> str:
    """Text found on this machine as the service takes it: valid Unicode without NUL; too long, it loses its middle."""
    text = value.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    if len(text) <= max_length:
        return text
    gap = "\n...\n"
    head = (max_length - len(gap)) // 2
    return text[:head] + gap + text[len(text) - (max_length - len(gap) - head) :]


def invalid(field: str, value: Any, fix: str) -> InvalidArgument:
    """The error of a value that is refused before it is sent."""
    try:
        shown = reprlib.repr(value)
    except Exception:  # an object that cannot even be shown
        shown = type(value).__name__
    return InvalidArgument(f"{field} = {shown}: {fix}", metadata={"field": field})
