"""Every method of every service, by descriptors: what it needs, what its comment says, and its messages."""

import functools
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

import xpstore.v1
from xpstore.v1 import access_pb2

ROOT = Path(__file__).parents[3]
SERVICE, METHOD = 6, 2  # numbers of the fields of a FileDescriptorProto and of a ServiceDescriptorProto


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        descriptor: what was generated for it.
        access: what it needs.
    """

    descriptor: MethodDescriptor
    access: access_pb2.Access

    @property
    def name(self) -> str:
        """Such as "ProjectService.GetProject"."""
        return f"{self.descriptor.containing_service.name}.{self.descriptor.name}"

    @property
    def path(self) -> str:
        """As it is called."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def request(self) -> type[Any]:
        return GetMessageClass(self.descriptor.input_type)

    @property
    def response(self) -> type[Any]:
        return GetMessageClass(self.descriptor.output_type)

    @property
    def comment(self) -> str:
        return comments()[self.name]

    @property
    def has_no_effect(self) -> bool:
        return bool(self.descriptor.GetOptions().idempotency_level == 1)


def files() -> list[FileDescriptor]:
    """The files that were generated from proto/."""
    names = [one.name for one in pkgutil.iter_modules(xpstore.v1.__path__) if one.name.endswith("_pb2")]
    return [importlib.import_module(f"xpstore.v1.{name}").DESCRIPTOR for name in sorted(names)]


def methods() -> list[Method]:
    """All, in the order of their files."""
    return [
        Method(method, access_of(method))
        for file in files()
        for service in file.services_by_name.values()
        for method in service.methods
    ]


def access_of(method: MethodDescriptor) -> access_pb2.Access:
    """What a method needs."""
    options: Any = method.GetOptions()  # types-protobuf does not know extensions of options
    found: access_pb2.Access = options.Extensions[access_pb2.access]
    return found


def buf(*words: str, folder: Path = ROOT) -> bytes:
    """Runs the `buf` of this environment."""
    command = [str(Path(sys.executable).parent / "buf"), *words]
    result = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


@functools.cache
def comments() -> dict[str, str]:
    """The comment of each method, as it stands in proto/."""
    found = {}
    for file in FileDescriptorSet.FromString(buf("build", "proto", "--output", "-")).file:
        for location in file.source_code_info.location:
            if len(location.path) == 4 and (location.path[0], location.path[2]) == (SERVICE, METHOD):
                service = file.service[location.path[1]]
                found[f"{service.name}.{service.method[location.path[3]].name}"] = location.leading_comments
    return found


def resolve(message: Descriptor, path: str) -> FieldDescriptor | None:
    """The last field of a path such as "header.draft.name"; None if there is no such path."""
    first, _, rest = path.partition(".")
    field = message.fields_by_name.get(first)
    if field is None or not rest:
        return field
    return None if field.message_type is None else resolve(field.message_type, rest)


def is_of(message: Descriptor, path: str) -> bool:
    """Whether a path is of the request: a field, also of an element ("tags[3]"), all of it, or a choice ("key")."""
    path = re.sub(r"\[\d+\]", "", path)
    above, _, last = path.rpartition(".")
    owner = resolve(message, above) if above else None
    inner = owner.message_type if owner is not None else None if above else message
    is_choice = inner is not None and last in inner.oneofs_by_name
    return path == "request" or is_choice or resolve(message, path) is not None


def is_repeated(field: Any) -> bool:
    """Whether a field is repeated, whichever version of protobuf is there."""
    found = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if found is None else found)


def fields_of(message: Descriptor, seen: set[str] | None = None) -> Iterator[FieldDescriptor]:
    """The fields of a message and of those in it."""
    seen = set() if seen is None else seen
    if message.full_name not in seen:
        seen.add(message.full_name)
        for field in message.fields:
            yield field
            if field.message_type is not None:
                yield from fields_of(field.message_type, seen)
