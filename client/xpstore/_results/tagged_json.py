"""Small values as JSON and back, each with its type: a tuple comes back as a tuple, NaN as NaN.

What JSON can say is JSON. Everything else is an object of one key that names its type: `{"$tuple": [1, 2]}`. A
dictionary whose keys are not all text, or could be taken for such a name, is `{"$dict": [[key, value], ...]}`.
"""

import base64
import math
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from types import EllipsisType, SimpleNamespace
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
    return value is None or kind in (bool, int, list) or kind in _NAMES


def encode(value: Any, walk: Walk) -> Any:
    """JSON of a value that `holds`; `walk` encodes what is in it."""
    kind = type(value)
    if value is None or kind in (bool, int):
        return value
    if kind is str:
        return value if is_unicode(value) else {"$text": value.encode("utf-32-be", "surrogatepass").hex()}
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if kind is list:
        return [walk(item) for item in value]
    if kind is dict and all(type(key) is str and not key.startswith("$") and is_unicode(key) for key in value):
        return {key: walk(item) for key, item in value.items()}
    if kind in _HAS_ATTRIBUTES and vars(value):
        raise InvalidArgument(f"the result has a {kind.__name__} with attributes of its own: {', '.join(vars(value))}")
    if kind in _MAPPINGS:
        return {_NAMES[kind]: [[walk(key), walk(item)] for key, item in value.items()]}
    if kind in (tuple, set, frozenset):
        # The order of a set changes from process to process: equal results are equal bytes.
        return {_NAMES[kind]: [walk(item) for item in (value if kind is tuple else sorted(value, key=repr))]}
    if kind in _OF_VALUES:
        return {_NAMES[kind]: [walk(item) for item in _ENCODERS[kind](value)]}
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
    if tag in _TAGS_OF_MAPPINGS:
        return _DECODERS[tag]((walk(key), walk(item)) for key, item in node[tag])
    if tag in ("$tuple", "$set", "$frozenset"):
        return _DECODERS[tag](walk(item) for item in node[tag])
    if tag in _TAGS_OF_VALUES:
        return _DECODERS[tag]([walk(item) for item in node[tag]])
    return _DECODERS[tag](node[tag])


def tag_of(node: Any) -> str:
    """The tag of a tagged object, "" of anything else."""
    if isinstance(node, dict) and len(node) == 1:
        (key,) = node
        return str(key) if key.startswith("$") else ""
    return ""


def is_unicode(text: str) -> bool:
    """Whether it has no halves of surrogate pairs, of which JSON would make one character."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def from_zone(zone: tzinfo | None) -> Any:
    """JSON of a time zone: its name, or an offset in microseconds and the name of that, if it has its own.

    Raises:
        InvalidArgument: it is of neither `zoneinfo` nor `datetime`.
    """
    if zone is None:
        return None
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        return [offset // timedelta(microseconds=1), name if name != timezone(offset).tzname(None) else None]
    if type(zone) is ZoneInfo and zone.key:
        return zone.key
    raise InvalidArgument(f"the time zone {zone!r} cannot be stored: use one of zoneinfo or datetime.timezone")


def to_zone(node: Any) -> tzinfo | None:
    """The time zone of JSON."""
    if node is None:
        return None
    if isinstance(node, str):
        return ZoneInfo(node)
    offset, name = node
    return timezone(timedelta(microseconds=offset), *([] if name is None else [name]))


def _from_datetime(value: datetime | time) -> list[Any]:
    zone = from_zone(value.tzinfo)
    # An offset without a name is in the text.
    return [value.isoformat(), None if isinstance(zone, list) and zone[1] is None else zone, value.fold]


def _to_datetime(parts: list[Any]) -> datetime:
    text, zone, fold = parts
    value = datetime.fromisoformat(text)
    return value.replace(tzinfo=to_zone(zone) or value.tzinfo, fold=fold)


def _to_time(parts: list[Any]) -> time:
    text, zone, fold = parts
    value = time.fromisoformat(text)
    return value.replace(tzinfo=to_zone(zone) or value.tzinfo, fold=fold)


def _from_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _from_bytes(value: bytes | bytearray) -> str:
    return base64.b64encode(value).decode()


def _from_range(value: range) -> list[int]:
    return [value.start, value.stop, value.step]


def _from_defaultdict(value: "defaultdict[Any, Any]") -> list[Any]:
    factory = value.default_factory
    if factory is not None and factory not in _FACTORIES.values():
        raise InvalidArgument(f"the result has a defaultdict of {factory!r}: return dict() of it")
    return [factory and factory.__name__, dict(value)]


def _to_defaultdict(parts: list[Any]) -> "defaultdict[Any, Any]":
    return defaultdict(parts[0] and _FACTORIES[parts[0]], parts[1])


def _to_namespace(attributes: dict[str, Any]) -> SimpleNamespace:
    made = SimpleNamespace()
    vars(made).update(attributes)
    return made


_FACTORIES: dict[str, Any] = {kind.__name__: kind for kind in (list, dict, set, int, float, str, tuple, bool)}
_MAPPINGS = (dict, OrderedDict, Counter)
_HAS_ATTRIBUTES = (OrderedDict, Counter)
# What is written as a list of values, each of which is walked.
_OF_VALUES = (defaultdict, deque, SimpleNamespace, slice, re.Pattern)

# type, tag, how it is written, how it is read.
_TYPES: tuple[tuple[type, str, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    (dict, "$dict", list, dict),
    (OrderedDict, "$ordered_dict", list, OrderedDict),
    (Counter, "$counter", list, lambda pairs: Counter(dict(pairs))),
    (defaultdict, "$defaultdict", _from_defaultdict, _to_defaultdict),
    (deque, "$deque", lambda value: [value.maxlen, *value], lambda items: deque(items[1:], items[0])),
    (SimpleNamespace, "$namespace", lambda value: [vars(value)], lambda parts: _to_namespace(parts[0])),
    (tuple, "$tuple", list, tuple),
    (set, "$set", list, set),
    (frozenset, "$frozenset", list, frozenset),
    (float, "$float", repr, float),
    (complex, "$complex", repr, complex),
    (bytes, "$bytes", _from_bytes, base64.b64decode),
    (bytearray, "$bytearray", _from_bytes, lambda text: bytearray(base64.b64decode(text))),
    (str, "$text", str, lambda text: bytes.fromhex(text).decode("utf-32-be", "surrogatepass")),
    (slice, "$slice", lambda value: [value.start, value.stop, value.step], lambda parts: slice(*parts)),
    (EllipsisType, "$ellipsis", lambda _: None, lambda _: ...),
    (re.Pattern, "$pattern", lambda value: [value.pattern, value.flags], lambda parts: re.compile(*parts)),
    (range, "$range", _from_range, lambda parts: range(*parts)),
    (datetime, "$datetime", _from_datetime, _to_datetime),
    (date, "$date", date.isoformat, date.fromisoformat),
    (time, "$time", _from_datetime, _to_time),
    (timedelta, "$timedelta", _from_timedelta, lambda parts: timedelta(*parts)),
    (timezone, "$timezone", from_zone, to_zone),
    (ZoneInfo, "$zone", from_zone, to_zone),
    (Decimal, "$decimal", str, Decimal),
    (Fraction, "$fraction", lambda value: [value.numerator, value.denominator], lambda parts: Fraction(*parts)),
    (UUID, "$uuid", str, UUID),
)
_NAMES = {kind: tag for kind, tag, _, _ in _TYPES}
_ENCODERS = {kind: write for kind, _, write, _ in _TYPES}
_DECODERS = {tag: read for _, tag, _, read in _TYPES}
_TAGS_OF_MAPPINGS = {_NAMES[kind] for kind in _MAPPINGS}
_TAGS_OF_VALUES = {_NAMES[kind] for kind in _OF_VALUES}
