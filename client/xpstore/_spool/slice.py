"""A slice of a spool: neighbouring records, shared out by project. `request.py` makes requests of it."""

import json
from array import array
from dataclasses import dataclass, field
from functools import cached_property

from xpstore._spool.record import (
    CRC,
    FIRST_SERIES_TAG,
    HEAD,
    HEAD_BYTES,
    NUMBER_MASK,
    NUMBERED,
    REFERENCE,
    SLOT_BYTES,
    RecordType,
    SeriesKey,
    Target,
    size_in_slots,
    walk,
)
from xpstore.format.messages import Buffer

WORDS = SLOT_BYTES // 8


class Dictionary:
    """What the records of one segment refer to."""

    def __init__(self) -> None:
        self.targets: dict[int, Target] = {}
        self.series: dict[int, SeriesKey] = {}

    def learn_all(self, data: Buffer) -> None:
        """Reads all definitions in some records."""
        for slot, tag, size in walk(data):
            self.learn(data, slot, tag, size)

    def learn(self, data: Buffer, slot: int, tag: int, size: int) -> None:
        """Reads a record, if it is a definition."""
        if tag == RecordType.MODEL:
            reference, payload = _referring(data, slot, size)
            self.targets[reference] = Target.unpacked(bytes(payload))
        elif tag == RecordType.SERIES:
            reference, target, name, phase = json.loads(bytes(_payload(data, slot, size)))
            self.series[reference] = SeriesKey(self.targets[target], name, phase)


def _payload(data: Buffer, slot: int, size: int) -> memoryview:
    start = slot * SLOT_BYTES + HEAD_BYTES
    return memoryview(data)[start : start + size]


def _referring(data: Buffer, slot: int, size: int) -> tuple[int, memoryview]:
    payload = _payload(data, slot, size)
    (reference,) = REFERENCE.unpack_from(payload)
    return reference, payload[REFERENCE.size :]


@dataclass(slots=True)
class Other:
    """A record that is not a point of one slot."""

    slot: int
    tag: int
    payload: memoryview
    target: Target
    series: SeriesKey | None = None
    form: int = 0


@dataclass(slots=True)
class Share:
    """What a slice has of one project.

    Attributes:
        first: number of its first record, the lowest 32 bits.
        count: how many numbers there are from that to the last.
        points: slots of points, by series and form.
        others: all other records.
    """

    project: str
    first: int
    count: int = 0
    points: dict[tuple[SeriesKey, int], list[int]] = field(default_factory=dict)
    others: list[Other] = field(default_factory=list)

    @property
    def targets(self) -> list[Target]:
        """The models it has records of."""
        found = [series.target for series, _ in self.points] + [other.target for other in self.others]
        return list(dict.fromkeys(found))


class Slice:
    """Neighbouring records: as many as go out together, or one that has a call of its own.

    Args:
        data: records; the first of them is whole.
        definitions: of what was before. Those in `data` are added.
    """

    def __init__(self, data: Buffer, dictionary: Dictionary) -> None:
        self._data = data
        self._dictionary = dictionary
        self.call: Other | None = None
        self._others: list[Other] = []
        self._groups: dict[int, list[int]] = {}
        self.slots = self._split()
        self.size_bytes = self.slots * SLOT_BYTES
        self.shares = self._share_out()
        self.record_count = sum(share.count for share in self.shares)

    @cached_property
    def columns(self) -> "list[array[int]]":
        """The words of all slots."""
        words = array("Q")
        words.frombytes(self._data)
        return [words[column::WORDS] for column in range(WORDS)]

    @property
    def has_console(self) -> bool:
        """Whether there is something that runs printed."""
        return any(other.tag == RecordType.CONSOLE for other in self._others)

    def leave_out_console(self) -> None:
        """Leaves out what runs printed: the numbers of these records are sent as empty places."""
        for share in self.shares:
            share.others = [other for other in share.others if other.tag != RecordType.CONSOLE]

    def _split(self) -> int:
        """Groups points by what they begin with; stops before a record that must go out later. Returns where."""
        groups = self._groups
        arrays: set[int] = set()
        slot, end = 0, len(self._data) // SLOT_BYTES
        _, tag, size = HEAD.unpack_from(self._data, CRC.size)
        if tag == RecordType.ARRAYS and size_in_slots(size) == end:
            self._take(0, tag, size, arrays)  # a large one, alone: the columns would only be copies of it
            return end
        heads = self.columns[1]
        slots = iter(range(end))
        for slot in slots:
            head = heads[slot]
            group = groups.get(head)
            if group is not None:
                group.append(slot)
                continue
            tag, size = head & NUMBER_MASK, head >> 32
            if tag >= FIRST_SERIES_TAG:
                if tag >> 2 in arrays:
                    return slot  # arrays and points of a series are kept in order by going out one after the other
                groups[head] = [slot]
                continue
            if slot + size_in_slots(size) > end:
                return slot
            if tag == RecordType.RUN_START or tag == RecordType.RUN_END:
                if slot:
                    return slot
                self.call = self._other(slot, tag, size)
                return size_in_slots(size)
            if not self._take(slot, tag, size, arrays):
                return slot
            for _ in range(size_in_slots(size) - 1):
                next(slots)
        return end

    def _take(self, slot: int, tag: int, size: int, arrays: set[int]) -> bool:
        if tag not in NUMBERED:
            self._dictionary.learn(self._data, slot, tag, size)
            return True
        other = self._other(slot, tag, size)
        if tag == RecordType.ARRAYS:
            reference = REFERENCE.unpack_from(self._data, slot * SLOT_BYTES + HEAD_BYTES)[0] >> 2
            has_points = any((head & NUMBER_MASK) >> 2 == reference for head in self._groups)
            if has_points or any(each.series is other.series and each.tag == RecordType.VALUE for each in self._others):
                return False
            arrays.add(reference)
        elif tag == RecordType.VALUE and any(
            each.series is other.series for each in self._others if each.tag == RecordType.ARRAYS
        ):
            return False
        self._others.append(other)
        return True

    def _other(self, slot: int, tag: int, size: int) -> Other:
        reference, payload = _referring(self._data, slot, size)
        if tag not in (RecordType.VALUE, RecordType.ARRAYS):
            return Other(slot, tag, payload, self._dictionary.targets[reference])
        form = reference & 3 if tag == RecordType.ARRAYS else 0
        series = self._dictionary.series[reference >> 2 if tag == RecordType.ARRAYS else reference]
        return Other(slot, tag, payload, series.target, series, form)

    def _share_out(self) -> list[Share]:
        shares: dict[str, Share] = {}
        ends: dict[str, tuple[int, int]] = {}

        def share(target: Target, first_slot: int, last_slot: int) -> Share:
            first, last = ends.get(target.project, (first_slot, last_slot))
            ends[target.project] = min(first, first_slot), max(last, last_slot)
            return shares.setdefault(target.project, Share(target.project, 0))

        for head, slots in self._groups.items():
            tag = head & NUMBER_MASK
            series = self._dictionary.series[tag >> 2]
            share(series.target, slots[0], slots[-1]).points[series, tag & 3] = slots
        for other in self._others:
            share(other.target, other.slot, other.slot).others.append(other)
        for project, (first_slot, last_slot) in ends.items():
            shares[project].first = self.number(first_slot)
            shares[project].count = (self.number(last_slot) - shares[project].first & NUMBER_MASK) + 1
        return list(shares.values())

    def number(self, slot: int) -> int:
        """The number of a record, the lowest 32 bits."""
        number: int = HEAD.unpack_from(self._data, slot * SLOT_BYTES + CRC.size)[0]
        return number
