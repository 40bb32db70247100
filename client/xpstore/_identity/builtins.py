"""Fingerprints of Python's own types, exactly these: a subclass is another type (see `objects`)."""

import re
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from types import NoneType
from typing import Any
from uuid import UUID

from xpstore._identity.nodes import (
    Branch,
    Fields,
    NodeType,
    Refused,
    Sealed,
    at_attribute,
    at_index,
    at_key,
    inside,
    seal,
    seal_large,
    seal_text,
)

_DOUBLE = struct.Struct("<d")
_NAN = bytes.fromhex("000000000000f87f")
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def _double(value: float) -> bytes:
    return _DOUBLE.pack(value) if value == value else _NAN


def _int(value: int) -> bytes:
    return seal(NodeType.INT + to_bytes(value))


def to_bytes(value: int) -> bytes:
    """Two's complement, little-endian, with room for the sign."""
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


def _float(value: float) -> bytes:
    return b"\x09" + NodeType.FLOAT + _double(value)


def _complex(value: complex) -> bytes:
    return seal(NodeType.COMPLEX + _double(value.real) + _double(value.imag))


def _bytes(value: bytes) -> bytes:
    return seal_large(NodeType.BYTES, value)


def _bytearray(value: bytearray) -> bytes:
    return seal_large(NodeType.BYTEARRAY, value)


def _memoryview(value: memoryview) -> bytes:
    if value.format not in ("B", "b", "c") or value.ndim != 1:
        raise Refused(f"a memoryview of format {value.format!r} has no fingerprint: pass bytes or a numpy array")
    return _bytes(value.cast("B") if value.contiguous else value.tobytes())  # type: ignore[arg-type]


def _decimal(value: Decimal) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if exponent == "F":
        text = "Infinity"
    elif isinstance(exponent, str):
        sign, text = 0, "NaN" if exponent == "n" else "sNaN"
    else:
        text = "".join(map(str, digits)) + f"E{exponent}"
    return seal(NodeType.DECIMAL + ("-" * sign + text).encode())


def _date(value: date) -> bytes:
    return seal(NodeType.DATE + value.isoformat().encode())


def _datetime(value: datetime) -> bytes | Branch:
    return _clock(NodeType.DATETIME, value.replace(tzinfo=None, fold=0) - _EPOCH, value)


def _time(value: time) -> bytes | Branch:
    since = datetime.combine(_EPOCH.date(), value.replace(tzinfo=None, fold=0)) - _EPOCH
    return _clock(NodeType.TIME, since, value)


def _clock(type_: bytes, since: timedelta, value: datetime | time) -> bytes | Branch:
    """What a clock says, how far its zone is from UTC then, which zone that is, and which of two equal hours it is."""
    if value.tzinfo is None:
        return seal(type_ + _int(since // _MICROSECOND) + _NONE + _NONE + _int(value.fold))
    offset = _microseconds(value.utcoffset())
    return Branch(type_, [(None, since // _MICROSECOND), (None, offset), ("tzinfo", value.tzinfo), (None, value.fold)])


def _microseconds(value: timedelta | None) -> int | None:
    return None if value is None else value // _MICROSECOND


def _timezone(value: timezone) -> bytes:
    offset = LEAVES[int](_microseconds(value.utcoffset(None)))
    return seal(NodeType.ZONE + seal_text("datetime.timezone") + seal_text(value.tzname(None)) + offset)


def _timedelta(value: timedelta) -> bytes:
    return seal(NodeType.TIMEDELTA + to_bytes(value // _MICROSECOND))


_NONE = seal(NodeType.NONE)
_FALSE, _TRUE = seal(NodeType.BOOL + b"\0"), seal(NodeType.BOOL + b"\x01")

# Types whose values have no others in them, with what seals them.
LEAVES: dict[type, Callable[[Any], bytes]] = {
    NoneType: lambda _: _NONE,
    bool: lambda value: _TRUE if value else _FALSE,
    int: _int,
    float: _float,
    complex: _complex,
    str: seal_text,
    bytes: _bytes,
    bytearray: _bytearray,
    memoryview: _memoryview,
    Decimal: _decimal,
    Fraction: lambda value: seal(NodeType.FRACTION + _int(value.numerator) + _int(value.denominator)),
    range: lambda value: seal(NodeType.RANGE + _int(value.start) + _int(value.stop) + _int(value.step)),
    date: _date,
    timedelta: _timedelta,
    timezone: _timezone,
    UUID: lambda value: seal(NodeType.UUID + value.bytes),
    Sealed: lambda value: value.data,
}


def _pairs(value: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    for key, item in value.items():
        yield None, key
        yield key, item


def sort_pairs(encodings: list[bytes]) -> Iterable[bytes]:
    """The order of attributes: by the encodings of their names."""
    for pair in sorted(zip(encodings[::2], encodings[1::2], strict=True)):
        yield from pair


def _set(type_: bytes) -> Callable[[Any], Branch]:
    return lambda value: Branch(type_, ((None, item) for item in value), inside, sorted)


# Types whose values consist of others; some of the values stand for themselves.
BRANCHES: dict[type, Callable[[Any], bytes | Branch]] = {
    list: lambda value: Branch(NodeType.LIST, enumerate(value), at_index),
    tuple: lambda value: Branch(NodeType.TUPLE, enumerate(value), at_index),
    set: _set(NodeType.SET),
    frozenset: _set(NodeType.FROZENSET),
    dict: lambda value: Branch(NodeType.DICT, _pairs(value), at_key),
    Fields: lambda value: Branch(NodeType.ATTRIBUTES, _pairs(value), at_attribute, sort_pairs),
    OrderedDict: lambda value: Branch(NodeType.ORDERED_DICT, _pairs(value), at_key),
    datetime: _datetime,
    time: _time,
    slice: lambda value: Branch(NodeType.SLICE, [("start", value.start), ("stop", value.stop), ("step", value.step)]),
    Branch: lambda value: value,
    re.Pattern: lambda value: Branch(NodeType.PATTERN, [("pattern", value.pattern), ("flags", value.flags)]),
}
