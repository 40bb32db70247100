"""Several batches in one call: each record is stored once, whatever breaks the call or is refused in it."""

import random
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import numpy
import pytest

from support.services import Server
from xpstore import Client, errors
from xpstore._spool import stream as streams
from xpstore._spool.backlog import Backlog
from xpstore._spool.made_offline import MadeOffline
from xpstore._spool.record import SLOT_BYTES, RecordType, Target
from xpstore._spool.spool import Spool
from xpstore._spool.stream import BatchStream
from xpstore._values.ids import new_id
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import metric_pb2

pytestmark = pytest.mark.client

TARGET = Target("model", "project")
LIMIT_BYTES = 100 * SLOT_BYTES
# Three batches of single points.
MANY = 70_000


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


def a_stream(spool: Spool) -> BatchStream:
    backlog = Backlog(spool.folder, spool)
    first = backlog.read(LIMIT_BYTES)
    assert first is not None
    return BatchStream(backlog, MadeOffline(cast(Any, None), backlog, cast(Any, None)), first, LIMIT_BYTES)


def a_spool(count: int) -> Spool:
    spool = Spool(new_id(), "server", {}, is_strict=False)
    for number in range(count):
        spool.point(TARGET, "loss", None, float(number), number)
    return spool


def ranges(batches: BatchStream) -> list[tuple[int, int]]:
    requests = [pb.IngestStreamRequest.FromString(request).batch for request in batches]
    return [(request.first_record, request.record_count) for request in requests]


def test_batches_of_a_stream_follow_each_other() -> None:
    spool = a_spool(250)
    batches = a_stream(spool)
    assert batches.is_worth_it
    found = ranges(batches)
    assert [first for first, _ in found] == [
        sum(count for _, count in found[:position]) for position in range(len(found))
    ]
    assert sum(count for _, count in found) == sum(slice_.record_count for slice_ in batches.stop()) == 250
    spool.close()


def test_one_batch_is_no_stream() -> None:
    spool = a_spool(10)
    assert not a_stream(spool).is_worth_it
    spool.close()


@pytest.mark.parametrize("what", ["a run", "another project", "a model that was not made yet"])
def test_stream_ends_before_what_needs_a_call_of_its_own(what: str) -> None:
    spool = a_spool(250)
    if what == "a run":
        spool.of_model(RecordType.RUN_START, TARGET, b"")
    elif what == "another project":
        spool.point(Target("other", "other project"), "loss", None, 0.5, None)
    else:
        spool.point(Target("other", "project", (b"", b"", b"")), "loss", None, 0.5, None)
    for number in range(150):
        spool.point(TARGET, "loss", None, float(number), number)
    found = ranges(a_stream(spool))
    assert len(found) > 1
    assert sum(count for _, count in found) <= 250
    spool.close()


def test_nothing_goes_out_after_the_call_is_over() -> None:
    spool = a_spool(350)
    batches = a_stream(spool)
    next(batches)
    assert len(batches.stop()) == 1
    assert list(batches) == []
    spool.close()


def test_stream_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "JOIN_SECONDS", 0)
    spool = a_spool(350)
    assert not a_stream(spool).is_worth_it
    spool.close()


def test_arrays_are_stored_once_when_the_server_is_killed_while_they_are_sent(
    server: Server, client: Client, model: Model
) -> None:
    seed = secrets.randbits(32)
    print("seed", seed)
    chance = random.Random(seed)
    count, rounds = 600_000, 3
    numbers: Any = numpy.arange(rounds * count)
    for number in range(rounds):
        some = slice(number * count, (number + 1) * count)
        model.metrics.log_arrays("loss", numbers[some], numbers[some] / 2)
        model.metrics.log("loss of round", number)
        time.sleep(chance.uniform(0, 0.2))
        server.kill()
        time.sleep(chance.uniform(0, 0.2))
        server.start()
    client.flush(60)
    read = model.metrics.read("loss")
    assert len(read) == len(numbers)
    assert (read.steps == numbers).all()
    assert (read.values == numbers / 2).all()
    assert [metric.value for metric in model.metrics.list("loss of round")] == [0, 1, 2]


def test_stream_whose_answer_was_lost_is_stored_once(
    client: Client, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, lost = client.once, iter([True])

    def answer_lost(method: Any, request: Any, seconds: float) -> Any:
        answer = call(method, request, seconds)
        if method is client.stubs.ingest_batches and next(lost, False):
            raise errors.Unavailable("the answer is lost")
        return answer

    monkeypatch.setattr(client, "once", answer_lost)
    numbers: Any = numpy.arange(600_000)
    model.metrics.log_arrays("loss", numbers, numbers)
    client.flush(60)
    assert next(lost, False) is False
    assert (model.metrics.read("loss").values == numbers).all()


@pytest.fixture
def away(server: Server) -> Iterator[Server]:
    """The server, away until the test starts it: what is logged meanwhile goes out together."""
    server.kill()
    yield server
    if not server.running:
        server.start()


def test_record_that_is_refused_in_a_stream_costs_only_itself(
    model: Model, client: Client, away: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("xpstore.module.to_name", lambda field, name: name)
    for number in range(MANY):
        model.metrics.log("loss", number)
        if number == MANY // 2:
            model.modules.log("")
    away.start()
    client.flush(60)
    assert list(model.metrics.read("loss").values) == list(range(MANY))
    assert client.dropped_count == 1
    assert "must not be empty" in caplog.text


def test_record_that_is_damaged_in_a_stream_costs_only_itself(
    model: Model, project: Project, away: Server, root: Path
) -> None:
    for number in range(MANY):
        model.metrics.log("loss", number)
    model._client.close()
    (segment, *_) = root.glob("*/*/3.log")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    away.start()
    client = Client(away.api_key, away.address)
    client.flush(60)
    read = client.project(project.id).experiment("e").model("h").metrics.read("loss")
    assert len(read) == MANY - 1
    assert (numpy.diff(read.values) > 0).all()
    client.close()


def test_records_of_a_model_that_was_deleted_are_dropped_from_a_stream(
    model: Model, project: Project, client: Client, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    gone = project.experiment("e").model("gone")
    gone_id = str(gone.id)
    other = Client(server.api_key, server.address)
    other.project(project.id).experiment("e").models.delete(gone_id)
    other.close()
    server.kill()
    for number in range(MANY):
        model.metrics.log("loss", number)
        gone.metrics.log("loss", number)
    server.start()
    client.flush(60)
    assert list(model.metrics.read("loss").values) == list(range(MANY))
    assert client.dropped_count == MANY
    assert caplog.text.count(f"Records of model {gone_id}") == 1


def test_requests_before_one_that_is_refused_are_stored(client: Client, model: Model) -> None:
    writer = new_id()

    def requests() -> Iterator[pb.IngestStreamRequest]:
        for number, name in enumerate(["x", "x", ""]):
            point = metric_pb2.MetricPoint(name=name, int_value=number)
            records = pb.ModelRecords(model_id=str(model.id), points=[pb.PointRecord(record=0, point=point)])
            batch = pb.IngestRequest(project_uid=model.project_uid, writer_id=writer, models=[records])
            batch.first_record, batch.record_count = number, 1
            yield pb.IngestStreamRequest(batch=batch)

    with pytest.raises(grpc.RpcError) as caught:
        client.stubs.ingest.IngestStream(requests(), metadata=client.metadata, timeout=30)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert [metric.value for metric in model.metrics.list()] == [0, 1]
