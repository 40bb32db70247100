"""Logging while servers, programs and projects come and go: never in the way of the training, each record once."""

import json
import logging
import multiprocessing
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.homes import Home, without_settings
from support.services import Server
from xpstore import Client, recorder, sender
from xpstore.errors import DeadlineExceeded, InvalidArgument, Unavailable
from xpstore.model import Model
from xpstore.project import Project
from xpstore.segment import server_folder
from xpstore.sync import sync as send


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of its own for each test, also for the programs it starts."""
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def model(project: Project) -> Model:
    return project.experiment("e").model("h")


def values(model: Model, name: str | None = None) -> list[Any]:
    return [metric.value for metric in model.metrics.list(name)]


def left_in(spool: Path) -> list[str]:
    return [str(path.relative_to(spool)) for path in spool.glob("*/*")]


def run(code: str, **settings: str) -> str:
    environment = {**without_settings(), **settings}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_log_neither_waits_nor_raises_while_the_server_is_away(
    server: Server, model: Model, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.kill()
    try:
        began = time.monotonic()
        for number in range(1_000):
            model.metrics.log("loss", number, number)
        model.modules.log("optimizer", {"lr": 0.1})
        model.iterations.create(1).modules.log("batch")
        model.step = 7
        model.tags.add("late")
        with model.run():
            pass
        assert time.monotonic() - began < 5  # the run looks for packages and git
        with pytest.raises(Unavailable, match="stays in"):
            client.flush(0.5)
        with pytest.raises(Unavailable):
            Client(server.api_key, server.address)
    finally:
        server.start()
    client.flush()
    assert values(model) == list(range(1_000))
    assert [module.name for module in model.modules.list()] == ["optimizer"]
    assert [module.name for module in model.iterations.list()[0].modules.list()] == ["batch"]
    assert (model.step, model.tags.list(), model.status) == (7, ["late"], "finished")
    messages = [record.message for record in caplog.records if record.name == "xpstore"]
    assert sum("stays in the spool for now" in message for message in messages) == 1
    assert sum("is back" in message for message in messages) == 1


def test_log_does_not_wait_for_a_server_that_hangs(server: Server, model: Model, client: Client) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        longest = 0.0
        for number in range(2_000):
            began = time.perf_counter()
            model.metrics.log("loss", number)
            longest = max(longest, time.perf_counter() - began)
            time.sleep(0.0005)
        assert longest < 0.2
        with pytest.raises(DeadlineExceeded):
            client.flush(0.2)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert values(model) == list(range(2_000))


def test_read_sends_what_is_pending_and_raises_when_it_cannot(server: Server, project: Project) -> None:
    client = Client(server.api_key, server.address, timeout_seconds=4)
    model = client.project(project.id).experiment("e").model("h")
    model.metrics.log("loss", 1)
    assert model.metrics.read("loss").values.tolist() == [1]
    model.metrics.log("loss", 2)
    assert values(model) == [1, 2]
    server.kill()
    try:
        model.metrics.log("loss", 3)
        with pytest.raises(Unavailable):
            model.metrics.list()
    finally:
        server.start()
    assert values(model) == [1, 2, 3]
    client.close()


def test_folder_of_a_closed_client_is_gone_when_all_is_sent(server: Server, spool: Path) -> None:
    client = Client(server.api_key, server.address)
    project = client.project(secrets.token_hex(6))
    project.experiment("e").model("h").metrics.log("loss", 1)
    assert len(left_in(spool)) == 1
    client.close()
    assert left_in(spool) == []
    with pytest.raises(Unavailable, match="closed"):
        client.recorder.spool  # noqa: B018


def test_what_a_closed_client_could_not_send_is_sent_by_the_next(
    server: Server, project: Project, model: Model, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "AWAY_SECONDS", 0.2)
    first = Client(server.api_key, server.address)
    metrics = first.project(project.id).experiment("e").model("h").metrics
    server.kill()
    metrics.log("loss", 1)
    first.close()
    server.start()
    model.metrics.log("other", 2)
    model._client.flush()
    assert sorted(values(model)) == [1, 2]
    model._client.close()
    assert left_in(spool) == []


LOG_AND_END = """
import os, random, sys, xpstore
random.seed(0)
client = xpstore.init(*sys.argv[1:3]) if len(sys.argv) > 2 else xpstore.init()
metrics = client.project(os.environ["PROJECT"]).experiment("e").model("h").metrics
for number in range(100):
    metrics.log(os.environ["NAME"], number)
"""


def settings_of(server: Server, project: Project, name: str) -> dict[str, str]:
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    return {**access, "PROJECT": project.id, "NAME": name}


def test_program_that_ends_has_sent_everything(server: Server, project: Project, model: Model, spool: Path) -> None:
    run(LOG_AND_END, **settings_of(server, project, "loss"))
    assert left_in(spool) == []
    assert values(model) == list(range(100))


def test_programs_with_one_seed_are_different_writers(server: Server, project: Project, model: Model) -> None:
    for name in ("a", "b"):
        run(LOG_AND_END, **settings_of(server, project, name))
    assert values(model, "a") == values(model, "b") == list(range(100))


def test_random_numbers_of_the_program_are_left_alone(server: Server, model: Model, client: Client) -> None:
    random.seed(0)
    expected = [random.random() for _ in range(3)]
    random.seed(0)
    server.kill()
    model.metrics.log("loss", 1)
    with pytest.raises(Unavailable):
        client.flush(0.5)
    server.start()
    client.flush()
    assert [random.random() for _ in range(3)] == expected


def _log_in_worker(model_of: Callable[[], Model], name: str) -> None:
    metrics = model_of().metrics
    for number in range(50):
        metrics.log(name, number)
    if name.endswith("os._exit"):
        os._exit(0)
    if name.endswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)


class _Opener:
    """Opens the model in a process that did not inherit it."""

    def __init__(self, server: Server, project: Project) -> None:
        self._words = (server.api_key, server.address, project.id)
        self._spool = os.environ["XPSTORE_SPOOL"]

    def __call__(self) -> Model:
        os.environ["XPSTORE_SPOOL"] = self._spool  # the fork server was started by another test
        key, address, project = self._words
        return xpstore.init(key, address).project(project).experiment("e").model("h")


@pytest.mark.parametrize("ending", ["returns", "os._exit", "killed"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_every_start_method_lose_nothing(
    method: str, ending: str, server: Server, project: Project, model: Model, client: Client
) -> None:
    model.metrics.log("parent", 0)
    context: Any = multiprocessing.get_context(method)
    open_model = (lambda: model) if method == "fork" else _Opener(server, project)
    names = [f"{number} {ending}" for number in range(3)]
    workers = [context.Process(target=_log_in_worker, args=(open_model, name)) for name in names]
    for worker in workers:
        worker.start()
    model.metrics.log("parent", 1)
    for worker in workers:
        worker.join(60)
    client.flush()
    for name in names:
        assert values(model, name) == list(range(50))
    assert values(model, "parent") == [0, 1]


def test_parent_that_never_logged_reads_what_its_child_left(model: Model) -> None:
    if (child := os.fork()) == 0:
        try:
            model.metrics.log("loss", 1)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert values(model) == [1]


def test_forked_child_and_parent_log_on_at_the_same_time(model: Model, client: Client) -> None:
    for number in range(100):
        model.metrics.log("parent", number)
    if (child := os.fork()) == 0:
        try:
            for number in range(1_000):
                model.metrics.log("child", number)
            client.close()
        finally:
            os._exit(0)
    for number in range(100, 1_000):
        model.metrics.log("parent", number)
    os.waitpid(child, 0)
    assert values(model, "parent") == values(model, "child") == list(range(1_000))


def test_threads_log_in_their_orders(model: Model) -> None:
    def write(number: int) -> None:
        for step in range(500):
            model.metrics.log(f"loss {number}", step, step)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(16):
        assert values(model, f"loss {number}") == list(range(500))


def test_points_of_one_name_keep_their_order_whatever_their_kinds(model: Model) -> None:
    logged = [1, 0.5, "text", 2, None, 0.25, {"a": 1}, 2**70, 3, True]
    for step, value in enumerate(logged):
        model.metrics.log("mixed", value, step if step % 3 else None)
    model.metrics.log_arrays("mixed", [20, 21], [20.5, 21.5])
    model.metrics.log("mixed", 22)
    stored = model.metrics.list()
    assert [metric.value for metric in stored] == [*logged, 20.5, 21.5, 22]
    assert [metric.step for metric in stored] == [
        *(step if step % 3 else None for step in range(len(logged))),
        20,
        21,
        None,
    ]


def test_log_many_logs_a_point_of_each_name_or_none(model: Model) -> None:
    model.metrics.log_many({"loss": 0.5, "accuracy": 1, "note": "x"}, step=3, phase="train")
    stored = {metric.name: (metric.value, metric.step, metric.phase) for metric in model.metrics.list()}
    assert stored == {"loss": (0.5, 3, "train"), "accuracy": (1, 3, "train"), "note": ("x", 3, "train")}
    for bad in ({"loss": 1, "": 2}, {"loss": 1, "other": object()}):
        with pytest.raises(InvalidArgument):
            model.metrics.log_many(bad)
    for options in ({"step": -1}, {"phase": ""}):
        with pytest.raises(InvalidArgument):
            model.metrics.log_many({"loss": 1}, **options)
    assert len(model.metrics.list()) == 3


@pytest.mark.parametrize("kind", ["list", "range", "numpy float32", "numpy int32", "array"])
def test_log_arrays_takes_any_sequence_of_numbers(model: Model, kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    from array import array

    given: dict[str, Any] = {
        "list": [0.5, 1, 2.5],
        "range": range(3),
        "numpy float32": numpy.array([0.5, 1, 2.5], "f4"),
        "numpy int32": numpy.arange(3, dtype="i4"),
        "array": array("d", [0.5, 1, 2.5]),
    }
    model.metrics.log_arrays("loss", range(3), given[kind], "train")
    model.metrics.log_arrays("loss", None, given[kind])
    train, without = model.metrics.read("loss", "train"), model.metrics.list("loss")[3:]
    assert list(train.values) == [metric.value for metric in without] == list(given[kind])
    assert (list(train.steps), [metric.step for metric in without]) == ([0, 1, 2], [None] * 3)
    assert {type(metric.value) for metric in without} == {int if kind in ("range", "numpy int32") else float}


def test_log_arrays_of_many_points_keeps_them_all(model: Model) -> None:
    numpy = pytest.importorskip("numpy")
    values = numpy.random.default_rng(1).random(300_000)
    model.metrics.log_arrays("loss", numpy.arange(300_000), values)
    read = model.metrics.read("loss")
    assert (read.values == values).all()
    assert (read.steps == numpy.arange(300_000)).all()


@pytest.mark.parametrize(
    ("steps", "numbers"),
    [([1], [1.0, 2.0]), ([-1], [1.0]), ([0.5], [1.0]), ([1], ["x"]), (None, [[1.0]]), (None, 5), ([2**63], [1.0])],
)
def test_malformed_arrays_are_refused_at_the_call(model: Model, steps: Any, numbers: Any) -> None:
    with pytest.raises(InvalidArgument):
        model.metrics.log_arrays("loss", steps, numbers)
    assert model.metrics.list() == []


@pytest.mark.parametrize("name", ["", "x" * 257, "a\nb", "\ud800"])
def test_malformed_names_are_refused_at_the_call(model: Model, client: Client, name: str) -> None:
    for call in (
        lambda: model.metrics.log(name, 1),
        lambda: model.metrics.log("loss", 1, phase=name),
        lambda: model.metrics.log_arrays(name, None, [1]),
        lambda: model.modules.log(name),
        lambda: model.tags.add(name),
    ):
        with pytest.raises(InvalidArgument):
            call()
    assert client.dropped_count == 0
    assert model.metrics.list() == []


def test_nothing_lands_in_a_new_project_of_the_same_id(
    server: Server, client: Client, project: Project, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    other = client.project(secrets.token_hex(6)).experiment("e").model("h")
    model.metrics.log("loss", 0)
    client.flush()
    with Client(server.api_key, server.address).project(project.id) as twin:
        twin.delete()
        again = Project(project.id).open()
    for number in range(5):
        model.metrics.log("loss", number)
        other.metrics.log("loss", number)
    model.step = 3
    client.flush()
    assert values(other) == list(range(5))
    assert again.uid != project.uid
    assert again.experiments.list() == []
    assert client.dropped_count == 6
    assert caplog.text.count(f"Records of model {model.id} are not stored") == 1


OFFLINE = """
import os, xpstore
xpstore.init(offline=True)
with xpstore.Project(os.environ["PROJECT"]) as project:
    experiment = project.experiment("e")
    model = experiment.models.read("h") or experiment.models.create("h", "classifier", config={"lr": 0.1})
    assert experiment.model("h") == model
    with model.run():
        for number in range(100):
            model.metrics.log("loss", number, model.step, "train")
            model.step += 1
    model.metrics.log_arrays("array", None, [1.5, 2.5])
    model.tags.add("offline")
    model.iterations.create(model.step).modules.log("optimizer", {"lr": 0.1})
    try:
        model.metrics.list()
    except xpstore.Error as error:
        print(type(error).__name__)
"""


@pytest.fixture
def never(server: Server) -> Iterator[Server]:
    """A server that is not there until a test starts it."""
    server.stop()
    yield server
    if not server.running:
        server.start()


def sync(server: Server) -> dict[str, int]:
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    code = "import sys; from xpstore.cli import main; sys.argv = ['xpstore', 'sync', '--json']; main()"
    found: dict[str, int] = json.loads(run(code, **access))
    return found


def test_what_was_logged_offline_is_stored_once_by_sync(never: Server, spool: Path) -> None:
    settings = {"XPSTORE_API_URL": never.address, "PROJECT": secrets.token_hex(6)}
    began = datetime.now(UTC)
    assert run(OFFLINE, **settings) == "Unavailable\n"
    run(OFFLINE, **settings)
    assert len(left_in(spool)) == 2
    logged_at = datetime.now(UTC)
    never.start()
    done = sync(never)
    assert (done["dropped"], done["busy"]) == (0, 0)
    assert sync(never) == {"sent": 0, "dropped": 0, "busy": 0}
    assert left_in(spool) == []
    client = Client(never.api_key, never.address)
    model = client.project(settings["PROJECT"]).experiment("e").models.read("h")
    assert model is not None
    assert (model.name, model.config, model.step, model.tags.list()) == ("classifier", {"lr": 0.1}, 100, ["offline"])
    assert values(model, "loss") == 2 * list(range(100))
    assert values(model, "array") == [1.5, 2.5, 1.5, 2.5]
    assert [run.status for run in model.runs] == ["finished", "finished"]
    first, second = model.runs
    assert first.ended_at is not None and second.ended_at is not None
    assert began < first.started_at < first.ended_at < second.started_at < second.ended_at < logged_at
    assert [module.name for module in model.iterations.list()[0].modules.list()] == ["optimizer", "optimizer"]
    client.close()


def test_offline_records_of_a_project_that_was_deleted_do_not_come_back(
    never: Server, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made by a first attempt that was cut off, and deleted before the second."""
    id_ = secrets.token_hex(6)
    run(OFFLINE, XPSTORE_API_URL=never.address, PROJECT=id_)
    never.start()
    client = Client(never.api_key, never.address)
    (folder,) = (server_folder(spool, client.recorder.server)).iterdir()

    def bind_and_stop(self: sender.Sender, backlog: Any, bindings: Any, stretch: Any, share: Any) -> None:
        for target in share.targets:
            assert bindings.model(target)
        raise KeyboardInterrupt

    monkeypatch.setattr(sender.Sender, "_ingest", bind_and_stop)
    with pytest.raises(KeyboardInterrupt):
        send(client)
    assert json.loads((folder / "state.json").read_text())["bindings"]
    monkeypatch.undo()
    monkeypatch.setenv("XPSTORE_SPOOL", str(spool))
    Project.get_by_id(id_, client=client).delete()
    again = client.project(id_).open()
    done = send(client)
    assert done.dropped > 0
    assert again.experiments.list() == []
    client.close()


def test_offline_client_needs_no_server_and_no_key(tmp_path: Path, spool: Path) -> None:
    home = tmp_path / "home"
    code = "import xpstore; xpstore.init(offline=True).project('p').experiment('e').model('h').step = 1"
    run(code, XPSTORE_HOME=str(home))
    assert not home.exists()
    assert len(left_in(spool)) == 1
    with Home(home) as embedded:
        environment = {"XPSTORE_HOME": str(home), "XPSTORE_SPOOL": str(spool)}
        code = "import sys; from xpstore.cli import main; sys.argv = ['xpstore', 'sync', '--json']; main()"
        assert json.loads(run(code, **environment))["sent"] == 1
        assert embedded.servers()
    assert left_in(spool) == []


def test_key_that_is_not_known_any_more_is_told_by_flush(server: Server, model: Model, client: Client) -> None:
    client._authorization = ("authorization", "Bearer xps_wrong-wrong-wrong-wrong")
    model.metrics.log("loss", 1)
    began = time.monotonic()
    with pytest.raises(xpstore.Error, match="key"):
        client.flush(20)
    assert time.monotonic() - began < 5
    client._authorization = ("authorization", f"Bearer {server.api_key}")
    assert values(model) == [1]


def test_record_that_the_server_refuses_does_not_hold_up_the_others(
    model: Model, client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("xpstore.module.to_name", lambda field, name: name)
    for number in range(500):
        model.metrics.log("loss", number)
        if number == 250:
            model.modules.log("")
    client.flush()
    assert values(model) == list(range(500))
    assert client.dropped_count == 1
    assert "must not be empty" in caplog.text


def test_full_spool_never_blocks(
    server: Server, project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_MIB", "1")
    client = Client(server.api_key, server.address)
    model = client.project(project.id).experiment("e").model("h")
    server.kill()
    try:
        with caplog.at_level(logging.WARNING):
            for number in range(50_000):
                model.metrics.log("loss", number)
        assert client.dropped_count > 0
    finally:
        server.start()
    client.flush()
    stored = values(model)
    assert stored == list(range(50_000 - client.dropped_count))
    client.close()
