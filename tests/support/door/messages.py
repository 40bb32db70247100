"""Messages of the contract, made at random from their descriptors, and spoilt."""

import importlib
import pkgutil
import random
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

import xpstore.v1

KIND = FieldDescriptorProto
LONG = 20


def services() -> list[ServiceDescriptor]:
    """All services of the contract."""
    names = (module.name for module in pkgutil.iter_modules(xpstore.v1.__path__) if module.name.endswith("_pb2"))
    files = [importlib.import_module(f"xpstore.v1.{name}").DESCRIPTOR for name in names]
    return [service for file in files for service in file.services_by_name.values()]


def requests() -> dict[str, type[Message]]:
    """The type of the requests of each method, by its path."""
    return {
        f"/{service.full_name}/{method.name}": GetMessageClass(method.input_type)
        for service in services()
        for method in service.methods
    }


def fields_of(descriptor: Any) -> list[FieldDescriptorProto]:
    """The fields of a type as its file has them."""
    wire = DescriptorProto()
    descriptor.CopyToProto(wire)
    return list(wire.field)


def made(kind: Any, chance: random.Random, depth: int = 0) -> Any:
    """A message with some of its fields set, deeper ones more rarely."""
    message = kind()
    for field in fields_of(kind.DESCRIPTOR):
        if chance.random() < 0.3 + 0.15 * depth:
            continue
        count = chance.randrange(5) if field.label == KIND.LABEL_REPEATED else 1
        for _ in range(count):
            _set(message, field, chance, depth)
    return message


def _set(message: Any, field: FieldDescriptorProto, chance: random.Random, depth: int) -> None:
    is_repeated = field.label == KIND.LABEL_REPEATED
    if field.type == KIND.TYPE_MESSAGE:
        inside = getattr(message, field.name)
        type_ = message.DESCRIPTOR.fields_by_name[field.name].message_type
        value = made(GetMessageClass(type_), chance, depth + 1)
        (inside.add() if is_repeated else inside).CopyFrom(value)
        return
    value = _scalar(field, chance)
    if is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, value)


def _scalar(field: FieldDescriptorProto, chance: random.Random) -> Any:
    makers: dict[int, Callable[[], Any]] = {
        KIND.TYPE_STRING: lambda: "".join(chance.choices("aé☃0", k=chance.randrange(LONG))),
        KIND.TYPE_BYTES: lambda: chance.randbytes(chance.randrange(300)),
        KIND.TYPE_BOOL: lambda: True,
        KIND.TYPE_DOUBLE: chance.random,
        KIND.TYPE_FLOAT: chance.random,
        KIND.TYPE_ENUM: lambda: 1,
    }
    return makers.get(field.type, lambda: chance.randrange(1 << chance.choice((3, 7, 14, 30))))()


def entries(message: Message) -> int:
    """Messages, and elements of repeated fields that are not packed, in a message: counted on what was parsed."""
    count = 0
    for field, value in message.ListFields():
        wire = next(one for one in fields_of(message.DESCRIPTOR) if one.number == field.number)
        is_message = wire.type == KIND.TYPE_MESSAGE
        if wire.label == KIND.LABEL_REPEATED:
            if is_message or wire.type in (KIND.TYPE_STRING, KIND.TYPE_BYTES):
                count += len(value)
            if is_message:
                count += sum(map(entries, value))
        elif is_message:
            count += 1 + entries(value)
    return count


def spoilt(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """Bytes that are nearly those: bits, lengths, ends, repetitions, groups, and two in one."""
    for _ in range(6):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            if changed:
                changed[chance.randrange(len(changed))] = chance.choice((chance.randrange(256), 0, 0x7F, 0x80, 0xFF))
        yield bytes(changed)
    cut = chance.randrange(len(data) + 1)
    yield data[:cut]
    yield data[cut:]
    yield data + data
    yield data[:cut] + data + data[cut:]
    number = chance.choice((1, 2, 15, 16, 2047, 536_870_911))
    start, end = _tag(number, 3), _tag(number, 4)
    yield data + start + data + end
    yield data + start * 40 + end * 40
    yield data + start
    yield data + chance.randbytes(chance.randrange(40))
    yield data + _tag(chance.choice((1, 2, 3, 900)), chance.randrange(8)) + chance.randbytes(chance.randrange(12))
    yield data + _tag(900, 0) + b"\x80" * chance.randrange(12) + b"\x01"


def _tag(number: int, kind: int) -> bytes:
    value, encoded = number << 3 | kind, bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
