"""A writer is one id, one key, one project and one method: nobody's records count as another's."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from support.greedy.keys import another
from support.raw_ingest import batch, floats, places, plain, send
from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import limits_pb2, metric_pb2


@pytest.fixture
def model(project: Project) -> Model:
    return project.experiment("e").model("h")


@pytest.fixture(scope="module")
def other(server: Server) -> Iterator[Client]:
    with another(server) as client:
        yield client


def log(client: Client, model: Model, writer: str, first: int, *names: str) -> metric_pb2.LogMetricsResponse:
    points = [metric_pb2.MetricPoint(name=name, float_value=first + place) for place, name in enumerate(names)]
    request = metric_pb2.LogMetricsRequest(model_id=str(model.id), writer_id=writer, first_point=first, points=points)
    return client.call(client.stubs.metrics.LogMetrics, request)


def records(model: Model, *values: float) -> pb.ModelRecords:
    points = [plain(place, "x", value) for place, value in enumerate(values)]
    return pb.ModelRecords(model_id=str(model.id), points=points)


def values(model: Model) -> list[Any]:
    return [point.value for point in model.metrics.list()]


def test_methods_number_their_records_apart(client: Client, model: Model) -> None:
    """What counts all it sends by one number is told so, and never loses a record in silence."""
    writer = new_id()
    assert send(client, model.project_uid, writer, 0, 2, records(model, 10, 11)).next_record == 2
    assert log(client, model, writer, 0, "x", "x").next_point == 2
    assert log(client, model, writer, 2, "x").next_point == 3
    assert send(client, model.project_uid, writer, 2, 1, records(model, 12)).next_record == 3
    assert values(model) == [10, 11, 0, 1, 2, 12]
    with pytest.raises(errors.Stale) as caught:
        log(client, model, writer, 4, "x")
    assert caught.value.metadata["expected"] == "3"


def test_same_writer_of_another_key_is_another(client: Client, other: Client, model: Model) -> None:
    writer = new_id()
    send(client, model.project_uid, writer, 0, 2, records(model, 1, 2))
    log(client, model, writer, 0, "x")
    # Of its own nothing is stored, so nothing is skipped, and it cannot move that of the other.
    for expected, call in (
        ("0", lambda: send(other, model.project_uid, writer, 2, 1, records(model, 3))),
        ("0", lambda: log(other, model, writer, 1, "x")),
    ):
        with pytest.raises(errors.Stale) as caught:
            call()
        assert caught.value.metadata["expected"] == expected
    assert send(other, model.project_uid, writer, 0, 3, records(model, 3, 4, 5)).next_record == 3
    assert send(client, model.project_uid, writer, 2, 1, records(model, 6)).next_record == 3
    assert values(model) == [1, 2, 0, 3, 4, 5, 6]


def test_same_writer_in_another_project_is_another(client: Client, project: Project, model: Model) -> None:
    writer = new_id()
    log(client, model, writer, 0, "x")
    with client.project(f"other {new_id()}", name="other") as elsewhere:
        there = elsewhere.experiment("e").model("h")
        assert log(client, there, writer, 0, "x").next_point == 1
    elsewhere.delete()


def wide(model: Model, count: int, record_count: int) -> pb.ModelRecords:
    """A point of each of many series, so many in each record."""
    share = count // record_count
    points = [plain(number // share, f"s{number:05}", number) for number in range(count)]
    return pb.ModelRecords(model_id=str(model.id), points=points)


def test_record_has_at_most_a_thousand_series(client: Client, project: Project, model: Model) -> None:
    writer = new_id()
    assert send(client, model.project_uid, writer, 0, 1, wide(model, 1_000, 1)).next_record == 1
    with pytest.raises(errors.InvalidArgument) as caught:
        send(client, model.project_uid, writer, 1, 1, wide(model, 1_001, 1))
    told = caught.value.metadata
    assert (told["field"], told["value"], told["limit"], told["expected"]) == ("models", "1001", "max_series", "1000")
    # Of several models together, and each in columns: the same.
    assert len(series(client, model)) == 1_000
    columns = [pb.PackedSeries(name=f"p{number}", float_values=floats(1)) for number in range(600)]
    both = [
        pb.ModelRecords(model_id=str(one.id), series=columns)
        for one in (model, project.experiment("e").model("another"))
    ]
    with pytest.raises(errors.InvalidArgument):
        send(client, model.project_uid, writer, 1, 1, *both)
    limits = client.call(client.stubs.limits.GetLimits, limits_pb2.GetLimitsRequest()).limits
    assert limits.max_series == 1_000


def test_call_of_log_metrics_has_at_most_a_thousand_names(client: Client, model: Model) -> None:
    writer, names = new_id(), [f"s{number:05}" for number in range(1_001)]
    with pytest.raises(errors.InvalidArgument) as caught:
        log(client, model, writer, 0, *names)
    told = caught.value.metadata
    assert (told["field"], told["limit"], told["expected"]) == ("points", "max_series", "1000")
    assert log(client, model, writer, 0, *names[:1_000], *names[:1_000]).next_point == 2_000
    assert len(series(client, model)) == 1_000


def test_wide_batches_are_stored_in_order_and_once(client: Client, model: Model) -> None:
    """Cut by the server, repeated, cut anew by the client: all the same."""
    writer, count = new_id(), 2_400
    whole = wide(model, count, count)
    assert send(client, model.project_uid, writer, 0, count, whole).next_record == count
    assert send(client, model.project_uid, writer, 0, count, whole).next_record == count
    later = pb.ModelRecords(
        model_id=str(model.id),
        points=[plain(place, "again", place) for place in range(900)],
        series=[
            pb.PackedSeries(name=f"s{number:05}", float_values=floats(-1, -2), records=places(number, 899))
            for number in range(900)
        ],
        events=[pb.EventRecord(record=899, step=7)],
    )
    with pytest.raises(
        errors.InvalidArgument
    ):  # the last record has 901 series and is sound, with a hundred more it is not
        send(client, model.project_uid, writer, count, 900, with_more(later, 899, 100))
    assert send(client, model.project_uid, writer, count - 1, 901, shifted(later, 1)).next_record == count + 900
    rows = series(client, model)
    assert len(rows) == count + 1
    assert [rows[name].count for name in ("s00000", "s00899", "s00900", "again")] == [3, 3, 1, 900]
    assert rows["s00000"].last.point.float_value == -2.0
    listed = [point.value for point in model.metrics.list("again")]
    assert listed == list(map(float, range(900)))
    assert model.step == 7


def with_more(some: pb.ModelRecords, record: int, count: int) -> pb.ModelRecords:
    more = [plain(record, f"more{number}", 1) for number in range(count)]
    return pb.ModelRecords(model_id=some.model_id, points=[*some.points, *more], series=some.series, events=some.events)


def shifted(some: pb.ModelRecords, by: int) -> pb.ModelRecords:
    """The same records so many places later."""
    moved = pb.ModelRecords()
    moved.CopyFrom(some)
    for point in moved.points:
        point.record += by
    for event in moved.events:
        event.record += by
    for series in moved.series:
        first, second = memoryview(series.records).cast("I")
        series.records = places(first + by, second + by)
    return moved


def test_piece_that_fails_leaves_those_before(client: Client, model: Model) -> None:
    """A gap is refused with all of it, a stream goes on where it was broken off."""
    writer, count = new_id(), 600
    with pytest.raises(errors.Stale) as caught:
        send(client, model.project_uid, writer, 5, count, wide(model, count, count))
    assert (caught.value.metadata["expected"], values(model)) == ("0", [])
    sound = pb.IngestStreamRequest(batch=batch(model.project_uid, writer, 0, count, wide(model, count, count)))
    broken = pb.IngestStreamRequest(batch=batch(model.project_uid, writer, count, 1, wide(model, 1_001, 1)))
    with pytest.raises(errors.InvalidArgument):
        _stream(client, sound, broken)
    assert _stream(client, sound).next_record == count
    assert len(values(model)) == count


def test_server_that_dies_between_pieces_has_each_record_once(server: Server, client: Client, project: Project) -> None:
    """Which piece the kill meets is chance: tried until it met one that was not the last."""
    count = 8_000
    for attempt in range(20):
        model = project.experiment("e").model(f"h{attempt}")
        request = batch(model.project_uid, new_id(), 0, count, wide(model, count, count))
        sending = threading.Thread(target=_send_whole, args=(client, request))
        sending.start()
        first = metric_pb2.GetLastMetricRequest(model_id=str(model.id), name="s00000")
        while not is_there(client, first):
            time.sleep(0.001)
        server.kill()
        sending.join()
        server.restart()
        kept = len(series(client, model))
        assert kept > 0
        assert client.call(client.stubs.ingest.Ingest, request).next_record == count
        assert {row.count for row in series(client, model).values()} == {1}
        assert len(series(client, model)) == count
        if kept < count:
            return
    pytest.fail("20 kills met no server between two pieces")


def _send_whole(client: Client, request: pb.IngestRequest) -> None:
    with contextlib.suppress(grpc.RpcError):
        client.stubs.ingest.Ingest(request, metadata=client.metadata, timeout=60)


def is_there(client: Client, point: metric_pb2.GetLastMetricRequest) -> bool:
    try:
        client.call(client.stubs.metrics.GetLastMetric, point)
    except errors.NotFound:
        return False
    return True


def _stream(client: Client, *requests: pb.IngestStreamRequest) -> pb.IngestStreamResponse:
    try:
        return client.stubs.ingest.IngestStream(iter(requests), metadata=client.metadata, timeout=60)
    except grpc.RpcError as error:
        raise errors.from_rpc(error, "") from None


def series(client: Client, model: Model) -> dict[str, metric_pb2.SeriesSummary]:
    request = metric_pb2.ListSeriesRequest(model_ids=[str(model.id)])
    return {row.name: row for row in client.call(client.stubs.metrics.ListSeries, request).series}
