"""Alerts: clients send them, and the server makes one of a first NaN, of a run that fails and of one that is lost."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from support.backends import Backend
from support.raw_ingest import floats, integers, places, plain, send
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import alert_pb2, metric_pb2, run_pb2
from xpstore.v1 import ingest_pb2 as pb
from xpstore_server.core import limits, lost_runs
from xpstore_server.core.lost_runs import PAUSE_US, LostRuns
from xpstore_server.store import tables
from xpstore_server.store.clock import SECOND_US
from xpstore_server.store.database import Database
from xpstore_server.store.purge import purge
from xpstore_server.store.sweep import NO_GRACE, Swept

NAN = float("nan")


@pytest.fixture(scope="module")
def database(backend: Backend) -> Iterator[Database]:
    database = Database(backend.database_url)
    yield database
    database.close()


@pytest.fixture
def model(project: Project) -> Model:
    return project.experiment("e").model("h")


def alerts(client: Client, **scope: Any) -> list[alert_pb2.Alert]:
    """All alerts of a model or a project, in pages of two."""
    found, token = list[alert_pb2.Alert](), ""
    while True:
        request = alert_pb2.ListAlertsRequest(page_size=2, page_token=token, **scope)
        page = client.call(client.stubs.alerts.ListAlerts, request)
        found += page.alerts
        token = page.next_page_token
        if not token:
            return found


def titles(client: Client, model: Model) -> list[str]:
    return [one.title for one in alerts(client, model_id=str(model.id))]


def event(record: int, title: str, **more: Any) -> pb.EventRecord:
    return pb.EventRecord(record=record, alert=pb.AlertEvent(**{"alert_id": new_id(), "title": title, **more}))


def sent(client: Client, model: Model, *events: pb.EventRecord) -> pb.IngestResponse:
    records = pb.ModelRecords(model_id=str(model.id), events=events)
    return send(client, model.project_uid, new_id(), 0, len(events), records)


def started(client: Client, model: Model, **environment: Any) -> str:
    request = run_pb2.CreateRunRequest(model_id=str(model.id), run_id=new_id(), environment=environment)
    return client.call(client.stubs.runs.CreateRun, request).run.id


def finish(client: Client, run_id: str, status: run_pb2.RunStatus, error: str = "") -> None:
    request = run_pb2.FinishRunRequest(run_id=run_id, status=status, error=error)
    client.call(client.stubs.runs.FinishRun, request)


def test_what_a_client_sends_is_listed_newest_first_and_whole(client: Client, project: Project, model: Model) -> None:
    other = project.experiment("e").model("other")
    first = event(0, "loss explodes", level=alert_pb2.ALERT_LEVEL_ERROR, text="why\n\tit does", step=7, at_us=12)
    answer = sent(client, model, first, event(1, "second"), event(2, "third", level=alert_pb2.ALERT_LEVEL_INFO))
    sent(client, other, event(0, "of another"))
    assert list(answer.dropped) == []
    assert titles(client, model) == ["third", "second", "loss explodes"]
    *_, second, oldest = alerts(client, project_uid=project.uid)
    said = alert_pb2.Alert(
        id=first.alert.alert_id,
        model_id=str(model.id),
        level=alert_pb2.ALERT_LEVEL_ERROR,
        cause=alert_pb2.ALERT_CAUSE_CLIENT,
        title="loss explodes",
        text="why\n\tit does",
        step=7,
        at_us=12,
        created_at_us=oldest.created_at_us,
    )
    assert oldest == said and second.level == alert_pb2.ALERT_LEVEL_WARNING
    assert second.at_us == second.created_at_us and not second.HasField("step") and not second.HasField("run_id")
    assert [one.title for one in alerts(client, project_uid=project.uid)] == [
        "of another",
        "third",
        "second",
        said.title,
    ]


def test_repeated_alert_is_stored_once_and_an_id_of_another_is_told(client: Client, project: Project) -> None:
    model, other = (project.experiment("e").model(hash_) for hash_ in "ab")
    one = event(0, "once")
    records = pb.ModelRecords(model_id=str(model.id), events=[one])
    writer = new_id()
    for who in (writer, writer, new_id()):
        assert list(send(client, model.project_uid, who, 0, 1, records).dropped) == []
    assert titles(client, model) == ["once"]
    (dropped,) = sent(client, other, one).dropped
    assert (dropped.model_id, dropped.count) == (str(other.id), 1) and "alert_id" in dropped.reason
    assert titles(client, other) == []


BAD = {
    "alert_id": ["", "x"],
    "level": [4, 9],
    "title": ["", "x" * 257, "two\nlines"],
    "text": ["x" * 16_385, "a\x00"],
    "step": [-1],
    "at_us": [-1, 1 << 62],
}


@pytest.mark.client
@pytest.mark.parametrize("field", BAD)
def test_malformed_alert_is_refused_with_its_place(client: Client, model: Model, field: str) -> None:
    for value in BAD[field]:
        with pytest.raises(errors.InvalidArgument) as caught:
            sent(client, model, event(0, "fine"), event(1, **{"title": "t", field: value}))
        assert caught.value.metadata["field"] == f"models[0].events[1].alert.{field}"
    assert titles(client, model) == []


def test_more_than_may_be_are_dropped_and_told(client: Client, model: Model, database: Database) -> None:
    most = limits.ALERTS
    said = {"model_id": str(model.id), "project_uid": model.project_uid, "level": "info", "cause": "client"}
    times = {"at_us": 1, "created_at_us": 1}
    rows = [{"id": new_id(), "title": "t", "text": "", **said, **times} for _ in range(most - 1)]
    database.write(lambda tx: tx.insert(tables.alert, *rows))
    answer = sent(client, model, *(event(number, f"{number}") for number in range(3)))
    (dropped,) = answer.dropped
    assert answer.next_record == 3 and dropped.count == 2 and "most that are kept" in dropped.reason
    model.metrics.log("loss", NAN)
    run_id = started(client, model)
    finish(client, run_id, run_pb2.RUN_STATUS_FAILED, "boom")  # is noted without
    request = alert_pb2.ListAlertsRequest(model_id=str(model.id), page_size=most)
    assert len(client.call(client.stubs.alerts.ListAlerts, request).alerts) == most
    assert model.status == "failed"


def test_first_nan_of_each_series_is_told_once(client: Client, model: Model) -> None:
    for value, step in ((1.0, 0), (math.inf, 1), (NAN, 2), (NAN, 3)):
        model.metrics.log("loss", value, step=step, phase="train")
    model.metrics.log("loss", NAN)
    model.metrics.log("count", 3, step=1)
    model.metrics.log("note", "nan")
    assert sorted(titles(client, model)) == ["loss [train] is NaN at step 2", "loss is NaN"]
    model.metrics.clear()
    model.metrics.log("loss", NAN, step=9, phase="train")
    found = alerts(client, model_id=str(model.id))
    assert len(found) == 2
    named = next(one for one in found if "train" in one.title)
    assert (named.step, named.level, named.cause) == (
        2,
        alert_pb2.ALERT_LEVEL_WARNING,
        alert_pb2.ALERT_CAUSE_METRIC_NAN,
    )


def test_nan_is_found_in_packed_plain_and_mixed_points_of_every_method(client: Client, model: Model) -> None:
    series = pb.PackedSeries(
        name="packed", float_values=floats(0.5, NAN, NAN), steps=integers(4, 5, 6), records=places(0, 1, 2)
    )
    # As integers its bytes are no NaN.
    whole = pb.PackedSeries(name="int", int_values=floats(NAN), record=0)
    text = pb.PointRecord(record=1, point=metric_pb2.MetricPoint(name="mixed", json_value='"nan"'))
    records = pb.ModelRecords(
        model_id=str(model.id),
        points=[plain(0, "plain", NAN, step=8, time_us=77), text, plain(2, "mixed", NAN)],
        series=[series, whole],
    )
    send(client, model.project_uid, new_id(), 0, 3, records)
    point = metric_pb2.MetricPoint(name="logged", float_value=NAN, step=1)
    request = metric_pb2.LogMetricsRequest(model_id=str(model.id), writer_id=new_id(), points=[point])
    for _ in range(2):
        client.call(client.stubs.metrics.LogMetrics, request)
    found = {one.title: one for one in alerts(client, model_id=str(model.id))}
    assert {*found} == {"packed is NaN at step 5", "plain is NaN at step 8", "mixed is NaN", "logged is NaN at step 1"}
    assert found["plain is NaN at step 8"].at_us == 77


def test_model_of_many_nans_has_room_for_other_alerts(client: Client, model: Model) -> None:
    model.metrics.log_many({f"m{number}": NAN for number in range(limits.NAN_ALERTS + 20)})
    model.metrics.log("x" * 250, NAN, step=1, phase="train")  # beyond: not told
    sent(client, model, event(0, "other"))
    found = titles(client, model)
    assert len(found) == limits.NAN_ALERTS + 1 and "other" in found


def test_title_of_a_long_name_is_cut_and_its_text_has_it_whole(client: Client, model: Model) -> None:
    model.metrics.log("x" * 250, NAN, step=1, phase="train")
    (one,) = alerts(client, model_id=str(model.id))
    assert len(one.title) == 256 and one.title.endswith("...")
    assert one.text == f"{'x' * 250} [train] is NaN at step 1"


def test_run_that_fails_is_told_with_the_last_line_of_its_error(client: Client, model: Model) -> None:
    error = "Traceback (most recent call last):\n  ...\nValueError: too large\n\n"
    failed, silent, fine = (started(client, model) for _ in range(3))
    for _ in range(2):
        finish(client, failed, run_pb2.RUN_STATUS_FAILED, error)
        finish(client, silent, run_pb2.RUN_STATUS_FAILED)
        finish(client, fine, run_pb2.RUN_STATUS_FINISHED)
    second, first = alerts(client, model_id=str(model.id))
    assert (first.title, first.text, first.run_id) == ("ValueError: too large", error, failed)
    assert (first.level, first.cause) == (alert_pb2.ALERT_LEVEL_ERROR, alert_pb2.ALERT_CAUSE_RUN_FAILED)
    assert (second.title, second.text, second.run_id) == ("A run failed, and said no error", "", silent)


class Watch:
    """What looks for lost runs, with a steady clock that the test moves."""

    def __init__(self, database: Database) -> None:
        self._now_us = 10**12
        self._lost = LostRuns(database, lambda: self._now_us)

    def passes(self, minutes: int) -> None:
        """Looks once a minute."""
        for _ in range(minutes):
            self._now_us += 60 * SECOND_US
            self._lost.look()

    def sleeps(self, us: int) -> None:
        self._now_us += us


def be_silent(database: Database, run_id: str, us: int = limits.RUN_LOST_AFTER_US + SECOND_US) -> None:
    """Moves the last heartbeat of a run into the past."""
    heard = tables.run.c.heartbeat_at_us
    statement = update(tables.run).where(tables.run.c.id == run_id).values(heartbeat_at_us=heard - us)
    database.write(lambda tx: tx.execute(statement).rowcount)


def test_run_that_is_lost_is_told_once_by_all_replicas_and_keeps_it_when_it_comes_back(
    client: Client, model: Model, database: Database
) -> None:
    lost, alive, ended = (started(client, model, host="gpu-7") for _ in range(3))
    finish(client, ended, run_pb2.RUN_STATUS_FINISHED)
    one, other = Watch(database), Watch(database)
    one.passes(6)
    other.passes(6)
    assert titles(client, model) == []
    for run_id in (lost, ended):
        be_silent(database, run_id)
    one.passes(2)
    other.passes(2)
    (told,) = alerts(client, model_id=str(model.id))
    assert told.title.startswith("A run on gpu-7 is lost: it was last heard of at 2") and told.title.endswith(" UTC")
    assert (told.run_id, told.level, told.cause) == (lost, alert_pb2.ALERT_LEVEL_ERROR, alert_pb2.ALERT_CAUSE_RUN_LOST)
    client.call(client.stubs.runs.HeartbeatRun, run_pb2.HeartbeatRunRequest(run_id=lost))
    assert model.runs[0].status == "running"
    be_silent(database, lost)
    restarted = Watch(database)
    restarted.passes(8)
    one.passes(1)
    assert alerts(client, model_id=str(model.id)) == [told]
    finish(client, alive, run_pb2.RUN_STATUS_FINISHED)


def test_nobody_is_lost_while_no_server_could_hear(client: Client, model: Model, database: Database) -> None:
    run_id = started(client, model)
    watch = Watch(database)
    be_silent(database, run_id)
    watch.passes(5)  # it was just started: others may beat now
    assert titles(client, model) == []
    watch.sleeps(PAUSE_US)  # as a laptop
    watch.passes(5)
    assert titles(client, model) == []
    watch.passes(2)
    assert len(titles(client, model)) == 1


def test_more_lost_runs_than_one_look_takes_are_told_by_the_next(
    client: Client, model: Model, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "_SILENT", lost_runs._SILENT.limit(2))
    runs = [started(client, model) for _ in range(5)]
    watch = Watch(database)
    watch.passes(20)  # and has told what other tests lost
    for run_id in runs:
        be_silent(database, run_id)
    for told in (2, 4, 5, 5):
        watch.passes(1)
        assert len(titles(client, model)) == told


def test_alerts_of_what_is_deleted_are_hidden_until_it_is_back_and_purged_with_it(
    client: Client, project: Project, model: Model, database: Database
) -> None:
    stays = project.experiment("stays").model("h")
    sent(client, model, event(0, "goes"))
    sent(client, stays, event(0, "stays"))

    def listed() -> list[str]:
        return [one.title for one in alerts(client, project_uid=project.uid)]

    models = project.experiment("e").models
    models.delete(model.id)
    assert listed() == ["stays"]
    with pytest.raises(errors.NotFound):
        titles(client, model)
    models.undelete(model.id)
    assert listed() == ["stays", "goes"]
    project.experiments.delete(project.experiment("e").id)
    assert listed() == ["stays"]
    purge(database, NO_GRACE.ends(1), Swept())
    rows = database.read(partial(rows_of, model_id=str(model.id)))
    assert rows == [] and listed() == ["stays"]


def rows_of(tx: Any, model_id: str) -> list[Any]:
    return list(tx.execute(tables.alert.select().where(tables.alert.c.model_id == model_id)))
