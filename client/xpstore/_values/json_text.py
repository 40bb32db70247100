"""JSON text of Python values."""

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

from xpstore._values.checks import invalid, to_scalar
from xpstore.errors import DataLoss

MAX_JSON_BYTES = 1 << 20
# Deeper, neither Python nor others read everywhere what they have written.
MAX_DEPTH = 200

_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# Written as two escapes, they would be read as the one character that they stand for.
_TWO_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def to_json(field: str, value: Any, *, is_canonical: bool = False) -> str:
    """JSON text of a value, as `plain` says it.

    Args:
        field: how an error names the value.
        value: anything that JSON can say.
        is_canonical: write equal values as equal texts, whatever the order of their keys.

    Raises:
        InvalidArgument: JSON cannot say it: NaN, an infinity, an array, an object of a class of its own, keys that
            become one; or it is nested more than 200 deep.
    """
    try:
        text = json.dumps(
            plain(value),
            allow_nan=False,
            ensure_ascii=False,
            separators=(",", ":"),
            sort_keys=is_canonical,
            default=to_number,
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
    if value is not None and not isinstance(value, Mapping):
        raise invalid(field, value, "must be a dictionary")
    return to_json(field, {} if value is None else value, is_canonical=is_canonical)


def from_json(field: str, text: str) -> Any:
    """What JSON of the service says.

    Raises:
        DataLoss: it is none; so is NaN, which `to_json` never writes.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataLoss(f"The server sent {field} that is no JSON: {error}.") from None


def from_json_object(field: str, text: str) -> dict[str, Any]:
    """The dictionary in JSON of the service; raises as `from_json` does, also if it is something else."""
    found = from_json(field, text)
    if not isinstance(found, dict):
        raise DataLoss(f"The server sent {field} that is a {type(found).__name__} and not a dictionary.")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"it has {constant}")


def plain(value: Any, depth: int = 0) -> Any:
    """A value with the dictionaries and lists of JSON in it: keys are text, tuples are lists.

    Raises:
        TypeError: a key can be no text of JSON.
        ValueError: two keys become one, a text would become another, or it is nested too deep.
    """
    if not isinstance(value, (Mapping, list, tuple)):
        return _sound(value) if isinstance(value, str) else value
    if depth == MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if isinstance(value, Mapping):
        return {key: plain(item, depth + 1) for key, item in zip(to_keys(value), value.values(), strict=True)}
    return [plain(item, depth + 1) for item in value]


def _sound(text: str) -> str:
    if not text.isascii() and _TWO_HALVES.search(text):
        raise ValueError(f"{text!r} has the two halves of a character: it would be read as that")
    return text


def to_number(value: Any) -> Any:
    """As `to_scalar`, but an array of one number is no number: it would come back as another value."""
    if getattr(value, "ndim", 0):
        raise TypeError(f"a {type(value).__name__} has no JSON form: say value.tolist(), or value.item() if it is one")
    return to_scalar(value)


def to_keys(keys: Iterable[Any]) -> list[str]:
    """Keys of a dictionary as JSON has them: numbers, True, False and None become its texts for them.

    Raises:
        TypeError: a key is of another kind.
        ValueError: two of them become one: none may be lost.
    """
    texts: dict[str, Any] = {}
    for key in keys:
        text = _to_key(key)
        if text in texts:
            raise ValueError(f"the keys {texts[text]!r} and {key!r} are both {text!r} in JSON: name them apart")
        texts[text] = key
    return list(texts)


def _to_key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(_sound(key))  # of an enumeration its value, as JSON writes it
    number = key
    if callable(getattr(key, "item", None)):
        with suppress(TypeError, ValueError, RuntimeError):
            number = to_scalar(key)
    if number is None or isinstance(number, int) or (isinstance(number, float) and isfinite(number)):
        return json.dumps(number)
    raise TypeError(f"the key {key!r} is a {type(key).__name__}: make it text")
