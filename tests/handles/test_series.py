"""Series: points as columns, in full and in buckets, with cursors, summaries, and blocks that are put together."""

import itertools
import math
import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from support.backends import Backend
from support.raw_ingest import floats, integers, send
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.series import read_many
from xpstore.v1 import ingest_pb2, metric_pb2
from xpstore_server.core import limits
from xpstore_server.store import tables
from xpstore_server.store.database import Database
from xpstore_server.store.points import BLOCK_POINTS


def log(client: Client, model: Model, name: str, values: Sequence[float], first_step: int = 0, **more: Any) -> None:
    """Appends floats as one record, a step each."""
    steps = integers(*range(first_step, first_step + len(values)))
    series = ingest_pb2.PackedSeries(name=name, float_values=floats(*values), steps=steps, **more)
    records = ingest_pb2.ModelRecords(model_id=str(model.id), series=[series])
    send(client, model.project_uid, new_id(), 0, 1, records)


def test_series_comes_back_as_columns(client: Client, model: Model) -> None:
    values = [0.5, math.nan, -math.inf, 1e-320]
    log(client, model, "loss", values, 3, phase="train", times_us=integers(1, 2, 3, 4))
    series = model.metrics.read("loss", "train")
    assert (series.name, series.phase, len(series)) == ("loss", "train", 4)
    np.testing.assert_array_equal(series.values, values)
    assert (list(series.steps), list(series.times)) == ([3, 4, 5, 6], [1, 2, 3, 4])
    frame = series.to_pandas()
    assert list(frame.columns) == ["step", "value", "time"]
    assert (str(frame.step.dtype), str(frame.time.dtype)) == ("Int64", "datetime64[us, UTC]")


def test_points_without_steps_and_of_many_kinds_keep_what_they_are(model: Model) -> None:
    for value in (1, 2.5, "text", None, 2**70, True):
        model.metrics.log("x", value)
    series = model.metrics.read("x")
    assert [(value, type(value)) for value in series.values] == [
        (value, type(value)) for value in (1, 2.5, "text", None, 2**70, True)
    ]
    assert list(series.steps) == [-1] * 6
    assert series.to_pandas().step.isna().all()


def test_integers_stay_integers(model: Model) -> None:
    for value in (2**63 - 1, -(2**63), 0):
        model.metrics.log("n", value, 1)
    series = model.metrics.read("n")
    assert series.values.dtype == np.int64 and series.values.tolist() == [2**63 - 1, -(2**63), 0]


@pytest.mark.parametrize("values", [[0, 0.5], [0.5, 2**53, -7], [1, 2.0, 3, math.inf]], ids=repr)
def test_integers_among_floats_are_floats_where_none_changes(model: Model, values: list[float]) -> None:
    for value in values:
        model.metrics.log("m", value)
    read = model.metrics.read("m").values
    assert read.dtype == np.float64 and read.tolist() == values
    assert model.metrics.read("m").to_pandas().value.dtype == np.float64
    assert [type(metric.value) for metric in model.metrics.list("m")] == [type(value) for value in values]


@pytest.mark.parametrize(
    "values", [[2**53 + 1, 0.5], [2**64, 1], [True, 0.5], [None, 0.5], [2**70, 0.5, "x"]], ids=repr
)
def test_values_that_a_column_would_change_are_a_list(model: Model, values: list[Any]) -> None:
    for value in values:
        model.metrics.log("m", value)
    assert [(value, type(value)) for value in model.metrics.read("m").values] == [(each, type(each)) for each in values]
    assert [(value, type(value)) for value in model.metrics.read("m").to_pandas().value] == [
        (each, type(each)) for each in values
    ]


def test_integers_after_a_float_are_integers_by_themselves(model: Model) -> None:
    for value in (0.5, 2**53 + 1, 7):
        model.metrics.log("m", value)
    some = model.metrics.read("m", since=model.metrics.read("m").cursor - 2).values
    assert some.dtype == np.int64 and some.tolist() == [2**53 + 1, 7]


def test_cursor_goes_on_without_a_gap_or_a_repetition(client: Client, model: Model) -> None:
    seen, cursor = list[float](), 0
    for part in range(6):
        log(client, model, "loss", [part + number / 1000 for number in range(500)])
        log(client, model, "other", [1.0] * 7)
        series = model.metrics.read("loss", since=cursor)
        seen += series.values.tolist()
        cursor = series.cursor
    assert len(model.metrics.read("loss", since=cursor)) == 0
    assert model.metrics.read("loss", since=cursor).cursor == cursor
    assert seen == model.metrics.read("loss").values.tolist()
    assert len(seen) == 3000


def test_missing_series_is_empty_and_several_phases_must_be_told(client: Client, model: Model) -> None:
    assert len(model.metrics.read("missing")) == 0
    assert model.metrics.read("missing", buckets=5) is None
    log(client, model, "loss", [1.0], phase="train")
    assert model.metrics.read("loss").values.tolist() == [1.0]
    log(client, model, "loss", [2.0])
    with pytest.raises(errors.InvalidArgument, match="'train'"):
        model.metrics.read("loss")
    assert model.metrics.read("loss", "").values.tolist() == [2.0]
    assert model.metrics.read("loss", "train").values.tolist() == [1.0]


def test_many_models_are_read_in_one_call(client: Client, project: Project) -> None:
    models = [project.experiment("e").model(f"h{number}") for number in range(5)]
    for number, model in enumerate(models[:-1]):
        log(client, model, "a", [number, number + 0.5])
        log(client, model, "b", [number], phase="test")
    found = read_many(models, ["b", "a", "missing"])
    assert [[(one.name, one.phase, one.values.tolist()) for one in found[model]] for model in models] == [
        *([("b", "test", [float(n)]), ("a", None, [n, n + 0.5])] for n in range(4)),
        [],
    ]


@pytest.mark.parametrize("count, buckets", [(1, 1), (1, 10), (999, 10), (20_000, 7), (40_001, 1000)])
def test_buckets_keep_every_extremum(count: int, buckets: int, client: Client, model: Model) -> None:
    chance = random.Random(count)
    values = [chance.choice([chance.gauss(0, 1), math.nan, math.inf]) for _ in range(count)]
    log(client, model, "x", values, 5)
    found = model.metrics.read("x", buckets=buckets)
    assert found is not None and len(found) == min(count, buckets)
    edges = [place * count // len(found) for place in range(len(found) + 1)]
    for place, (start, end) in enumerate(itertools.pairwise(edges)):
        some = values[start:end]
        finite = [value for value in some if math.isfinite(value)]
        assert found.counts[place] == len(some)
        expected = (min(finite), max(finite), sum(finite) / len(finite)) if finite else (math.nan,) * 3
        shown = (found.mins[place], found.maxs[place], found.means[place])
        np.testing.assert_allclose(shown, expected, rtol=1e-9)
        np.testing.assert_array_equal([found.firsts[place], found.lasts[place]], [some[0], some[-1]])
        assert (found.first_steps[place], found.last_steps[place]) == (start + 5, end + 4)
    assert model.metrics.read("x", since=found.cursor, buckets=3) is None


def test_buckets_since_a_cursor_are_those_of_the_rest(client: Client, model: Model) -> None:
    log(client, model, "x", list(range(1000)))
    log(client, model, "x", list(range(1000, 2000)))
    cursor = model.metrics.read("x").cursor - 1500
    found = model.metrics.read("x", since=cursor, buckets=3)
    assert found is not None
    assert (found.counts.tolist(), found.firsts.tolist()) == ([500] * 3, [500.0, 1000.0, 1500.0])


def test_mean_of_numbers_whose_sum_is_none(client: Client, model: Model) -> None:
    largest, small = 1.7e308, 5e-324
    values = [largest] * 4 + [largest, -largest, 3.0, 5.0] + [small] * 4 + [-largest, -largest, math.inf, math.nan]
    log(client, model, "large", values)
    found = model.metrics.read("large", buckets=4)
    assert found is not None and found.means.tolist() == [largest, 2.0, small, -largest]
    assert (found.mins.tolist(), found.maxs.tolist()) == (
        [largest, -largest, small, -largest],
        [largest, largest, small, -largest],
    )


@pytest.mark.parametrize("buckets", [0, -1, 10_001])
def test_bad_number_of_buckets_is_refused(buckets: int, model: Model) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"buckets = {buckets}"):
        model.metrics.read("x", buckets=buckets)


def test_best_is_the_earliest_point_of_the_largest_finite_value(client: Client, model: Model) -> None:
    log(client, model, "acc", [0.1, math.inf, 0.9, math.nan, 0.9])
    log(client, model, "acc", [0.5, -3], 10, phase="test")
    best = model.metrics.best("acc")
    assert best is not None and (best.value, best.step, best.phase) == (0.9, 2, None)
    lowest = model.metrics.best("acc", mode="min")
    assert lowest is not None and (lowest.value, lowest.step, lowest.phase) == (-3.0, 11, "test")
    assert best.id in {metric.id for metric in model.metrics.list()}
    model.metrics.log("text", "x")
    assert model.metrics.best("text") is None and model.metrics.best("missing") is None
    with pytest.raises(errors.InvalidArgument, match="mode"):
        model.metrics.best("acc", mode="last")  # type: ignore[arg-type]


def test_summaries_follow_what_is_removed(client: Client, model: Model) -> None:
    log(client, model, "x", [5, 1, 9, 3])
    model.metrics.remove(model.metrics.list()[2])
    assert summary(client, model) == (3, 3.0, 1.0, 5.0)
    model.metrics.remove(model.metrics.list()[2])
    assert summary(client, model) == (2, 1.0, 1.0, 5.0)
    model.rewind(0)
    assert summary(client, model) == (1, 5.0, 5.0, 5.0)
    model.metrics.remove(model.metrics.list()[0])
    assert summary(client, model) is None


def summary(client: Client, model: Model) -> tuple[int, float, float, float] | None:
    request = metric_pb2.ListSeriesRequest(model_ids=[str(model.id)])
    found = client.call(client.stubs.metrics.ListSeries, request).series
    if not found:
        return None
    (one,) = found
    return one.count, one.last.point.float_value, one.min_value, one.max_value


def test_small_blocks_are_put_together_and_points_stay(client: Client, model: Model, backend: Backend) -> None:
    expected = []
    for number in range(4 * limits.SMALL_BLOCKS):
        value: Any = number if number % 50 else float(number)
        model.metrics.log("x", value, number, "train")
        model.metrics.log(f"y{number % 2}", 1)
        expected.append((value, type(value), number))
    assert [(one.value, type(one.value), one.step) for one in model.metrics.list("x")] == expected
    database = Database(backend.database_url)
    try:
        mine = select(func.count()).select_from(tables.block).where(tables.block.c.model_id == str(model.id))
        blocks = wait_until_fewer(database, mine, 8 * limits.SMALL_BLOCKS)
    finally:
        database.close()
    assert blocks < 3 * limits.SMALL_BLOCKS
    assert [(one.value, type(one.value), one.step) for one in model.metrics.list("x")] == expected
    assert [one.value for one in model.metrics.list()][:4] == [0.0, 1, 1, 1]


def wait_until_fewer(database: Database, query: Any, count: int) -> int:
    deadline = time.monotonic() + 20
    while True:
        found: int = database.read(lambda tx: tx.execute(query).scalar_one())
        if found < count // 3 or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_points_of_a_long_series_come_in_blocks_and_pages(client: Client, model: Model) -> None:
    count = 3 * BLOCK_POINTS + 5
    log(client, model, "x", list(range(count)))
    assert [metric.value for metric in model.metrics.list("x")] == list(map(float, range(count)))
    model.rewind(count - 11)
    assert len(model.metrics.read("x")) == count - 10
