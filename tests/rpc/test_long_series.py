"""Buckets of long series, which outlines of blocks answer: what Python's numpy makes of the same points."""

import math
import struct
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select, true

from support.backends import Backend
from support.raw_ingest import send
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.v1 import ingest_pb2
from xpstore.v1 import metric_pb2 as pb
from xpstore_server.core.metrics import buckets, long_series, metric, series
from xpstore_server.core.metrics.buckets import Axis, _Neighbours
from xpstore_server.core.metrics.long_series import Split
from xpstore_server.core.metrics.outlines import Portions
from xpstore_server.core.metrics.series import SeriesKey
from xpstore_server.store import tables
from xpstore_server.store.columns import Integers
from xpstore_server.store.database import Database
from xpstore_server.store.points import from_row
from xpstore_server.store.transaction import Transaction

POINTS = 300_000  # more than are read whole
BEGIN = 1_700_000_000_000_000
STEP, TIME = pb.BUCKET_AXIS_STEP, pb.BUCKET_AXIS_TIME


class Column:
    """Points that were logged: values, steps (-1 for none) and times."""

    def __init__(self, values: Any, steps: Any, times: Any) -> None:
        self.values, self.steps, self.times = values, steps, times

    def log(self, client: Client, model: Model, name: str) -> None:
        writer = new_id()
        for number, start in enumerate(range(0, len(self.values), 70_000)):
            here = slice(start, start + 70_000)
            steps = self.steps[here].astype("<i8").tobytes()
            if (self.steps[here] < 0).any():
                assert (self.steps[here] < 0).all()
                steps = b""
            values: dict[str, Any] = {"float_values": self.values[here].astype("<f8").tobytes()}
            if self.values.dtype.kind == "i":
                values = {"int_values": self.values[here].astype("<i8").tobytes()}
            series = ingest_pb2.PackedSeries(
                name=name, steps=steps, times_us=self.times[here].astype("<i8").tobytes(), **values
            )
            send(
                client,
                model.project_uid,
                writer,
                number,
                1,
                ingest_pb2.ModelRecords(model_id=str(model.id), series=[series]),
            )


def columns() -> dict[str, Column]:
    chance = np.random.default_rng(11)
    values = chance.standard_normal(POINTS)
    values[chance.integers(0, POINTS, 50)] = math.nan
    values[chance.integers(0, POINTS, 50)] = math.inf
    values[140_000:150_000] = math.nan  # whole portions without a number
    large = values.copy()
    large[[5, 6, 7, 200_000]] = 1e300, 1.7e308, 1.6e308, -1e308  # blocks without an outline; a sum beyond all numbers
    even, times = np.arange(POINTS), BEGIN + np.cumsum(chance.integers(0, 9_000, POINTS))
    back = np.concatenate([even[:210_000], even[:90_000] + 100_000])  # resumed from a checkpoint
    some = np.where((even >= 70_000) & (even < 140_000), -1, even // 7)
    return {
        "even": Column(values, even, times),
        "back": Column(large, back, times),
        "some": Column(np.arange(POINTS) % 977 - 400, some, times[::-1].copy()),
    }


@pytest.fixture(scope="module")
def known() -> dict[str, Column]:
    return columns()


@pytest.fixture
def model(client: Client, experiment: Experiment, known: dict[str, Column]) -> Model:
    model = experiment.model("h")
    for name, column in known.items():
        column.log(client, model, name)
    return model


def read(model: Model, name: str, buckets: int, **asked: Any) -> pb.PackedBuckets:
    client, keys = model._client, [pb.SeriesKey(model_id=str(model.id), name=name)]
    request = pb.ReadSeriesRequest(keys=keys, buckets=buckets, **asked)
    (answer,) = client.stubs.metrics.ReadSeries(request, metadata=client.metadata, timeout=60)
    return answer.buckets


def check(column: Column, wire: pb.PackedBuckets, places: Any) -> None:
    """Holds an answer against points by their buckets, -1 for those in none."""
    integers = {name: np.frombuffer(getattr(wire, name), "<i8") for name in ("counts", "first_steps", "last_steps")}
    integers |= {name: np.frombuffer(getattr(wire, name), "<i8") for name in ("first_times_us", "last_times_us")}
    floats = {name: np.frombuffer(getattr(wire, name), "<f8") for name in ("mins", "maxs", "firsts", "lasts", "means")}
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(integers["counts"]) + 1))
    for number, (start, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        its = order[start:end]
        assert integers["counts"][number] == len(its)
        if not len(its):
            assert integers["first_steps"][number] == integers["last_times_us"][number] == -1
            continue
        values = column.values[its].astype(float)
        finite = values[np.isfinite(values)]
        expected = [
            (integers["first_steps"], column.steps[its[0]]),
            (integers["last_steps"], column.steps[its[-1]]),
            (integers["first_times_us"], column.times[its[0]]),
            (integers["last_times_us"], column.times[its[-1]]),
            (floats["firsts"], values[0]),
            (floats["lasts"], values[-1]),
            (floats["mins"], finite.min() if len(finite) else math.nan),
            (floats["maxs"], finite.max() if len(finite) else math.nan),
        ]
        for found, wanted in expected:
            np.testing.assert_array_equal(found[number], wanted)
        mean = (finite / len(finite)).sum() if len(finite) else math.nan
        np.testing.assert_allclose(floats["means"][number], mean, rtol=1e-9, atol=1e-12)


def along(column: Column, wire: pb.PackedBuckets, axis: int, start: int | None, end: int | None) -> Any:
    at = column.steps if axis == STEP else column.times
    places = np.clip((at - wire.axis_start) // wire.axis_width, 0, wire.bucket_count - 1)
    is_out = (at < 0) | (at < (start or 0)) | (at >= (end or 1 << 62))
    return np.where(is_out, -1, places)


def test_buckets_are_those_of_all_points(model: Model, known: dict[str, Column]) -> None:
    for name, column in known.items():
        for count in (1, 40, 140, 701):  # of so few points as the last have, all are read
            wire = read(model, name, count)
            edges = np.arange(count + 1) * POINTS // count
            check(column, wire, np.searchsorted(edges, np.arange(POINTS), "right") - 1)
    ends = {"axis_start": 20_000, "axis_end": 250_123}
    for name, column in known.items():
        since = {"axis_start": BEGIN + 400_000_000}
        for axis, count, asked in (
            *((STEP, 40, {}), (STEP, 40, ends), (STEP, 701, ends)),
            *((TIME, 40, {}), (TIME, 40, since), (TIME, 701, since)),
        ):
            wire = read(model, name, count, axis=axis, **asked)
            check(column, wire, along(column, wire, axis, asked.get("axis_start"), asked.get("axis_end")))


def test_outlines_go_with_their_blocks_and_those_of_older_servers_are_not_missed(
    client: Client, model: Model, known: dict[str, Column], backend: Backend
) -> None:
    before = read(model, "even", 40)
    model.rewind(299_999)  # writes blocks again: those of "back" and "some" too
    assert read(model, "even", 40) == before
    database = Database(backend.database_url)
    outlines = database.read(lambda tx: tx.execute(tables.outline.select()).all())
    assert outlines
    # Of some blocks, then of all: those of an older release have none.
    for which in (tables.outline.c.first_ordinal < 100_000, true()):
        database.write(lambda tx, which=which: tx.execute(delete(tables.outline).where(which)))  # type: ignore[misc]
        same(read(model, "even", 40), before)
    model.metrics.clear()
    assert not database.read(lambda tx: tx.execute(tables.outline.select()).all())
    database.close()


def test_buckets_of_few_points_take_little_memory(model: Model, backend: Backend) -> None:
    database = Database(backend.database_url)
    found = database.read(lambda tx: series.find(tx, [SeriesKey(str(model.id), "even", "")]))
    axis = Axis("step", 10, 75, 3_999, is_open_before=False, end=POINTS - 65)
    tracemalloc.start()
    ((_, divided),) = buckets.along(database, found, -1, axis)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert divided.counts.tolist() == [75] * 3_999
    # Four columns of some blocks, and portions of 75 points: all points at once would take 38 MB as portions.
    assert peak_bytes < 24 << 20
    database.close()


def same(found: pb.PackedBuckets, wanted: pb.PackedBuckets) -> None:
    for name in ("counts", "mins", "maxs", "firsts", "lasts", "first_steps", "last_times_us"):
        assert getattr(found, name) == getattr(wanted, name)
    means = [struct.unpack(f"<{len(one.means) // 8}d", one.means) for one in (found, wanted)]
    assert means[0] == pytest.approx(means[1], nan_ok=True)


def test_blocks_that_are_put_together_meanwhile_are_read_again(
    model: Model, known: dict[str, Column], backend: Backend
) -> None:
    database = Database(backend.database_url)
    row = database.read(lambda tx: series.find(tx, [SeriesKey(str(model.id), "even", "")]))[0]
    divided = Meddled(POINTS, 40, partial(database.write, partial(halve, model_id=row.model_id, series_id=row.id)))
    for every, before in long_series.read(database, row, divided):
        divided.add_portions(every, before)
    assert divided.is_meddled_with
    found, edges = divided.result(), np.arange(41) * POINTS // 40
    assert found.counts.tolist() == np.diff(edges).tolist()
    assert found.first_steps.tolist() == edges[:-1].tolist() and found.last_ordinal == POINTS - 1
    database.close()


class Meddled(_Neighbours):
    """Buckets of a series whose blocks become others once it is known what those come to."""

    is_meddled_with = False

    def __init__(self, total: int, count: int, meddle: Callable[[], None]) -> None:
        super().__init__(total, count)
        self._meddle = meddle

    def split(self, every: Portions, before: Integers) -> Split:
        if not self.is_meddled_with:
            self.is_meddled_with = True
            self._meddle()
        return super().split(every, before)


def halve(tx: Transaction, model_id: str, series_id: str) -> None:
    """Each block of a series becomes two."""
    rows = tx.execute(select(tables.block).where(tables.block.c.series_id == series_id)).all()
    metric.delete_blocks(tx, rows)
    for points in map(from_row, rows):
        middle = len(points) // 2
        halves = [points.where(slice(0, middle)), points.where(slice(middle, None))]
        metric.insert_blocks(tx, [(metric.block_row(tx, model_id, series_id, half), half) for half in halves])
