"""Points on the wire: plain messages and packed columns."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row

from xpstore.v1 import ingest_pb2
from xpstore.v1 import metric_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.metrics import metric
from xpstore_server.core.metrics.buckets import Axis
from xpstore_server.core.metrics.gathered import Buckets
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.rpc.fields import a_json, a_name, a_step, a_time, if_set
from xpstore_server.store.columns import Integers
from xpstore_server.store.points import NO_TIME, Points, Values, from_values


def parts_of(points: Sequence[tuple[int, pb.MetricPoint]], field: str, inside: str = "") -> list[SeriesPart]:
    """Parts of plain points, each with the place of its record. A point is an element of `field`, or inside of one."""
    found = defaultdict[tuple[str, str], tuple[list[Any], ...]](lambda: ([], [], [], []))
    for number, (record, wire) in enumerate(points):
        try:
            row = _checked("", wire)
        except InvalidArgument:
            row = _checked(f"{field}[{number}].{inside}", wire)  # fails again, and says where
        key, *values = row
        for column, value in zip(found[key], (record, *values), strict=True):
            column.append(value)
    return [
        SeriesPart(name, phase, from_values(values, steps, times), np.array(records, np.int64))
        for (name, phase), (records, values, steps, times) in found.items()
    ]


def _checked(prefix: str, wire: pb.MetricPoint) -> tuple[tuple[str, str], tuple[str, str], int | None, int]:
    match wire.WhichOneof("value"):
        case "float_value":
            value = ("float", repr(wire.float_value))  # the shortest text that reads as the same number
        case "int_value":
            value = ("int", str(wire.int_value))
        case "json_value":
            value = ("json", a_json(f"{prefix}json_value", wire.json_value))
        case _:
            raise InvalidArgument(f"{prefix}value", "", "must be float_value, int_value or json_value")
    name = a_name(f"{prefix}name", wire.name)
    phase = if_set(wire, "phase", a_name, prefix) or ""
    time_us = if_set(wire, "time_us", a_time, prefix)
    return (name, phase), value, if_set(wire, "step", a_step, prefix), NO_TIME if time_us is None else time_us


def part_of(wire: ingest_pb2.PackedSeries, field: str, record_count: int) -> SeriesPart:
    """A part of packed columns."""
    name = a_name(f"{field}.name", wire.name)
    phase = if_set(wire, "phase", a_name, f"{field}.") or ""
    match wire.WhichOneof("values"):
        case "float_values":
            kind, values = "float", _column(f"{field}.float_values", wire.float_values, "<f8")
        case "int_values":
            kind, values = "int", _column(f"{field}.int_values", wire.int_values, "<i8")
        case _:
            raise InvalidArgument(f"{field}.values", "", "must be float_values or int_values")
    count = len(values)
    steps = _integers(f"{field}.steps", wire.steps, count, limits.STEP, 0)
    times = _integers(f"{field}.times_us", wire.times_us, count, limits.TIME_US, NO_TIME)
    has_step = None if wire.steps else np.zeros(count, np.bool_)
    records = _records(f"{field}.records", wire, count, record_count)
    return SeriesPart(name, phase, Points(np.arange(count), kind, values, steps, has_step, times), records)


def _column(field: str, data: bytes, kind: str) -> Any:
    size = np.dtype(kind).itemsize
    if len(data) % size:
        raise InvalidArgument(field, len(data), f"must have a multiple of {size} bytes")
    return np.frombuffer(data, kind)


def _integers(field: str, data: bytes, count: int, most: int, default: int) -> Integers:
    if not data:
        return np.full(count, default, np.int64)
    values: Integers = _same_length(field, _column(field, data, "<i8"), count)
    if count and not 0 <= (worst := values.min() if values.min() < 0 else values.max()) <= most:
        raise InvalidArgument(field, int(worst), f"must be between 0 and {most}")
    return values


def _records(field: str, wire: ingest_pb2.PackedSeries, count: int, record_count: int) -> Integers:
    records: Integers
    if wire.records:
        records = _same_length(field, _column(field, wire.records, "<u4"), count).astype(np.int64)
    else:
        records = np.full(count, wire.record, np.int64)
    if count and records.max() >= record_count:
        raise InvalidArgument(field, int(records.max()), f"must be below record_count = {record_count}")
    if count > 1 and (records[1:] < records[:-1]).any():
        raise InvalidArgument(field, "", "must not fall")
    return records


def _same_length(field: str, column: Any, count: int) -> Any:
    if len(column) != count:
        raise InvalidArgument(field, len(column), f"must have {count} numbers, as many as there are values")
    return column


def to_wire(point: metric.Point) -> pb.Metric:
    """One stored point."""
    value: dict[str, Any]
    match point.kind:
        case "float":
            value = {"float_value": float(point.value)}
        case "int":
            value = {"int_value": int(point.value)}
        case _:
            value = {"json_value": point.value}
    wire = pb.MetricPoint(name=point.name, step=point.step, phase=point.phase, time_us=point.time_us, **value)
    return pb.Metric(id=metric.id_of(point.model_id, point.ordinal), model_id=point.model_id, point=wire)


def packed_points(points: Points) -> pb.PackedPoints:
    """Points at full resolution."""
    values: dict[str, Any]
    if isinstance(points.values, list):
        values = {"mixed_values": pb.MixedValues(points=_mixed(points.values))}
    else:
        values = {f"{points.kind}_values": _bytes(points.values)}
    has_none = points.has_step is not None and not points.has_step.any()
    steps = b"" if has_none else _bytes(points.filled_steps())
    return pb.PackedPoints(ordinals=_bytes(points.ordinals), steps=steps, times_us=_bytes(points.times), **values)


def _bytes(values: Values) -> bytes:
    assert not isinstance(values, list)
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def _mixed(values: Iterable[tuple[str, str]]) -> Iterable[pb.MetricPoint]:
    for kind, text in values:
        if kind == "float":
            yield pb.MetricPoint(float_value=float(text))
        elif kind == "int":
            yield pb.MetricPoint(int_value=int(text))
        else:
            yield pb.MetricPoint(json_value=text)


COLUMNS = frozenset(pb.BucketColumn.values()) - {pb.BUCKET_COLUMN_UNSPECIFIED}


def packed_buckets(buckets: Buckets, axis: Axis | None, columns: frozenset[int], type_: str) -> pb.PackedBuckets:
    """A series in buckets.

    Args:
        columns: which are wanted, of COLUMNS.
        type_: of values, as numpy has it.
    """
    wire = pb.PackedBuckets(last_ordinal=buckets.last_ordinal)
    if axis is not None:
        wire.bucket_count, wire.axis_start, wire.axis_width = axis.count, axis.start, axis.width
    values = {
        pb.BUCKET_COLUMN_MIN: ("mins", buckets.mins),
        pb.BUCKET_COLUMN_MAX: ("maxs", buckets.maxs),
        pb.BUCKET_COLUMN_FIRST: ("firsts", buckets.firsts),
        pb.BUCKET_COLUMN_LAST: ("lasts", buckets.lasts),
        pb.BUCKET_COLUMN_MEAN: ("means", buckets.means),
    }
    for column in values.keys() & columns:
        name, numbers = values[column]
        with np.errstate(over="ignore"):  # what binary32 does not reach is infinity there
            setattr(wire, name, numbers.astype(type_).tobytes())
    if pb.BUCKET_COLUMN_COUNT in columns:
        wire.counts = _bytes(buckets.counts)
    if pb.BUCKET_COLUMN_STEPS in columns:
        wire.first_steps, wire.last_steps = _bytes(buckets.first_steps), _bytes(buckets.last_steps)
    if pb.BUCKET_COLUMN_TIMES in columns:
        wire.first_times_us, wire.last_times_us = _bytes(buckets.first_times), _bytes(buckets.last_times)
    return wire


def summary_to_wire(row: Row[Any]) -> pb.SeriesSummary:
    """The aggregates of a series."""
    return pb.SeriesSummary(
        model_id=row.model_id,
        name=row.name,
        phase=row.phase or None,
        count=row.points,
        last=to_wire(metric.last_of(row)),
        min_value=row.min_number,
        max_value=row.max_number,
    )
