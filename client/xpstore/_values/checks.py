"""What Python values become on the wire."""

import operator
import re
import reprlib
import uuid
from collections.abc import Iterable
from typing import Any

from xpstore.errors import InvalidArgument

# The service's limits as the contract states them: what is logged is checked without asking.
MAX_NAME_LENGTH = 256
MAX_HASH_LENGTH = 1_024
MAX_TEXT_LENGTH = 16_384
MAX_STEP = 1 << 62

MAX_ALIAS_LENGTH = 128

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_VERSION_LIKE = re.compile(r"v?[0-9]+|latest")


def to_scalar(value: Any) -> Any:
    """The Python value in a scalar of numpy, torch or the like, which has `.item()`.

    Raises:
        TypeError: it has none, or one that says less: a time of numpy is a number without its unit there.
    """
    item, name = getattr(value, "item", None), type(value).__name__
    if not callable(item):
        raise TypeError(f"a {name} has no JSON form: say it as a number or text")
    if getattr(getattr(value, "dtype", None), "kind", None) in ("m", "M"):
        raise TypeError(f"a {name} of numpy has no JSON form: say it as text, or as a number of a unit you choose")
    found = item()
    if type(found) is type(value) or isinstance(found, tuple):
        raise TypeError(f"a {name} has no JSON form: say it as a number or text")
    return found


def to_int64(field: str, value: Any) -> int:
    """An integer that the wire can carry."""
    number = _whole(field, value)
    if not -(1 << 63) <= number < 1 << 63:
        raise invalid(field, number, "must have at most 64 bits")
    return number


def to_step(field: str, value: Any) -> int:
    """A training step."""
    step = _whole(field, value)
    if not 0 <= step <= MAX_STEP:
        raise invalid(field, step, f"must be between 0 and {MAX_STEP}")
    return step


def _whole(field: str, value: Any) -> int:
    """An integer; one of numpy or torch counts, and a float that is one."""
    if not isinstance(value, bool):
        try:
            return int(operator.index(value))
        except TypeError:
            number = _scalar_or_none(value)
        if isinstance(number, int) and not isinstance(number, bool):
            return number
        if isinstance(number, float) and number.is_integer():
            return int(number)
    raise invalid(field, value, "must be an integer")


def _scalar_or_none(value: Any) -> Any:
    try:
        return to_scalar(value) if hasattr(value, "item") else value
    except (TypeError, ValueError, RuntimeError):  # an array, or no number
        return None


def to_name(field: str, value: Any, max_length: int = MAX_NAME_LENGTH) -> str:
    """A name: not empty, bounded, without control characters, valid Unicode."""
    if not isinstance(value, str):
        raise invalid(field, value, f"must be text, not {type(value).__name__}")
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
    return str.__str__(value)  # of an enumeration its value: `str` would give another name to what is equal


def to_tags(tags: Iterable[str]) -> list[str]:
    """Checks a list of tags."""
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise invalid("tags", tags, "must be a list of tags")
    return [to_name("tags", tag) for tag in tags]


def to_free_text(field: str, value: Any) -> str:
    """Free text: bounded, valid Unicode without NUL."""
    if not isinstance(value, str):
        raise invalid(field, value, f"must be text, not {type(value).__name__}")
    if len(value) > MAX_TEXT_LENGTH:
        raise invalid(field, value, f"must have at most {MAX_TEXT_LENGTH} characters, has {len(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(field, value, "must be valid Unicode") from None
    if "\x00" in value:
        raise invalid(field, value, "must not contain NUL")
    return str.__str__(value)


def to_alias(field: str, value: Any) -> str:
    """An alias: what can be told from the number of a version."""
    alias = to_name(field, value, MAX_ALIAS_LENGTH)
    if not _ALIAS.fullmatch(alias) or _VERSION_LIKE.fullmatch(alias):
        fix = "must be of letters, digits, '.', '_', '-', start with a letter or '_', and not read like a version"
        raise invalid(field, value, f"{fix} (7, v7, latest)")
    return alias


def to_uuid(field: str, value: Any) -> str:
    """An id, of a UUID or of its text."""
    try:
        return str(value if isinstance(value, uuid.UUID) else uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise invalid(field, value, "must be a UUID such as 6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11") from None


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
