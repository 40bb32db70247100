"""Runs: what is recorded about an attempt at training, however it ends."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy

import xpstore
from support.backends import Backend
from support.services import Server
from xpstore import errors, run
from xpstore._session.client import ClientBase
from xpstore._values.ids import new_id
from xpstore._values.times import now_us
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import run_pb2 as pb


@pytest.fixture
def database(backend: Backend) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(backend.database_url)
    yield engine
    engine.dispose()


def create(client: Client, model: Model, id_: str, started_at_us: int | None = None) -> pb.Run:
    request = pb.CreateRunRequest(model_id=str(model.id), run_id=id_, started_at_us=started_at_us)
    return client.call(client.stubs.runs.CreateRun, request).run


def finish(client: Client, id_: str, status: pb.RunStatus, error: str = "", ended_at_us: int | None = None) -> pb.Run:
    request = pb.FinishRunRequest(run_id=id_, status=status, error=error, ended_at_us=ended_at_us)
    return client.call(client.stubs.runs.FinishRun, request).run


def beat(client: ClientBase, id_: str) -> pb.RunStatus:
    return client.call(client.stubs.runs.HeartbeatRun, pb.HeartbeatRunRequest(run_id=id_)).status


def be_silent(database: sqlalchemy.Engine, run_id: UUID, seconds: int) -> None:
    """Moves the last heartbeat of a run into the past."""
    column = "replace(id, '-', '')" if database.dialect.name == "sqlite" else "replace(id::text, '-', '')"
    statement = f"UPDATE run SET heartbeat_at_us = heartbeat_at_us - :past WHERE {column} = :id"
    with database.begin() as connection:
        changed = connection.execute(sqlalchemy.text(statement), {"past": seconds * 1_000_000, "id": run_id.hex})
    assert changed.rowcount == 1


def test_run_is_running_inside_its_block_and_finished_after_it(model: Model) -> None:
    assert (model.status, model.runs) == (None, [])
    with model.run() as attempt:
        assert isinstance(attempt.id, UUID)
        assert (attempt.status, attempt.ended_at, attempt.error, model.status) == ("running", None, "", "running")
        assert attempt.duration is None
        assert abs(attempt.started_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (attempt.status, attempt.error, model.status) == ("finished", "", "finished")
    assert attempt.ended_at is not None and attempt.ended_at > attempt.started_at
    assert attempt.duration == attempt.ended_at - attempt.started_at
    assert model.runs == [attempt]
    assert attempt.model_id == model.id


def test_exception_makes_the_run_failed_and_goes_on(model: Model) -> None:
    with pytest.raises(ZeroDivisionError), model.run() as attempt:
        1 / 0  # noqa: B018
    assert (attempt.status, model.status) == ("failed", "failed")
    assert attempt.error.startswith("Traceback (most recent call last):")
    assert attempt.error.endswith("ZeroDivisionError: division by zero\n")
    assert "xpstore/run.py" not in attempt.error


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        (KeyboardInterrupt(), "failed"),
        (SystemExit(1), "failed"),
        (SystemExit("no data"), "failed"),
        (SystemExit(0), "finished"),
        (SystemExit(), "finished"),
    ],
    ids=repr,
)
@pytest.mark.client
def test_way_a_program_ends_is_recorded(model: Model, ending: BaseException, status: str) -> None:
    with pytest.raises(type(ending)), model.run() as attempt:
        raise ending
    assert attempt.status == status


def test_long_traceback_loses_its_middle(model: Model) -> None:
    with pytest.raises(ValueError), model.run() as attempt:
        raise ValueError("x" * 50_000 + " the end")
    assert len(attempt.error) == 16_384
    assert attempt.error.startswith("Traceback")
    assert attempt.error.endswith("xx the end\n")


def test_error_with_text_that_no_database_stores_is_recorded(model: Model) -> None:
    with pytest.raises(ValueError), model.run() as attempt:
        raise ValueError("\x00 \udc80")
    assert attempt.error.endswith("ValueError: \\x00 \\udc80\n")


def test_run_that_is_not_heard_of_for_five_minutes_is_lost(model: Model, database: sqlalchemy.Engine) -> None:
    with model.run() as attempt:
        model._client.flush()
        be_silent(database, attempt.id, 290)
        assert attempt.status == "running"
        be_silent(database, attempt.id, 20)
        assert (attempt.status, model.status, model.runs[0].status) == ("lost", "lost", "lost")
        assert beat(model._client, str(attempt.id)) == pb.RUN_STATUS_RUNNING
        assert (attempt.status, model.status) == ("running", "running")
        be_silent(database, attempt.id, 310)
    assert attempt.status == "finished"


def test_ended_run_is_never_lost(model: Model, database: sqlalchemy.Engine) -> None:
    with model.run() as attempt:
        pass
    model._client.flush()
    be_silent(database, attempt.id, 1_000)
    assert (model.status, model.runs[0].status) == ("finished", "finished")


@pytest.mark.client
def test_heartbeats_are_sent_while_the_block_runs(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "HEARTBEAT_SECONDS", 0.05)
    with model.run() as attempt:
        first = attempt._read().heartbeat_at_us
        deadline = time.monotonic() + 10
        while attempt._read().heartbeat_at_us == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_model_has_the_status_of_its_newest_run(model: Model) -> None:
    with pytest.raises(KeyError), model.run():
        raise KeyError
    with model.run():
        assert model.status == "running"
    assert model.status == "finished"
    assert [attempt.status for attempt in model.runs] == ["failed", "finished"]


def test_status_is_listed_with_the_models(project: Project) -> None:
    experiment = project.experiment("e")
    with pytest.raises(KeyError), experiment.model("a").run():
        raise KeyError
    experiment.model("b")
    with experiment.model("c").run():
        statuses = [model._wire.status for model in experiment.models.list()]
    assert statuses == [pb.RUN_STATUS_FAILED, pb.RUN_STATUS_UNSPECIFIED, pb.RUN_STATUS_RUNNING]


@pytest.mark.client
def test_server_that_goes_away_does_not_disturb_the_training(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "HEARTBEAT_SECONDS", 0.05)
    client = xpstore.Client(server.api_key, server.address, timeout_seconds=2)
    model = client.project(project.id).experiment("e").model("h")
    try:
        with model.run() as attempt:
            server.kill()
            time.sleep(0.3)
        with pytest.raises(errors.Unavailable):
            model.step += 1
        assert "stays in the spool for now" in caplog.text
    finally:
        server.start()
        client.close()
    assert [(each.id, each.status) for each in project.experiment("e").model("h").runs] == [(attempt.id, "finished")]


@pytest.mark.client
def test_exception_passes_when_the_end_cannot_be_recorded(project: Project, model: Model) -> None:
    with pytest.raises(ZeroDivisionError), model.run():
        project.delete()
        1 / 0  # noqa: B018


def test_run_of_a_deleted_model_is_reported(client: Client, project: Project, model: Model) -> None:
    project.experiment("e").models.delete(model.id)
    with model.run() as attempt, pytest.raises(errors.NotFound):
        _ = attempt.status
    client.flush()
    assert client.dropped_count == 2
    with pytest.raises(errors.NotFound):
        _ = model.runs


@pytest.mark.client
def test_forked_child_that_leaves_the_block_does_not_end_the_run(model: Model) -> None:
    parent = os.getpid()
    try:
        with model.run() as attempt:
            child = os.fork()
            if child == 0:
                raise InterruptedError  # leaves the block in the child
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert attempt.status == "running"
    finally:
        if os.getpid() != parent:
            os._exit(0)
    assert attempt.status == "finished"


def test_repeated_start_is_answered_with_the_same_run(client: Client, model: Model) -> None:
    id_ = new_id()
    first = create(client, model, id_)
    assert create(client, model, id_) == first
    assert len(model.runs) == 1


def test_id_of_another_models_run_is_refused(client: Client, project: Project, model: Model) -> None:
    id_ = new_id()
    create(client, model, id_)
    other = project.experiment("e").model("other")
    with pytest.raises(errors.AlreadyExists):
        create(client, other, id_)
    assert other.runs == []


def test_first_end_counts(client: Client, model: Model) -> None:
    id_ = new_id()
    create(client, model, id_)
    first = finish(client, id_, pb.RUN_STATUS_FAILED, "out of memory")
    assert finish(client, id_, pb.RUN_STATUS_FINISHED) == first
    assert (first.status, first.error) == (pb.RUN_STATUS_FAILED, "out of memory")
    assert beat(client, id_) == pb.RUN_STATUS_FAILED
    assert client.call(client.stubs.runs.GetRun, pb.GetRunRequest(run_id=id_)).run == first


def test_run_has_the_times_that_its_machine_told(client: Client, model: Model) -> None:
    hour = 3600 * 1_000_000
    now = now_us()
    yesterday, early, ahead = new_id(), new_id(), new_id()
    create(client, model, ahead, now + hour)  # a clock that is a bit ahead
    create(client, model, yesterday, now - 24 * hour)
    create(client, model, early, 0)
    ended = finish(client, yesterday, pb.RUN_STATUS_FINISHED, ended_at_us=now - 23 * hour)
    assert (ended.started_at_us, ended.ended_at_us) == (now - 24 * hour, now - 23 * hour)
    assert ended.heartbeat_at_us >= now  # by the server's clock
    at_once = finish(client, early, pb.RUN_STATUS_FINISHED, ended_at_us=0)
    assert (at_once.started_at_us, at_once.HasField("ended_at_us"), at_once.ended_at_us) == (0, True, 0)
    assert finish(client, ahead, pb.RUN_STATUS_FINISHED, ended_at_us=now + hour).ended_at_us == now + hour
    assert [str(run.id) for run in model.runs] == [early, yesterday, ahead]


def test_run_without_a_told_time_has_the_servers(client: Client, model: Model) -> None:
    id_, before = new_id(), now_us()
    create(client, model, id_)
    ended = finish(client, id_, pb.RUN_STATUS_FINISHED)
    assert before <= ended.started_at_us <= ended.ended_at_us <= now_us()


@pytest.mark.parametrize("seconds", [25 * 3600, 1 << 42])
def test_start_in_the_future_is_refused(client: Client, model: Model, seconds: int) -> None:
    with pytest.raises(errors.InvalidArgument, match="started_at_us"):
        create(client, model, new_id(), now_us() + seconds * 1_000_000)
    with pytest.raises(errors.InvalidArgument, match="started_at_us"):
        create(client, model, new_id(), -1)
    assert model.runs == []


def test_end_in_the_future_or_before_the_start_is_refused(client: Client, model: Model) -> None:
    id_, start = new_id(), now_us() - 1_000_000
    create(client, model, id_, start)
    for absurd in (start - 1, -1, start + 25 * 3600 * 1_000_000):
        with pytest.raises(errors.InvalidArgument, match="ended_at_us"):
            finish(client, id_, pb.RUN_STATUS_FINISHED, ended_at_us=absurd)
    first = finish(client, id_, pb.RUN_STATUS_FAILED, ended_at_us=start)
    assert finish(client, id_, pb.RUN_STATUS_FINISHED, ended_at_us=start - 1) == first


@pytest.mark.parametrize("shift_seconds", [2 * 24 * 3600, -2 * 24 * 3600], ids=["ahead", "behind"])
def test_run_on_a_machine_with_a_wrong_clock_is_kept(
    model: Model, monkeypatch: pytest.MonkeyPatch, shift_seconds: int
) -> None:
    monkeypatch.setattr(run, "now_us", lambda: now_us() + shift_seconds * 1_000_000)
    with model.run() as attempt:
        pass
    model._client.flush()
    (stored,) = model.runs
    assert (stored, stored.status) == (attempt, "finished")
    assert stored.started_at < datetime.now(UTC) + timedelta(minutes=1)


@pytest.mark.client
def test_clock_that_is_set_back_does_not_end_a_run_before_its_start(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model.run() as attempt:
        monkeypatch.setattr(run, "now_us", lambda: now_us() - 3600 * 1_000_000)
    assert (attempt.status, attempt.ended_at) == ("finished", attempt.started_at)


def test_runs_are_listed_oldest_first_in_pages_that_fit_a_message(client: Client, model: Model) -> None:
    packages = '{"p": "' + "x" * 900_000 + '"}'
    ids = [new_id() for _ in range(6)]
    for id_ in ids:
        environment = pb.RunEnvironment(packages_json=packages)
        request = pb.CreateRunRequest(model_id=str(model.id), run_id=id_, environment=environment)
        client.call(client.stubs.runs.CreateRun, request)
    assert [str(attempt.id) for attempt in model.runs] == ids


@pytest.mark.client
def test_repr_is_short(model: Model) -> None:
    with model.run() as attempt:
        assert len(repr(attempt)) < 200
