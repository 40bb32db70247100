"""The process of a version as a message."""

from typing import Any

from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.process import KINDS, Part, Process, from_json
from xpstore_server.rpc.fields import a_fingerprint, a_name, a_text

# The enum's number of each kind is its place: 0 is never sent.
_NUMBERS = {kind: number for number, kind in enumerate(KINDS, 1)}


def a_process(field: str, wire: pb.ArtifactProcess) -> Process:
    """A process, checked part by part."""
    if len(wire.parts) > limits.PROCESS_PARTS:
        raise InvalidArgument(f"{field}.parts", len(wire.parts), f"must be at most {limits.PROCESS_PARTS}")
    size = wire.ByteSize()
    if size > limits.PROCESS_BYTES:
        raise InvalidArgument(field, f"{size} bytes", f"must have at most {limits.PROCESS_BYTES} bytes")
    name = a_name(f"{field}.name", wire.name)
    parts = [_a_part(f"{field}.parts", part) for part in wire.parts]
    seen: set[tuple[str, str]] = set()
    for part in parts:
        if (part.kind, part.name) in seen:
            raise InvalidArgument(f"{field}.parts.name", part.name, f"is there twice as {part.kind}")
        seen.add((part.kind, part.name))
    return Process(name, parts)


def _a_part(field: str, wire: pb.ArtifactProcessPart) -> Part:
    if not 0 < wire.kind <= len(KINDS):
        raise InvalidArgument(f"{field}.kind", wire.kind, "must be an ArtifactProcessPartKind other than UNSPECIFIED")
    return Part(
        kind=KINDS[wire.kind - 1],
        name=a_name(f"{field}.name", wire.name, limits.PART_NAME_LENGTH),
        fingerprint=a_fingerprint(f"{field}.fingerprint", wire.fingerprint),
        text=a_text(f"{field}.text", wire.text, limits.PART_TEXT_LENGTH),
    )


def process_to_wire(process_json: str | None) -> pb.ArtifactProcess | None:
    if process_json is None:
        return None
    process = from_json(process_json)
    return pb.ArtifactProcess(name=process.name, parts=map(part_to_wire, process.parts))


def part_to_wire(part: Part) -> pb.ArtifactProcessPart:
    kind: Any = _NUMBERS[part.kind]
    return pb.ArtifactProcessPart(kind=kind, name=part.name, fingerprint=part.fingerprint, text=part.text)
