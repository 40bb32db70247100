"""What Python values become on the wire."""

import json
import operator
import re
import reprlib
from typing import Any

from xpstore.errors import InvalidArgument

# The service's limits as the contract states them: what is logged is checked without asking.
MAX_NAME_LENGTH = 256
MAX_TEXT_LENGTH = 16_384
MAX_JSON_BYTES = 1 << 20
MAX_STEP = 1 << 62

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


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
    data = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes its JSON escape
    if len(data) > MAX_JSON_BYTES:
        raise invalid(field, value, f"must have at most {MAX_JSON_BYTES} bytes as JSON, has {len(data)}")
    text = data.decode()
    if _ESCAPED_NUL.search(text):
        raise invalid(field, value, "must not contain NUL")
    return text


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


def to_step(field: str, value: Any) -> int:
    """A training step; an integer of numpy or torch counts."""
    step = operator.index(value)
    if not 0 <= step <= MAX_STEP:
        raise invalid(field, step, f"must be between 0 and {MAX_STEP}")
    return step


def to_name(field: str, value: Any, max_length: int = MAX_NAME_LENGTH) -> str:
    """A name: not empty, bounded, without control characters, valid Unicode."""
    if not isinstance(value, str):
        raise TypeError(f"{field} must be text, not {type(value).__name__}")
    if not value:
        raise invalid(field, value, "must not be empty")
    if len(value) > max_length:
        raise invalid(field, value, f"must have at most {max_length} characters")
    if _CONTROL.search(value):
        raise invalid(field, value, "must not have control characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(field, value, "must be valid Unicode") from None
    return str(value)


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
