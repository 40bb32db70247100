"""The spool's records as bytes: what a training loop leaves for the sender.

A segment is slots of 40 bytes. A point is one slot, anything else as many as it needs; both begin with

    crc32 of all that follows (u32), number (u32), tag (u32), size of the payload (u32), payload, zeros up to a slot

little-endian. A tag below 16 is one of `RecordType`. From 16 on it is a point: the number of its series shifted by two,
with bits for its form, and the payload is step, value and time of 8 bytes each. The number counts what is shipped, for
each project from 0 (here its lowest 32 bits); what only says how to read the others has none. Each segment defines the
models and series that its records are of, so that earlier ones can be deleted.
"""

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Self
from zlib import crc32

from xpstore.format.messages import Buffer

SLOT_BYTES = 40
HEAD_BYTES = 16
FIRST_SERIES_TAG = 16
FIRST_SERIES = FIRST_SERIES_TAG >> 2
NUMBER_MASK = (1 << 32) - 1
# Forms of points.
IS_INT = 1
HAS_STEP = 2

CRC = struct.Struct("<I")
HEAD = struct.Struct("<III")
FLOAT_POINT = struct.Struct("<IIIqdq")
INT_POINT = struct.Struct("<IIIqqq")
POINT_BYTES = 24
# A point whose CRC is known: in its slot at one stroke.
POINT = struct.Struct("<I36s")
REFERENCE = struct.Struct("<I")
# Number of points, when they were logged; then steps, if they have any, and values.
ARRAYS = struct.Struct("<Iq")


class RecordType(IntEnum):
    """What a record is, unless it is a point."""

    HOLE = 1  # a damaged slot, when it is read
    MODEL = 2  # reference, then what `Target.packed` says
    SERIES = 3  # JSON: reference, reference of the model, name, phase
    VALUE = 4  # reference of the series, then a MetricPoint: what does not fit into a slot
    ARRAYS = 5  # tag as of a point, then many points of one series
    EVENT = 6  # reference of the model, then an EventRecord
    RUN_START = 7  # reference of the model, then a CreateRunRequest; has no number
    RUN_END = 8  # reference of the model, then a FinishRunRequest; has no number
    CONSOLE = 9  # reference of the model, then a ConsoleEvent


NUMBERED = frozenset((RecordType.VALUE, RecordType.ARRAYS, RecordType.EVENT, RecordType.CONSOLE))


@dataclass(frozen=True, slots=True)
class Target:
    """The model that records are of.

    Attributes:
        model_id: its id; of one that was made offline the id that this client made for it.
        project: the uid of its project; of one that was made offline the `creation_id`.
        creation: the requests that make project, experiment and model, of one that was made offline.
    """

    model_id: str
    project: str
    creation: tuple[bytes, bytes, bytes] | None = None

    def packed(self) -> bytes:
        """Its bytes in a record."""
        creation = [b64encode(request).decode() for request in self.creation or ()]
        return json.dumps([self.model_id, self.project, creation]).encode()

    @classmethod
    def unpacked(cls, data: bytes) -> Self:
        """The target in the bytes of a record."""
        model_id, project, creation = json.loads(data)
        first, second, third = (b64decode(request) for request in creation) if creation else (b"", b"", b"")
        return cls(model_id, project, (first, second, third) if creation else None)


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """The series that points are of."""

    target: Target
    name: str
    phase: str | None


def size_in_slots(payload_bytes: int) -> int:
    """How many slots a record with a payload of this size takes."""
    return (HEAD_BYTES + payload_bytes + SLOT_BYTES - 1) // SLOT_BYTES


def pieces(number: int, tag: int, *payload: Buffer) -> Iterator[Buffer]:
    """A record of any kind, its payload in pieces that are not copied."""
    size = sum(map(len, payload))
    head = HEAD.pack(number & NUMBER_MASK, tag, size)
    crc = crc32(head)
    for piece in payload:
        crc = crc32(piece, crc)
    yield CRC.pack(crc) + head
    yield from payload
    yield bytes(size_in_slots(size) * SLOT_BYTES - HEAD_BYTES - size)


def record(number: int, tag: int, *payload: Buffer) -> bytes:
    """A record of any kind."""
    return b"".join(pieces(number, tag, *payload))


HOLE = record(0, RecordType.HOLE, bytes(POINT_BYTES))


def repaired(data: bytes) -> tuple[bytes, int]:
    """What can be read of a segment that its writer left: each damaged slot becomes a hole, zeros at the end go.

    Returns:
        The records, and how many slots are damaged.
    """
    view = memoryview(data)[: len(data) // SLOT_BYTES * SLOT_BYTES]
    end = len(data.rstrip(b"\0"))  # of the last record at least: its payload may end with zeros
    pieces: list[bytes | memoryview] = []
    at = start = damaged = 0
    while at < min(end, len(view)):
        size = _valid_bytes(view, at)
        if size:
            at += size
            continue
        pieces += (view[start:at], HOLE)
        at += SLOT_BYTES
        start, damaged = at, damaged + 1
    return b"".join([*pieces, view[start:at]]), damaged


def _valid_bytes(view: memoryview, at: int) -> int:
    """The size of the record that begins here, 0 if none does."""
    (crc,), (_, _, payload_bytes) = CRC.unpack_from(view, at), HEAD.unpack_from(view, at + CRC.size)
    end = at + HEAD_BYTES + payload_bytes
    size = size_in_slots(payload_bytes) * SLOT_BYTES
    return size if at + size <= len(view) and crc32(view[at + CRC.size : end]) == crc else 0


def walk(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """Slot, tag and payload size of each record."""
    slot, slots = 0, len(data) // SLOT_BYTES
    while slot < slots:
        _, tag, size = HEAD.unpack_from(data, slot * SLOT_BYTES + CRC.size)
        yield slot, tag, size
        slot += size_in_slots(size)
