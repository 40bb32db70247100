"""docs/contract-changes.md names all that is new or gone since the contract of 0.1, which stays readable."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from support.contract.methods import ROOT, buf

OLD = FileDescriptorSet.FromString((ROOT / "tests" / "contracts" / "0.1.binpb").read_bytes())
DOCUMENT = (ROOT / "docs" / "contract-changes.md").read_text()
NAMED = set(re.findall(r"`([A-Za-z0-9_.]+)`", DOCUMENT))


@pytest.fixture(scope="module")
def new() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(buf("build", "proto", "--exclude-source-info", "--output", "-"))


def names(image: FileDescriptorSet) -> dict[str, Any]:
    """Every message, field, enumeration, number of it, service and method, with its shape on the wire."""
    found: dict[str, Any] = {}
    for file in image.file:
        if file.package != "xpstore.v1":
            continue
        found |= dict(_of_messages(file.message_type))
        found |= {enum.name: "enum" for enum in file.enum_type}
        found |= {f"{enum.name}.{value.name}": value.number for enum in file.enum_type for value in enum.value}
        for service in file.service:
            found[service.name] = "service"
            for method in service.method:
                streams = method.client_streaming, method.server_streaming
                found[f"{service.name}.{method.name}"] = (method.input_type, method.output_type, *streams)
    return found


def _of_messages(messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, Any]]:
    for message in messages:
        yield message.name, "message"
        for field in message.field:
            kind = field.type_name.replace("ModelModule", "Module")  # renamed: the same bytes
            yield f"{message.name}.{field.name}", (field.number, field.type, field.label, kind, field.oneof_index)


def test_all_that_is_new_or_gone_is_named(new: FileDescriptorSet) -> None:
    before, now = names(OLD), names(new)
    changed = sorted(before.keys() ^ now.keys())
    whole = {name for name in changed if "." not in name and name in NAMED}  # with all that is in it
    parts = {name: (name, *name.split(".")) for name in changed}
    missing = [name for name, (_, *path) in parts.items() if not ({name, path[-1]} & NAMED or path[0] in whole)]
    assert missing == []


def test_what_is_named_is_there(new: FileDescriptorSet) -> None:
    known = {**names(OLD), **names(new)}
    parts = {part for name in known for part in name.split(".")}
    words = {
        "host",
        "git_commit",
        "duration",
        "heartbeat_at",
        "ErrorInfo",
        "field",
        "request",
        "limit",
        "expected",
        "idempotency_level",
        "id",
        "access.proto",
    }
    files = {"fingerprint.md", "cache_completion.fingerprint"}
    assert [name for name in NAMED if name not in {*known, *parts, *words, *files}] == []


def test_nothing_that_is_older_changed_on_the_wire(new: FileDescriptorSet) -> None:
    before, now = names(OLD), names(new)
    assert [name for name in before.keys() & now.keys() if before[name] != now[name]] == []


def test_image_that_changes_are_held_against_is_that_of_proto(new: FileDescriptorSet) -> None:
    """proto/xpstore.binpb is this contract: `buf breaking` compares with it."""
    assert names(FileDescriptorSet.FromString((ROOT / "proto" / "xpstore.binpb").read_bytes())) == names(new)


def test_document_is_linked() -> None:
    assert "contract-changes.md" in (ROOT / "docs" / "protocol.md").read_text()


def test_proto_alone_is_a_module(tmp_path: Path) -> None:
    """Somebody who has the folder has all: the files name nothing outside but what protobuf itself brings."""
    for file in sorted((ROOT / "proto").rglob("*.proto")):
        copy = tmp_path / file.relative_to(ROOT / "proto")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(file.read_text())
    assert buf("build", "--output", "-", folder=tmp_path)
