"""Messages read from JSON, strictly: what is wrong is named by its path in the request, nothing is passed over.

The library's own reader drops characters that are no base64, and says where it failed in words alone. It is asked for
types of its own (`google.protobuf.*`) and for maps.
"""

import base64
import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from xpstore_server.core.errors import InvalidArgument, shown

# Braces, brackets and commas for each entry, at most: as many as a message has fields.
MARKS = 16
_WIRE = FieldDescriptorProto
_MARK = re.compile(rb'[{\[,]|"(?:[^"\\]++|\\.)*+["\\]?', re.DOTALL)
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

Scalar = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """How a field is read.

    Attributes:
        name: as the contract has it.
        oneof: the choice that it is one of; "" where there is none.
        scalar: makes its value of one of JSON; None for messages.
        is_foreign: whether the library reads it.
    """

    name: str
    oneof: str
    is_repeated: bool
    scalar: Scalar | None
    is_foreign: bool


_known: dict[str, dict[str, _Field]] = {}


def read_json(text: bytes, kind: type[Message], max_entries: int) -> bytes:
    """The serialized message that a JSON text has.

    Args:
        text: in UTF-8.
        kind: its type.
        max_entries: most messages in it, and elements of repeated fields. They are counted when it is a message; before
            anything is made of it, its marks are.

    Raises:
        InvalidArgument: it is malformed; the field is named as in the contract.
    """
    if _has_too_many(text, MARKS * (max_entries + 1)):
        raise InvalidArgument("request", f"{len(text)} bytes", f"must have at most {max_entries} entries")
    message = kind()
    try:
        _fill(message, json.loads(str(text, "utf-8"), object_pairs_hook=_object, parse_constant=_refuse), "")
    except RecursionError:
        raise InvalidArgument("request", f"{len(text)} bytes", "is nested too deep") from None
    except ValueError as error:
        name = kind.DESCRIPTOR.full_name
        raise InvalidArgument("request", f"{len(text)} bytes", f"must be JSON of {name}: {_said(error)}") from None
    return message.SerializeToString()


def _has_too_many(text: bytes, most: int) -> bool:
    if text.count(b"{") + text.count(b"[") + text.count(b",") <= most:
        return False
    count = 0  # those in strings do not count
    for found in _MARK.finditer(text):
        count += text[found.start()] != 0x22
        if count > most:
            return True
    return False


def _said(error: Exception) -> str:
    return str(error)[:200]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is no JSON: write "{constant}"')


def _fill(message: Any, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise InvalidArgument(path or "request", value, f"must be an object: {message.DESCRIPTOR.full_name}")
    fields, seen = _fields(message.DESCRIPTOR), set[str]()
    for name, given in value.items():
        field = fields.get(name)
        if field is None:
            raise InvalidArgument(_joined(path, shown(name)), "", f"is no field of {message.DESCRIPTOR.full_name}")
        if given is None:
            continue
        where = _joined(path, field.name)
        if (key := field.oneof or field.name) in seen:
            raise InvalidArgument(where, given, f"is given twice, or another of the choice {key!r} is")
        seen.add(key)
        if field.is_foreign:
            _fill_foreign(message, name, given, where)
        elif field.is_repeated:
            _fill_repeated(message, field, given, where)
        elif field.scalar is None:
            inside = getattr(message, field.name)
            inside.SetInParent()
            _fill(inside, given, where)
        else:
            setattr(message, field.name, _scalar(field.scalar, given, where))


def _fill_repeated(message: Any, field: _Field, given: Any, path: str) -> None:
    if not isinstance(given, list):
        raise InvalidArgument(path, given, "must be an array")
    target = getattr(message, field.name)
    if field.scalar is None:
        for index, one in enumerate(given):
            _fill(target.add(), one, f"{path}[{index}]")
    else:
        target.extend([_scalar(field.scalar, one, f"{path}[{index}]") for index, one in enumerate(given)])


def _fill_foreign(message: Message, name: str, given: Any, path: str) -> None:
    try:
        ParseDict({name: given}, message)
    except ParseError as error:
        raise InvalidArgument(path, given, _said(error)) from None


def _scalar(make: Scalar, given: Any, path: str) -> Any:
    try:
        return make(given)
    except ValueError as error:
        raise InvalidArgument(path, given, _said(error)) from None


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _fields(descriptor: Any) -> dict[str, _Field]:
    known = _known.get(descriptor.full_name)
    if known is None:
        wire = DescriptorProto()
        descriptor.CopyToProto(wire)
        known = {}
        for one in wire.field:
            field = _field(descriptor.fields_by_number[one.number], one)
            known[one.name] = known[descriptor.fields_by_number[one.number].json_name] = field
        _known[descriptor.full_name] = known
    return known


def _field(descriptor: Any, wire: FieldDescriptorProto) -> _Field:
    inside = descriptor.message_type
    is_foreign = inside is not None and (
        inside.full_name.startswith("google.protobuf.") or inside.GetOptions().map_entry
    )
    oneof = descriptor.containing_oneof
    return _Field(
        name=wire.name,
        oneof="" if oneof is None or wire.proto3_optional else oneof.name,
        is_repeated=wire.label == _WIRE.LABEL_REPEATED,
        scalar=None if inside is not None else _reader(descriptor, wire.type),
        is_foreign=is_foreign,
    )


def _reader(descriptor: Any, type_: int) -> Scalar:
    if type_ == _WIRE.TYPE_ENUM:
        # Not looked up in the descriptor: half of a surrogate pair is a fault there.
        return partial(
            _enum, descriptor.enum_type.full_name, {one.name: one.number for one in descriptor.enum_type.values}
        )
    return _READERS[type_]


def _integer(low: int, high: int, value: Any) -> int:
    if (isinstance(value, float) and value.is_integer()) or (isinstance(value, str) and _INTEGER.fullmatch(value)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"must be an integer of {low} to {high}")
    return value


def _real(value: Any) -> float:
    if isinstance(value, str):
        if value in _SPECIAL:
            return _SPECIAL[value]
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", value):
            raise ValueError('must be a number, "NaN", "Infinity" or "-Infinity"')
    elif not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError('must be a number, "NaN", "Infinity" or "-Infinity"')
    try:
        made = float(value)
    except OverflowError:
        made = math.inf
    if math.isinf(made):
        raise ValueError("is too large for a double")
    return made


def _real32(value: Any) -> float:
    made = _real(value)
    try:
        struct.pack("<f", made)
    except OverflowError:
        raise ValueError("is too large for a float") from None
    return made


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("has half of a surrogate pair") from None
    return value


def _bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise ValueError("must be a string in base64")
    text = value.translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise ValueError("must be base64") from None


def _enum(kind: str, numbers: dict[str, int], value: Any) -> int:
    if not isinstance(value, str):
        return _integer(-(1 << 31), (1 << 31) - 1, value)
    if value not in numbers:
        raise ValueError(f"is no name of {kind}")
    return numbers[value]


_STANDARD = str.maketrans("-_", "+/")
_INT32 = partial(_integer, -(1 << 31), (1 << 31) - 1)
_INT64 = partial(_integer, -(1 << 63), (1 << 63) - 1)
_UINT32 = partial(_integer, 0, (1 << 32) - 1)
_UINT64 = partial(_integer, 0, (1 << 64) - 1)
_READERS: dict[int, Scalar] = {
    **dict.fromkeys((_WIRE.TYPE_INT32, _WIRE.TYPE_SINT32, _WIRE.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((_WIRE.TYPE_INT64, _WIRE.TYPE_SINT64, _WIRE.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((_WIRE.TYPE_UINT32, _WIRE.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((_WIRE.TYPE_UINT64, _WIRE.TYPE_FIXED64), _UINT64),
    _WIRE.TYPE_DOUBLE: _real,
    _WIRE.TYPE_FLOAT: _real32,
    _WIRE.TYPE_BOOL: _truth,
    _WIRE.TYPE_STRING: _text,
    _WIRE.TYPE_BYTES: _bytes,
}
