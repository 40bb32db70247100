"""Small values as JSON and back, each with its type: a tuple comes back as a tuple, NaN as NaN.

What JSON can say is JSON. Everything else is an object of one key that names its type: `{"$tuple": [1, 2]}`. A
dictionary whose keys are not all text, or could be taken for such a name, is `{"$dict": [[key, value], ...]}`.
"""

import base64
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from xpstore.errors import InvalidArgument

# Beyond this, bytes are a file of their own.
INLINE_BYTES = 4 << 10

Walk = Callable[[Any], Any]


def holds(value: Any) -> bool:
    """Whether a value is of a type for JSON, exactly: an object of a class of its own would come back as another."""
    kind = type(value)
    if kind in (bytes, bytearray):
        return len(value) <= INLINE_BYTES
    return value is None or kind in (bool, int, str, list) or kind in _NAMES


def encode(value: Any, walk: Walk) -> Any:
    """JSON of a value that `holds`; `walk` encodes what is in it."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is list:
        return [walk(item) for item in value]
    if kind is dict and all(type(key) is str and not key.startswith("$") for key in value):
        return {key: walk(item) for key, item in value.items()}
    if kind in (dict, OrderedDict):
        return {_NAMES[kind]: [[walk(key), walk(item)] for key, item in value.items()]}
    if kind in (tuple, set, frozenset):
        # The order of a set changes from process to process: equal results are equal bytes.
        return {_NAMES[kind]: [walk(item) for item in (value if kind is tuple else sorted(value, key=repr))]}
    return {_NAMES[kind]: _ENCODERS[kind](value)}


def decode(node: Any, walk: Walk) -> Any:
    """The value of JSON; `walk` decodes what is in it.

    Raises:
        InvalidArgument: it has a tag that this version does not know.
    """
    if isinstance(node, list):
        return [walk(item) for item in node]
    if not isinstance(node, dict):
        return node
    tag = tag_of(node)
    if not tag:
        return {key: walk(item) for key, item in node.items()}
    if tag not in _DECODERS:
        raise InvalidArgument(f"the result has a {tag}, which this version of xpstore cannot read: update it")
    if tag in ("$dict", "$ordered_dict"):
        return _DECODERS[tag]((walk(key), walk(item)) for key, item in node[tag])
    if tag in ("$tuple", "$set", "$frozenset"):
        return _DECODERS[tag](walk(item) for item in node[tag])
    return _DECODERS[tag](node[tag])


def tag_of(node: Any) -> str:
    """The tag of a tagged object, "" of anything else."""
    if isinstance(node, dict) and len(node) == 1:
        (key,) = node
        return str(key) if key.startswith("$") else ""
    return ""


def _to_zone(zone: tzinfo | None) -> str | None:
    """The name of a zone. A fixed offset is in the text of the time itself."""
    if zone is None or (type(zone) is timezone and zone.tzname(None) == timezone(zone.utcoffset(None)).tzname(None)):
        return None
    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    raise InvalidArgument(f"the time zone {zone!r} cannot be stored: use one of zoneinfo or datetime.timezone")


def _from_datetime(value: datetime | time) -> list[Any]:
    return [value.isoformat(), _to_zone(value.tzinfo), value.fold]


def _to_datetime(parts: list[Any]) -> datetime:
    text, zone, fold = parts
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=ZoneInfo(zone) if zone else value.tzinfo, fold=fold)


def _to_time(parts: list[Any]) -> time:
    text, zone, fold = parts
    value = time.fromisoformat(text)
    return value.replace(tzinfo=ZoneInfo(zone) if zone else value.tzinfo, fold=fold)


def _from_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _from_bytes(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _from_range(value: range) -> list[int]:
    return [value.start, value.stop, value.step]


# type, tag, how it is written, how it is read.
_TYPES: tuple[tuple[type, str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (dict, "$dict", list, dict),
    (OrderedDict, "$ordered_dict", list, OrderedDict),
    (tuple, "$tuple", list, tuple),
    (set, "$set", list, set),
    (frozenset, "$frozenset", list, frozenset),
    (float, "$float", repr, float),
    (complex, "$complex", repr, complex),
    (bytes, "$bytes", _from_bytes, base64.b64decode),
    (bytearray, "$bytearray", _from_bytes, lambda text: bytearray(base64.b64decode(text))),
    (range, "$range", _from_range, lambda parts: range(*parts)),
    (datetime, "$datetime", _from_datetime, _to_datetime),
    (date, "$date", date.isoformat, date.fromisoformat),
    (time, "$time", _from_datetime, _to_time),
    (timedelta, "$timedelta", _from_timedelta, lambda parts: timedelta(*parts)),
    (Decimal, "$decimal", str, Decimal),
    (UUID, "$uuid", str, UUID),
)
_NAMES = {kind: tag for kind, tag, _, _ in _TYPES}
_ENCODERS = {kind: write for kind, _, write, _ in _TYPES}
_DECODERS = {tag: read for _, tag, _, read in _TYPES}
