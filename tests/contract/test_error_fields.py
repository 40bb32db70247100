"""Each field of each method with what it must not have: an error of ours, that names a field of the request."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from support.contract.methods import ROOT, Method, is_of, is_repeated, methods
from support.contract.plain_client import PlainClient
from support.door.calls import Caller, calling
from support.fuzz.messages import sound
from support.fuzz.world import World
from support.services import Server

pytestmark = pytest.mark.client  # what is refused before a database is asked
METHODS = methods()
TEXTS = ("\x00", "x" * 70_000, "")
CODES = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "ABORTED",
}


@pytest.fixture(scope="module")
def caller(server: Server) -> Iterator[Caller]:
    with calling(server, server.api_key) as caller:
        yield caller


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    with PlainClient((ROOT / "proto" / "xpstore.binpb").read_bytes(), server.address, server.api_key) as client:
        yield World(client)


def bad_values(field: Any) -> tuple[Any, ...]:
    if field.type == field.TYPE_BYTES:
        return (b"x", b"x" * 70_000)
    match field.cpp_type:
        case field.CPPTYPE_STRING:
            return TEXTS
        case field.CPPTYPE_INT32 | field.CPPTYPE_ENUM:
            return (-1, (1 << 31) - 1)
        case field.CPPTYPE_INT64:
            return (-1, (1 << 63) - 1)
        case field.CPPTYPE_UINT32:
            return ((1 << 32) - 1,)
    return ()  # of a switch, or a number of any size, no value is wrong


@pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
def test_errors_name_fields_of_the_request(method: Method, caller: Caller, world: World) -> None:
    wrong = []
    for path, data in each(method, world):
        answer = caller.call(method.path, data)
        named = answer.metadata.get("field")
        if answer.code.name not in CODES or (answer.code.name != "OK" and not answer.reason):
            wrong.append(f"{path}: {answer.code.name} {answer.text}")
        elif named is not None and not is_of(method.descriptor.input_type, named):
            wrong.append(f"{path}: the request has no {named}: {answer.text}")
    assert wrong == []


def each(method: Method, world: World) -> Iterator[tuple[str, bytes]]:
    """A sound request with each of its fields spoilt in turn."""
    for path in paths_of(method.descriptor.input_type):
        for value_number in range(3):
            request = sound(method, world, random.Random(path))
            owner, field = owner_of(request, path.split("."))
            values = bad_values(field)
            if value_number < len(values):
                if is_repeated(field):
                    getattr(owner, field.name).append(values[value_number])
                else:
                    setattr(owner, field.name, values[value_number])
                yield path, request.SerializeToString()


def paths_of(descriptor: Any, above: str = "") -> Iterator[str]:
    """The scalar fields of a request, at most five deep."""
    for field in descriptor.fields:
        if field.message_type is None:
            yield f"{above}{field.name}"
        elif above.count(".") < 5:
            yield from paths_of(field.message_type, f"{above}{field.name}.")


def owner_of(message: Any, names: list[str]) -> tuple[Any, Any]:
    """The message that has the last field of a path; what is missing on the way is made."""
    field = message.DESCRIPTOR.fields_by_name[names[0]]
    if len(names) == 1:
        return message, field
    inner = getattr(message, field.name)
    if is_repeated(field):
        inner = inner[0] if len(inner) else inner.add()
    return owner_of(inner, names[1:])
