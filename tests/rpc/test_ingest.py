"""Ingest: records of many kinds and models in one call, each stored exactly once, in any way they are cut."""

import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from support.raw_ingest import batch, floats, integers, places, plain, send
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import ingest_pb2 as pb


@pytest.fixture
def model(project: Project) -> Model:
    return project.experiment("e").model("h")


def listed(model: Model) -> list[tuple[str, Any, int | None, str | None]]:
    return [(one.name, one.value, one.step, one.phase) for one in model.metrics.list()]


def test_packed_and_plain_points_are_listed_in_the_order_of_their_records(client: Client, model: Model) -> None:
    records = pb.ModelRecords(
        model_id=str(model.id),
        points=[plain(1, "a", 1.5, step=1), plain(3, "b", 3.5)],
        series=[
            pb.PackedSeries(name="a", float_values=floats(0.5, 2.5), steps=integers(0, 2), records=places(0, 2)),
            pb.PackedSeries(name="n", phase="train", int_values=integers(7, 8), steps=integers(5, 6), record=3),
        ],
    )
    answer = send(client, model.project_uid, new_id(), 0, 4, records)
    assert (answer.next_record, list(answer.dropped)) == (4, [])
    assert listed(model) == [
        ("a", 0.5, 0, None),
        ("a", 1.5, 1, None),
        ("a", 2.5, 2, None),
        ("b", 3.5, None, None),
        ("n", 7, 5, "train"),
        ("n", 8, 6, "train"),
    ]


def test_any_cut_of_the_records_stores_each_once(client: Client, project: Project, model: Model) -> None:
    other, chance = project.experiment("e").model("other"), random.Random(7)
    writer, known, total = new_id(), 0, 200
    while known < total:
        first = chance.randint(max(known - 30, 0), known)
        count = chance.randint(1, 40)
        end = min(first + count, total)
        some = [(number, [model, other][number % 3 == 0]) for number in range(first, end)]
        mine = {one: [number - first for number, its in some if its is one] for one in (model, other)}
        records = [batch_of(one, numbers, first) for one, numbers in mine.items() if numbers]
        answer = send(client, model.project_uid, writer, first, end - first, *records)
        assert answer.next_record == max(known, end)
        known = max(known, end)
    for one, numbers in ((model, [n for n in range(200) if n % 3]), (other, list(range(0, 200, 3)))):
        assert [metric.value for metric in one.metrics.list()] == [float(number) for number in numbers]


def batch_of(model: Model, records: Sequence[int], first: int) -> pb.ModelRecords:
    """Records of alternating forms, so that both are cut."""
    packed = [record for record in records if record % 2]
    series = pb.PackedSeries(
        name="x", float_values=floats(*(first + record for record in packed)), records=places(*packed)
    )
    points = [plain(record, "x", first + record) for record in records if record % 2 == 0]
    return pb.ModelRecords(model_id=str(model.id), points=points, series=[series] if packed else [])


def test_events_are_stored_once_and_in_order(client: Client, model: Model) -> None:
    module_id, writer = new_id(), new_id()
    events = [
        pb.EventRecord(record=0, iteration=pb.IterationEvent(iteration_id=new_id(), step=3)),
        pb.EventRecord(record=1, module=pb.ModuleEvent(module_id=module_id, name="m", attributes_json='{"lr": 10}')),
        pb.EventRecord(record=2, module=pb.ModuleEvent(module_id=new_id(), name="of it", iteration_step=3)),
        pb.EventRecord(record=3, step=3),
        pb.EventRecord(record=4, tags=pb.TagsEvent(add=["a", "b"])),
        pb.EventRecord(record=5, tags=pb.TagsEvent(remove=["a"])),
        pb.EventRecord(record=6, iteration=pb.IterationEvent(iteration_id=new_id(), step=3)),
    ]
    records = pb.ModelRecords(model_id=str(model.id), events=events)
    for _ in range(2):
        assert send(client, model.project_uid, writer, 0, 7, records).next_record == 7
        model.step = 9 if model.step == 3 else model.step
    assert model.step == 9  # the repetition did not set it again
    (module,) = model.modules.list()
    assert (str(module.id), module.attributes) == (module_id, {"lr": 10})
    (iteration,) = model.iterations.list()
    assert [one.name for one in iteration.modules.list()] == ["of it"]
    assert model.tags.list() == ["b"]


def test_records_of_a_deleted_model_are_dropped_and_told_and_others_stored(
    client: Client, project: Project, model: Model
) -> None:
    other = project.experiment("e").model("other")
    project.experiment("e").models.delete(model.id)
    gone = pb.ModelRecords(
        model_id=str(model.id), points=[plain(0, "x", 1), plain(1, "x", 2)], events=[pb.EventRecord(record=2, step=1)]
    )
    stays = pb.ModelRecords(
        model_id=str(other.id),
        points=[plain(3, "x", 3)],
        events=[pb.EventRecord(record=4, module=pb.ModuleEvent(module_id=new_id(), name="m", iteration_step=9))],
    )
    answer = send(client, other.project_uid, new_id(), 0, 5, gone, stays)
    assert answer.next_record == 5
    assert {(one.model_id, one.count) for one in answer.dropped} == {(str(model.id), 3), (str(other.id), 1)}
    assert listed(other) == [("x", 3.0, None, None)]


def test_module_that_cannot_be_stored_does_not_hold_up_those_beside_it(client: Client, project: Project) -> None:
    first, second = (project.experiment("e").model(hash_) for hash_ in "ab")
    taken = new_id()

    def module(record: int, name: str, id_: str = "") -> pb.EventRecord:
        event = pb.ModuleEvent(module_id=id_ or new_id(), name=name, attributes_json=f'{{"at": {record}}}')
        return pb.EventRecord(record=record, module=event)

    own = pb.ModelRecords(model_id=str(first.id), events=[module(0, "x", taken), module(1, "y")])
    send(client, project.uid, writer := new_id(), 0, 2, own)
    more = [
        pb.ModelRecords(model_id=str(second.id), events=[module(0, "y"), module(1, "x", taken), module(2, "z")]),
        pb.ModelRecords(model_id=str(first.id), events=[module(3, "x"), module(4, "x", taken)]),
    ]
    answer = send(client, project.uid, writer, 2, 5, *more)
    # An id that stands for another module, of whichever model.
    assert {(one.model_id, one.count) for one in answer.dropped} == {(str(second.id), 1), (str(first.id), 1)}
    assert all("Make a new random id" in one.reason for one in answer.dropped)
    assert [one.name for one in second.modules.list()] == ["y", "z"]
    assert [one.name for one in first.modules.list()] == ["x", "y", "x"]
    # Search sees the newest of each name of each model, and no other.
    models = project.experiment("e").models
    for text, hashes in (("x.at = 0", []), ("x.at = 3", ["a"]), ("y.at = 0", ["b"]), ("y.at = 1", ["a"])):
        assert [model.hash for model in models.search(f"modules.{text}")] == hashes, text


def test_nothing_of_a_deleted_project_lands_in_the_new_one(client: Client, model: Model, project: Project) -> None:
    id_, uid, writer = project.id, model.project_uid, new_id()
    project.delete()
    again = client.project(id_)
    new = again.experiment("e").model("h")
    records = pb.ModelRecords(model_id=str(model.id), points=[plain(0, "x", 1)])
    with pytest.raises(errors.NotFound) as caught:
        send(client, uid, writer, 0, 1, records)
    assert caught.value.metadata["resource"] == "project"
    answer = send(client, new.project_uid, writer, 0, 1, records)
    assert [one.count for one in answer.dropped] == [1]
    assert listed(new) == []
    again.delete()


def test_gap_is_refused_with_the_record_to_go_on_from(client: Client, model: Model) -> None:
    writer, records = new_id(), pb.ModelRecords(model_id=str(model.id), points=[plain(0, "x", 1)])
    send(client, model.project_uid, writer, 0, 1, records)
    with pytest.raises(errors.Stale) as caught:
        send(client, model.project_uid, writer, 2, 1, records)
    assert caught.value.metadata["expected"] == "1"


def test_stream_stores_its_requests_in_order(client: Client, model: Model) -> None:
    writer = new_id()

    def requests() -> Iterator[pb.IngestStreamRequest]:
        for number in range(5):
            records = pb.ModelRecords(model_id=str(model.id), points=[plain(0, "x", number)])
            yield pb.IngestStreamRequest(batch=batch(model.project_uid, writer, number, 1, records))

    answer = client.stubs.ingest.IngestStream(requests(), metadata=client.metadata, timeout=30)
    assert answer.next_record == 5
    assert [value for _, value, *_ in listed(model)] == [0.0, 1.0, 2.0, 3.0, 4.0]


BAD = {
    "values of 7 bytes": (pb.PackedSeries(name="x", float_values=b"1234567"), "series[0].float_values"),
    "no values": (pb.PackedSeries(name="x"), "series[0].values"),
    "no name": (pb.PackedSeries(float_values=floats(1)), "series[0].name"),
    "too few steps": (pb.PackedSeries(name="x", float_values=floats(1, 2), steps=integers(1)), "series[0].steps"),
    "a negative step": (pb.PackedSeries(name="x", float_values=floats(1), steps=integers(-1)), "series[0].steps"),
    "a time after all": (pb.PackedSeries(name="x", int_values=integers(1), times_us=integers(1 << 62)), "times_us"),
    "records that fall": (
        pb.PackedSeries(name="x", float_values=floats(1, 2), records=places(1, 0)),
        "series[0].records",
    ),
    "a record beyond": (pb.PackedSeries(name="x", float_values=floats(1), record=2), "series[0].records"),
}


@pytest.mark.parametrize("series, field", BAD.values(), ids=BAD)
def test_bad_columns_are_refused_and_nothing_is_stored(
    series: pb.PackedSeries, field: str, client: Client, model: Model
) -> None:
    records = pb.ModelRecords(model_id=str(model.id), points=[plain(0, "x", 1)], series=[series])
    writer = new_id()
    with pytest.raises(errors.InvalidArgument) as caught:
        send(client, model.project_uid, writer, 0, 2, records)
    assert field in caught.value.metadata["field"]
    assert listed(model) == []
    assert send(client, model.project_uid, writer, 0, 0).next_record == 0


def test_a_bad_event_is_refused_with_its_place(client: Client, model: Model) -> None:
    for event, field in (
        (pb.EventRecord(), "models[0].events[0].event"),
        (pb.EventRecord(step=-1), "models[0].events[0].step"),
        (pb.EventRecord(record=5, step=1), "models[0].events.record"),
        (pb.EventRecord(module=pb.ModuleEvent(module_id="x", name="m")), "models[0].events[0].module.module_id"),
    ):
        with pytest.raises(errors.InvalidArgument) as caught:
            send(client, model.project_uid, new_id(), 0, 1, pb.ModelRecords(model_id=str(model.id), events=[event]))
        assert caught.value.metadata["field"] == field
    twice = [pb.ModelRecords(model_id=str(model.id))] * 2
    with pytest.raises(errors.InvalidArgument, match="each model once"):
        send(client, model.project_uid, new_id(), 0, 1, *twice)
    assert uuid.UUID(model.project_uid)
