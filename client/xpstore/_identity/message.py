"""Processes on the wire."""

from xpstore._identity.process import Process
from xpstore._identity.values import Part, PartKind
from xpstore.v1 import artifact_pb2 as pb


def to_wire(process: Process) -> pb.ArtifactProcess:
    """A process with its parameters."""
    return pb.ArtifactProcess(name=process.name, parts=[_part_to_wire(part) for part in process.parts])


def from_wire(wire: pb.ArtifactProcess) -> Process:
    """A process as somebody stored it."""
    return Process(wire.name, tuple(part_from_wire(part) for part in wire.parts))


def part_from_wire(wire: pb.ArtifactProcessPart) -> Part:
    """One part of it."""
    return Part(PartKind(wire.kind), wire.name, wire.fingerprint, wire.text)


def _part_to_wire(part: Part) -> pb.ArtifactProcessPart:
    kind = pb.ArtifactProcessPartKind.Name(int(part.kind))
    return pb.ArtifactProcessPart(kind=kind, name=part.name, fingerprint=part.fingerprint, text=part.text)
