"""Records of one project as the bytes of an IngestRequest: points as packed columns, each record with its place.

Arrays are written by hand, straight from the spool: generated code copies every byte three times more.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from xpstore._spool.record import ARRAYS, HAS_STEP, IS_INT, NUMBER_MASK, RecordType, SeriesKey, Target
from xpstore._spool.slice import Other, Share, Slice
from xpstore.format.messages import Buffer, varint
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import metric_pb2

Pieces = list[Buffer]


def delimited(field: int, *pieces: Buffer) -> Pieces:
    """A field below 16 that is bytes, text or a message."""
    return [bytes([field << 3 | 2]) + varint(sum(map(len, pieces))), *pieces]


class Writer(NamedTuple):
    """Who sends records.

    Attributes:
        project_uid: where they belong.
        writer_id: the writer's.
        first_record: number of the first of them.
    """

    project_uid: str
    writer_id: str
    first_record: int


def request_of(slice_: Slice, share: Share, model_ids: dict[Target, str], writer: Writer, shift: int = 0) -> Pieces:
    """The bytes of an IngestRequest with a share of a slice.

    Args:
        slice_: the share's.
        share: one of its shares.
        model_ids: the models to speak of; records of others are left out.
        writer: whose records they are.
        shift: so many numbers before the first are sent as empty places.
    """
    head = pb.IngestRequest(
        project_uid=writer.project_uid,
        writer_id=writer.writer_id,
        first_record=writer.first_record - shift,
        record_count=share.count + shift,
    )
    return Batch(slice_, share, model_ids, shift).request(head)


class Batch:
    """What a share of a slice has of each model.

    Args:
        slice_: the share's.
        share: one of its shares.
        model_ids: the models to speak of; records of others are left out.
        shift: place of the first record.
    """

    def __init__(self, slice_: Slice, share: Share, model_ids: dict[Target, str], shift: int = 0) -> None:
        self._slice = slice_
        self._first = share.first
        self._shift = shift
        self._models = {target: pb.ModelRecords(model_id=id_) for target, id_ in model_ids.items()}
        self._singles = defaultdict[Target, list[tuple[int, pb.PointRecord]]](list)
        self._arrays = defaultdict[Target, Pieces](list)
        self._take_points(share)
        for other in share.others:
            if other.target in self._models:
                self._take(other)
        for target, found in self._singles.items():
            found.sort(key=itemgetter(0))
            self._models[target].points.extend(point for _, point in found)

    def request(self, head: pb.IngestRequest) -> Pieces:
        """The bytes of a request; `head` is the rest of it."""
        pieces: Pieces = [head.SerializeToString()]
        for target, model in self._models.items():
            pieces += delimited(pb.IngestRequest.MODELS_FIELD_NUMBER, model.SerializeToString(), *self._arrays[target])
        return pieces

    def _take_points(self, share: Share) -> None:
        forms = defaultdict[SeriesKey, list[int]](list)
        for series, form in share.points:
            forms[series].append(form)
        for other in share.others:
            if other.tag == RecordType.VALUE and other.series is not None and other.series in forms:
                forms[other.series].append(-1)
        for (series, form), slots in share.points.items():
            if series.target not in self._models:
                continue
            if len(forms[series]) == 1:
                packed = self._models[series.target].series.add(name=series.name, phase=series.phase)
                self._pack(packed, form, slots)
            else:  # one list keeps the order of what is of several kinds
                points = ((slot, self._point(series, form, slot)) for slot in slots)
                self._singles[series.target].extend(points)

    def _pack(self, packed: pb.PackedSeries, form: int, slots: Sequence[int]) -> None:
        pick, columns = _picker(slots), self._slice.columns
        packed.records = self._places(pick(columns[0]))
        if form & HAS_STEP:
            packed.steps = _bytes(pick(columns[2]))
        values = _bytes(pick(columns[3]))
        if form & IS_INT:
            packed.int_values = values
        else:
            packed.float_values = values
        packed.times_us = _bytes(pick(columns[4]))

    def _point(self, series: SeriesKey, form: int, slot: int) -> pb.PointRecord:
        step, value, time_us = (self._slice.columns[column][slot] for column in (2, 3, 4))
        point = metric_pb2.MetricPoint(name=series.name, phase=series.phase, time_us=time_us)
        if form & HAS_STEP:
            point.step = step
        raw = array("Q", [value]).tobytes()
        if form & IS_INT:
            (point.int_value,) = array("q", raw)
        else:
            (point.float_value,) = array("d", raw)
        return pb.PointRecord(record=self._place(slot), point=point)

    def _take(self, other: Other) -> None:
        place = self._place(other.slot)
        if other.tag in (RecordType.EVENT, RecordType.CONSOLE):
            payload = bytes(other.payload)
            if other.tag == RecordType.EVENT:
                event = pb.EventRecord.FromString(payload)
            else:
                event = pb.EventRecord(console=pb.ConsoleEvent.FromString(payload))
            event.record = place
            self._models[other.target].events.append(event)
            return
        assert other.series is not None
        if other.tag == RecordType.ARRAYS:
            head = pb.PackedSeries(name=other.series.name, phase=other.series.phase, record=place)
            series = (head.SerializeToString(), *_arrays(other))
            self._arrays[other.target] += delimited(pb.ModelRecords.SERIES_FIELD_NUMBER, *series)
            return
        point = metric_pb2.MetricPoint.FromString(bytes(other.payload))
        point.name = other.series.name
        if other.series.phase is not None:
            point.phase = other.series.phase
        self._singles[other.target].append((other.slot, pb.PointRecord(record=place, point=point)))

    def _place(self, slot: int) -> int:
        return (self._slice.number(slot) - self._first & NUMBER_MASK) + self._shift

    def _places(self, words: Iterable[int]) -> bytes:
        first, shift = self._first, self._shift
        return array("I", [((word >> 32) - first & NUMBER_MASK) + shift for word in words]).tobytes()


def _picker(slots: Sequence[int]) -> "Callable[[Any], Any]":
    if len(slots) == 1:
        (slot,) = slots
        return lambda column: (column[slot],)
    return itemgetter(*slots)


def _bytes(words: Iterable[int]) -> bytes:
    return array("Q", words).tobytes()


def _arrays(other: Other) -> Pieces:
    """The columns of a record of arrays, as fields of a PackedSeries."""
    count, time_us = ARRAYS.unpack_from(other.payload)
    columns, packed = other.payload[ARRAYS.size :], pb.PackedSeries
    step_bytes = 8 * count if other.form & HAS_STEP else 0
    values = packed.INT_VALUES_FIELD_NUMBER if other.form & IS_INT else packed.FLOAT_VALUES_FIELD_NUMBER
    pieces = delimited(values, columns[step_bytes:])
    if step_bytes:
        pieces += delimited(packed.STEPS_FIELD_NUMBER, columns[:step_bytes])
    return pieces + delimited(packed.TIMES_US_FIELD_NUMBER, time_us.to_bytes(8, "little") * count)
