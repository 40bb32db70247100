"""Buckets along an axis of steps or times that many series share, beside what Python makes of the same points."""

import math
import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from support.raw_ingest import plain, send
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import ingest_pb2
from xpstore.v1 import metric_pb2 as pb

STEP, TIME = pb.BUCKET_AXIS_STEP, pb.BUCKET_AXIS_TIME
BEGIN = 1_700_000_000_000_000

Point = tuple[float, int | None, int]  # value, step, time


def log(client: Client, model: Model, name: str, points: Sequence[Point]) -> None:
    steps = ({} if step is None else {"step": step} for _, step, _ in points)
    some = [
        plain(place, name, value, time_us=time, **more)
        for place, ((value, _, time), more) in enumerate(zip(points, steps, strict=True))
    ]
    send(
        client, model.project_uid, new_id(), 0, len(some), ingest_pb2.ModelRecords(model_id=str(model.id), points=some)
    )


def read(client: Client, models: Sequence[Model], buckets: int, **asked: Any) -> list[pb.ReadSeriesResponse]:
    keys = [pb.SeriesKey(model_id=str(model.id), name="x") for model in models]
    request = pb.ReadSeriesRequest(keys=keys, buckets=buckets, **asked)
    try:
        return list(client.stubs.metrics.ReadSeries(request, metadata=client.metadata, timeout=60))
    except Exception as error:
        raise errors.from_rpc(error, "") from None  # type: ignore[arg-type]


def numbers(data: bytes, kind: str) -> list[Any]:
    return [value for (value,) in struct.iter_unpack(f"<{kind}", data)]


def divided(points: Sequence[Point], wire: pb.PackedBuckets, axis: int, start: int | None, end: int | None) -> None:
    """Holds an answer against the same points, put into its buckets one by one."""
    places: list[list[Point]] = [[] for _ in range(wire.bucket_count)]
    for value, step, time in points:
        at = step if axis == STEP else time
        if at is None or (start is not None and at < start) or (end is not None and at >= end):
            continue
        place = (at - wire.axis_start) // wire.axis_width
        places[min(max(place, 0), wire.bucket_count - 1)].append((value, step, time))
    finite = [[value for value, _, _ in some if math.isfinite(value)] for some in places]
    none = math.nan
    expected: dict[str, tuple[str, list[Any]]] = {
        "counts": ("q", [len(some) for some in places]),
        "mins": ("d", [min(some, default=none) for some in finite]),
        "maxs": ("d", [max(some, default=none) for some in finite]),
        "firsts": ("d", [some[0][0] if some else none for some in places]),
        "lasts": ("d", [some[-1][0] if some else none for some in places]),
        "first_steps": ("q", [-1 if not some or some[0][1] is None else some[0][1] for some in places]),
        "last_steps": ("q", [-1 if not some or some[-1][1] is None else some[-1][1] for some in places]),
        "first_times_us": ("q", [some[0][2] if some else -1 for some in places]),
        "last_times_us": ("q", [some[-1][2] if some else -1 for some in places]),
    }
    for name, (kind, column) in expected.items():
        assert repr(numbers(getattr(wire, name), kind)) == repr(column), name
    means = [sum(some) / len(some) if some else none for some in finite]
    for mean, real in zip(means, numbers(wire.means, "d"), strict=True):
        assert math.isclose(mean, real, rel_tol=1e-9) or (math.isnan(mean) and math.isnan(real))


@pytest.fixture
def models(project: Project) -> list[Model]:
    return [project.experiment("e").model(name) for name in ("a", "b")]


@pytest.mark.parametrize("seed", range(6))
def test_series_share_buckets_that_have_what_falls_into_them(seed: int, models: list[Model], client: Client) -> None:
    draw = random.Random(seed)
    logged = list[list[Point]]()
    for model in models:
        points, step, time = list[Point](), draw.randrange(50), BEGIN + draw.randrange(10**9)
        for _ in range(draw.choice([1, 10, 300, 3_000])):
            # Steps go on, stand, go back after a resume, or are not said; clocks jump.
            step = max(0, step + draw.choice([0, 1, 1, 7] if draw.random() < 0.98 else [-40]))
            time += draw.choice([0, 1_000, 2_000_000] if draw.random() < 0.98 else [-5_000_000])
            value = draw.choice([draw.uniform(-5, 5), math.nan, math.inf, 3.0])
            points.append((value, None if draw.random() < 0.1 else step, time))
        for first in range(0, len(points), 500):
            log(client, model, "x", points[first : first + 500])
        logged.append(points)
    for axis, place in ((STEP, 1), (TIME, 2)):
        there = sorted(int(at) for points in logged for point in points if (at := point[place]) is not None)
        middle, late = there[len(there) // 3], there[-1] - (there[-1] - there[0]) // 4 + 1
        for buckets in (1, 7, 300):
            windows: list[tuple[int | None, int | None]] = [(None, None), (middle, None), (None, late)]
            for start, end in (*windows, (middle, max(late, middle + 1))):
                ends = {name: value for name, value in (("axis_start", start), ("axis_end", end)) if value is not None}
                answers = read(client, models, buckets, axis=axis, **ends)
                assert len({(one.buckets.axis_start, one.buckets.axis_width) for one in answers}) <= 1
                for one in answers:
                    assert one.buckets.bucket_count <= buckets and one.buckets.axis_width >= 1
                    points = logged[[str(model.id) for model in models].index(one.model_id)]
                    divided(points, one.buckets, axis, start, end)


def test_chosen_columns_come_and_in_half_the_bytes(models: list[Model], client: Client) -> None:
    log(client, models[0], "x", [(1.5, 3, BEGIN), (1e300, 4, BEGIN), (-0.1, 9, BEGIN)])
    columns = [pb.BUCKET_COLUMN_MEAN, pb.BUCKET_COLUMN_MIN, pb.BUCKET_COLUMN_COUNT]
    (answer,) = read(client, models, 100, axis=STEP, columns=columns, binary32=True)
    wire = answer.buckets
    assert (wire.axis_start, wire.axis_width, wire.bucket_count) == (3, 1, 7)
    assert numbers(wire.counts, "q") == [1, 1, 0, 0, 0, 0, 1]
    assert numbers(wire.mins, "f")[:2] == [1.5, math.inf] and math.isnan(numbers(wire.mins, "f")[2])
    assert numbers(wire.means, "f")[6] == struct.unpack("<f", struct.pack("<f", -0.1))[0]
    assert not (wire.maxs or wire.firsts or wire.lasts or wire.first_steps or wire.last_times_us)
    (answer,) = read(client, models, 2, columns=[pb.BUCKET_COLUMN_STEPS])
    assert numbers(answer.buckets.first_steps, "q") == [3, 4] and not answer.buckets.counts
    assert not answer.buckets.bucket_count, "each series has buckets of its own"


def test_window_without_points_and_series_without_steps_answer_nothing(models: list[Model], client: Client) -> None:
    log(client, models[0], "x", [(1.0, 3, BEGIN)])
    log(client, models[1], "x", [(1.0, None, BEGIN)])
    assert read(client, models, 10, axis=STEP, axis_start=4) == []
    assert read(client, models, 10, axis=STEP, axis_end=3) == []
    assert [one.model_id for one in read(client, models, 10, axis=STEP)] == [str(models[0].id)]
    assert len(read(client, models, 10, axis=TIME)) == 2
    assert read(client, models[1:], 10, axis=STEP) == []
    (answer,) = read(client, models, 10, axis=STEP, axis_start=0, axis_end=100)
    assert (answer.buckets.axis_start, answer.buckets.axis_width, answer.buckets.bucket_count) == (0, 10, 10)


def test_points_that_come_later_are_read_by_their_cursor(models: list[Model], client: Client) -> None:
    log(client, models[0], "x", [(float(step), step, BEGIN) for step in range(10)])
    (first,) = read(client, models, 5, axis=STEP, axis_start=0, axis_end=20)
    log(client, models[0], "x", [(float(step), step, BEGIN) for step in range(10, 14)])
    since = first.buckets.last_ordinal + 1
    (more,) = read(client, models, 5, axis=STEP, axis_start=0, axis_end=20, since=since)
    assert numbers(first.buckets.counts, "q") == [4, 4, 2, 0, 0]
    assert numbers(more.buckets.counts, "q") == [0, 0, 2, 2, 0]
    assert read(client, models, 5, axis=STEP, since=more.buckets.last_ordinal + 1) == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"axis": 7, "buckets": 5}, "axis"),
        ({"axis_start": 3, "buckets": 5}, "axis_start"),
        ({"axis_end": 0, "buckets": 5}, "axis_end"),
        ({"axis": STEP, "axis_start": 3, "axis_end": 3, "buckets": 5}, "axis_end"),
        ({"axis": STEP, "axis_start": -1, "buckets": 5}, "axis_start"),
        ({"axis": TIME, "axis_end": (1 << 62) + 1, "buckets": 5}, "axis_end"),
        ({"columns": [0], "buckets": 5}, "columns"),
        ({"columns": [99], "buckets": 5}, "columns"),
        ({"axis": STEP, "buckets": 0}, "axis"),
        ({"columns": [pb.BUCKET_COLUMN_MIN], "buckets": 0}, "columns"),
        ({"binary32": True, "buckets": 0}, "binary32"),
        ({"axis_end": 5, "buckets": 0}, "axis_end"),
    ],
)
def test_what_makes_no_sense_along_an_axis_is_refused(
    asked: dict[str, Any], field: str, models: list[Model], client: Client
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        read(client, models, **asked)
    assert caught.value.metadata["field"] == field
