"""Many series asked for at once are those that are asked for one by one, in the order of keys, and are not gathered."""

import math
import random
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from support.raw_ingest import floats, send
from support.services import Server
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import ingest_pb2
from xpstore.v1 import metric_pb2 as pb

BEGIN = 1_700_000_000_000_000
NAMES, PHASES = ("x", "y", "näme"), (None, "train", "test")
LONG, KEYS = 40_000, 200


def read(client: Client, keys: Sequence[pb.SeriesKey], **asked: Any) -> Iterator[pb.ReadSeriesResponse]:
    request = pb.ReadSeriesRequest(keys=keys, **asked)
    return client.stubs.metrics.ReadSeries(request, metadata=client.metadata, timeout=60)


def a_point(draw: random.Random, record: int, kinds: Sequence[str]) -> pb.MetricPoint:
    point = pb.MetricPoint(time_us=BEGIN + record * 1_000 + draw.choice([0, 0, -50_000]))
    match draw.choice(kinds):
        case "int":
            point.int_value = draw.randrange(-(2**60), 2**60)
        case "json":
            point.json_value = '"' + "a" * draw.randrange(20) + '"'
        case _:
            point.float_value = draw.choice([draw.uniform(-5, 5), math.nan, -math.inf, 1e300])
    if draw.random() < 0.9:
        point.step = max(0, record + draw.choice([0, 0, -30]))
    return point


def log(client: Client, model: Model, draw: random.Random) -> None:
    """Series of few and of many points, in several blocks, some of mixed kinds."""
    writer, first = new_id(), 0
    for name in NAMES:
        for phase in PHASES:
            kinds = draw.choice([["float"], ["int"], ["float", "int"], ["float", "json"]])
            for count in draw.choice([(), (1,), (120,), (40, 60, 3, 1)]):
                points = [a_point(draw, number, kinds) for number in range(count)]
                for point in points:
                    point.name = name
                    if phase is not None:
                        point.phase = phase
                records = [ingest_pb2.PointRecord(record=number, point=one) for number, one in enumerate(points)]
                mine = ingest_pb2.ModelRecords(model_id=str(model.id), points=records)
                send(client, model.project_uid, writer, first, count, mine)
                first += count


def integers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 8}q", data)


def flat(answers: Sequence[pb.ReadSeriesResponse]) -> list[str]:
    """All points one by one: how they are cut into messages is nobody's business."""
    found = []
    for one in answers:
        wire = one.points
        ordinals, times = integers(wire.ordinals), integers(wire.times_us)
        steps = integers(wire.steps) or (-1,) * len(ordinals)
        values: list[Any] = [*integers(wire.int_values), *wire.mixed_values.points]
        values += struct.unpack(f"<{len(wire.float_values) // 8}d", wire.float_values)
        head = (one.model_id, one.name, one.phase if one.HasField("phase") else None)
        found += [repr((*head, *point)) for point in zip(ordinals, values, steps, times, strict=True)]
    return found


@pytest.mark.parametrize("seed", range(2))
def test_many_keys_answer_what_each_answers(seed: int, project: Project, client: Client) -> None:
    draw = random.Random(seed)
    experiment, elsewhere = project.experiment("e"), client.project(f"elsewhere {seed}").experiment("e")
    models = [*(experiment.model(name) for name in "abc"), elsewhere.model("d")]
    for model in models:
        log(client, model, draw)
    experiment.models.delete(models[2].id)
    ids = [*(str(model.id) for model in models), new_id()]
    kinds = [(draw.choice(ids), draw.choice([*NAMES, "none"]), draw.choice([*PHASES, "", None])) for _ in range(25)]
    drawn = draw.choices(kinds, k=140)

    def both(**asked: Any) -> tuple[list[pb.ReadSeriesResponse], list[pb.ReadSeriesResponse]]:
        """What all keys together answer, and what each does."""
        keys = {key: pb.SeriesKey(model_id=key[0], name=key[1], phase=key[2]) for key in kinds}
        each = {key: list(read(client, [wire], **asked)) for key, wire in keys.items()}
        return list(read(client, [keys[key] for key in drawn], **asked)), [one for key in drawn for one in each[key]]

    for since in (0, 60):
        together, each = both(since=since)
        assert flat(together) == flat(each) and together
    step, time = pb.BUCKET_AXIS_STEP, pb.BUCKET_AXIS_TIME
    for asked in (
        {"buckets": 7},
        {"buckets": 1_000, "since": 50},
        {"buckets": 50, "axis": step, "axis_start": 20, "axis_end": 90},
        {"buckets": 1_000, "axis": step, "axis_start": 0, "axis_end": 1_000, "since": 40},
        {"buckets": 13, "axis": time, "axis_start": BEGIN, "axis_end": BEGIN + 80_000, "binary32": True},
    ):
        together, each = both(**asked)
        assert [one.SerializeToString() for one in together] == [one.SerializeToString() for one in each], asked
        assert together


def test_long_series_of_many_keys_pass_through(project: Project, client: Client, server: Server) -> None:
    """All of them held at once were 256 MB."""
    model = project.experiment("e").model("m")
    values, steps = floats(*range(LONG)), struct.pack(f"<{LONG}q", *range(LONG))
    for number in range(3):
        series = ingest_pb2.PackedSeries(name=f"s{number}", float_values=values, steps=steps)
        mine = ingest_pb2.ModelRecords(model_id=str(model.id), series=[series])
        send(client, model.project_uid, new_id(), 0, 1, mine)
    keys = [pb.SeriesKey(model_id=str(model.id), name=f"s{number % 3}") for number in range(KEYS)]
    before = most = server.rss_bytes()
    answers = read(client, keys)
    next(answers)
    most = max(most, server.rss_bytes())
    answers.cancel()  # type: ignore[attr-defined]
    for number, one in enumerate(read(client, keys, buckets=100, axis=pb.BUCKET_AXIS_STEP)):
        assert sum(integers(one.buckets.counts)) == LONG and one.name == f"s{number % 3}"
        most = max(most, server.rss_bytes())
    assert number == KEYS - 1
    assert most - before < 96 << 20
