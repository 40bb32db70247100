"""How many entries a request has, counted on its bytes before anything is made of them.

An empty message in a repeated field is two bytes on the wire and an object of 68 in memory. An entry is a message, or
an element of a repeated field that is not packed, at any depth. What a message of this type has no use for (a field
that is given again and again, fields that nobody knows) counts too, once there is more of it than fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.message_factory import GetMessageClass

# An entry has a tag and a length, or a tag and a value.
LEAST_BYTES = 2
# As deep as parsers go.
DEPTH = 100
# Fields of a later contract, which are passed over.
UNKNOWN_FIELDS = 16

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)
_LONGEST_VARINT = 10
_WIRE = FieldDescriptorProto
_WIRE_TYPES = {
    **dict.fromkeys((_WIRE.TYPE_DOUBLE, _WIRE.TYPE_FIXED64, _WIRE.TYPE_SFIXED64), _FIXED64),
    **dict.fromkeys((_WIRE.TYPE_FLOAT, _WIRE.TYPE_FIXED32, _WIRE.TYPE_SFIXED32), _FIXED32),
    **dict.fromkeys((_WIRE.TYPE_STRING, _WIRE.TYPE_BYTES, _WIRE.TYPE_MESSAGE), _BYTES),
}


class TooHeavy(Exception):
    """More entries than allowed."""


class Malformed(Exception):
    """Bytes that no parser takes."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """How a type of message is walked.

    Attributes:
        name: that of the type.
        parse: makes a message of it of bytes.
        spare: how many fields it may have that are no entries.
        tags: of those that are entries, the plan of what is in them; None where nothing is.
    """

    name: str
    parse: Any
    spare: int
    tags: dict[int, "Plan | None"] = field(default_factory=dict)


def plan_of(descriptor: Any, known: dict[str, Plan] | None = None) -> Plan:
    """Makes the plan of a type and of all types in it."""
    known = {} if known is None else known
    if descriptor.full_name in known:
        return known[descriptor.full_name]
    wire = DescriptorProto()
    descriptor.CopyToProto(wire)
    plan = Plan(descriptor.full_name, GetMessageClass(descriptor).FromString, len(wire.field) + UNKNOWN_FIELDS)
    known[descriptor.full_name] = plan
    for one in wire.field:
        tag = one.number << 3 | _WIRE_TYPES.get(one.type, _VARINT)
        if one.type == _WIRE.TYPE_MESSAGE:
            plan.tags[tag] = plan_of(descriptor.fields_by_number[one.number].message_type, known)
        elif one.label == _WIRE.LABEL_REPEATED:
            plan.tags[tag] = None
    return plan


def weigh(plan: Plan, data: bytes, most: int) -> int:
    """Counts the entries of a message.

    Raises:
        TooHeavy: there are more than `most`; no more was looked at.
        Malformed: no parser takes these bytes.
    """
    try:
        return _weigh(plan, data, most)
    except IndexError:
        raise Malformed from None


def _weigh(plan: Plan, data: bytes, most: int) -> int:
    tags: Mapping[int, Plan | None] = plan.tags
    spare, position, end, count = plan.spare, 0, len(data), 0
    around: list[tuple[Mapping[int, Plan | None], int, int]] = []
    while True:
        while position < end:
            tag = data[position]
            position += 1
            if tag > 0x7F:
                tag, position = _varint(data, position - 1)
            kind = tag & 7
            if kind == _BYTES:
                size = data[position]
                position += 1
                if size > 0x7F:
                    size, position = _varint(data, position - 1)
                if position + size > end:
                    raise Malformed
            elif kind == _VARINT:
                size = _varint_size(data, position)
            elif kind == _FIXED64:
                size = 8
            elif kind == _FIXED32:
                size = 4
            elif kind == _GROUP:
                size, fields = _group_size(data, position, end, tag >> 3, max(spare, 0) + most)
                spare -= fields
            else:
                raise Malformed
            if tag in tags:
                count += 1
            elif spare > 0:
                spare -= 1
            else:
                count += 1 - spare
                spare = 0
            if count > most:
                raise TooHeavy
            if kind == _BYTES and (inside := tags.get(tag)) is not None:
                if len(around) >= DEPTH:
                    raise Malformed
                around.append((tags, spare, end))
                tags, spare, end = inside.tags, inside.spare, position + size
            else:
                position += size
        if position != end:
            raise Malformed
        if not around:
            return count
        tags, spare, end = around.pop()


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _LONGEST_VARINT, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise Malformed


def _varint_size(data: bytes, position: int) -> int:
    for size in range(_LONGEST_VARINT):
        if data[position + size] < 0x80:
            return size + 1
    raise Malformed


def _group_size(data: bytes, start: int, end: int, number: int, most: int) -> tuple[int, int]:
    """Bytes and fields of a group, its end included. Only unknown fields are groups."""
    numbers, position, fields = [number], start, 0
    while numbers:
        if position >= end or len(numbers) > DEPTH:
            raise Malformed
        if fields > most:
            raise TooHeavy
        tag, position = _varint(data, position)
        kind, fields = tag & 7, fields + 1
        if kind == _GROUP:
            numbers.append(tag >> 3)
        elif kind == _GROUP_END:
            if tag >> 3 != numbers.pop():
                raise Malformed
        elif kind == _VARINT:
            position += _varint_size(data, position)
        elif kind == _BYTES:
            size, position = _varint(data, position)
            position += size
        elif kind in (_FIXED64, _FIXED32):
            position += 8 if kind == _FIXED64 else 4
        else:
            raise Malformed
    return position - start, fields
