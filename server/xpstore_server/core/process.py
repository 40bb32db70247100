"""What an artifact version was made by and of: the parts of a fingerprint, each with its own."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from blake3 import blake3

KINDS = ("parameter", "version", "code", "value", "library")


@dataclass(frozen=True, slots=True)
class Part:
    """One part. Its kind is one of KINDS; kind and name are unique in a process."""

    kind: str
    name: str
    fingerprint: str
    text: str


@dataclass(frozen=True, slots=True)
class Process:
    """A process with its parameters."""

    name: str
    parts: Sequence[Part] = ()

    def to_json(self) -> str:
        """As it rests beside the version."""
        parts = [[part.kind, part.name, part.fingerprint, part.text] for part in self.parts]
        return json.dumps({"name": self.name, "parts": parts}, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Process:
    stored = json.loads(text)
    return Process(stored["name"], [Part(*part) for part in stored["parts"]])


def fingerprint_of(process: Process, format_: int) -> str:
    """What docs/fingerprint.md makes of a process in format 1 or 2, which differ in their first line alone."""
    keys = sorted((KINDS.index(part.kind) + 1, part.name.encode(), part.fingerprint) for part in process.parts)
    parts = [
        _seal(b"\x11" + _seal(bytes((3, kind))) + _seal(b"\x06" + name) + _seal(b"\x07" + bytes.fromhex(digest)))
        for kind, name, digest in keys
    ]
    head = f"xpstore process v{format_}\n".encode()
    return blake3(b"".join([head, _seal(b"\x06" + process.name.encode()), *parts])).hexdigest()


def _seal(node: bytes) -> bytes:
    return bytes((len(node),)) + node if len(node) <= 64 else b"\0" + blake3(node).digest()


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of two calls, None in the one that lacks it."""

    asked: Part | None
    known: Part | None


def differences(asked: Process, known: Process) -> list[Difference]:
    """The parts that differ, in the order of the call asked about, then those that only the known one has."""
    there = {(part.kind, part.name): part for part in known.parts}
    found = []
    for part in asked.parts:
        other = there.pop((part.kind, part.name), None)
        if other is None or other.fingerprint != part.fingerprint:
            found.append(Difference(part, other))
    return found + [Difference(None, part) for part in there.values()]


def common(asked: Process, known: Process) -> int:
    """How many parts are the same."""
    there = {(part.kind, part.name, part.fingerprint) for part in known.parts}
    return sum((part.kind, part.name, part.fingerprint) in there for part in asked.parts)
