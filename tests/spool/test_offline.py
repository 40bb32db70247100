"""Logging without a server: what is stored once by `sync`, and what does not come back."""

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.homes import Home, without_settings
from support.logged import left_in, run, values
from support.services import Server
from xpstore import Client
from xpstore._offline.sync import sync as send
from xpstore._spool import shipper
from xpstore._spool.segment import server_folder
from xpstore.project import Project

pytestmark = pytest.mark.client

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
    assert sync(never) == {"sent": 0, "dropped": 0, "busy": 0, "artifacts": 0, "media": 0, "waiting": 0, "refused": {}}
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


def test_config_of_the_second_offline_program_is_told(
    never: Server, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    id_ = secrets.token_hex(6)
    for rate in (0.1, 0.2, 0.1):
        code = f"import xpstore; xpstore.init(offline=True).project({id_!r}).experiment('e')"
        run(f"{code}.model('h', config={{'lr': {rate}}}).metrics.log('loss', {rate})", XPSTORE_API_URL=never.address)
    never.start()
    client = Client(never.api_key, never.address)
    assert send(client).dropped == 0
    model = client.project(id_).experiment("e").models.read("h")
    assert model is not None and sorted(values(model, "loss")) == [0.1, 0.1, 0.2]
    (kept,) = model.config.values()
    given = 0.1 if kept == 0.2 else 0.2
    told = caplog.text.count(f"'h' keeps the config it was made with: lr is {kept}, given {given}")
    assert told == (2 if kept == 0.2 else 1)
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

    def bind_and_stop(self: shipper.Shipper, backlog: Any, made_offline: Any, slice_: Any, share: Any) -> None:
        for target in share.targets:
            assert made_offline.model(target)
        raise KeyboardInterrupt

    monkeypatch.setattr(shipper.Shipper, "_ingest", bind_and_stop)
    with pytest.raises(KeyboardInterrupt):
        send(client)
    assert json.loads((folder / "state.json").read_text())["became"]
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


ASKED = {
    "artifacts": "model.artifacts.list()",
    "search": "list(project.models.search(''))",
    "table": "project.models.to_pandas()",
    "models": "project.experiment('e').models.list()",
    "experiments": "project.experiments.list()",
    "projects": "xpstore.get_all_projects()",
    "last": "model.metrics.last('loss')",
    "list": "model.metrics.list()",
    "read": "model.metrics.read('loss')",
    "buckets": "model.metrics.read('loss', buckets=2)",
    "many series": "read_many([model], ['loss'])",
    "last step": "model.last_step",
    "tags": "model.tags.list()",
    "status": "model.status",
    "runs": "model.runs",
    "status of a run": "run.status",
    "modules": "model.modules.list()",
    "iterations": "model.iterations.list()",
    "advance": "model.advance()",
    "rewind": "model.rewind(1)",
    "update": "project.update(name='x')",
    "delete": "project.delete()",
    "cache": "project.cache.statistics()",
    "fsspec": "fsspec.filesystem('xpstore').ls('')",
}
ASKING = """
import sys, fsspec, xpstore
from xpstore.artifact import DirectoryArtifact
from xpstore.series import read_many
project = xpstore.set_project(xpstore.init(offline=True).project("p"))
model = project.experiment("e").model("h", tags=["a"])
model.tags.add("b")
with model.run() as run:
    model.metrics.log("loss", 0.5, 3)

assert (model.step, model.config, project.experiment("e").models.read("h")) == (0, {}, model)
for question in sys.stdin.read().splitlines():
    try:
        print(repr(eval(question)))
    except Exception as error:
        print(type(error).__name__, error, sep=": ")
"""


def test_what_an_offline_client_cannot_know_says_so(tmp_path: Path, spool: Path) -> None:
    """In one sentence for all, and never with what it was before; nothing is waited for, and no service begun."""
    environment = {**without_settings(), "XPSTORE_HOME": str(tmp_path / "home"), "XPSTORE_SPOOL": str(spool)}
    line, asked = [sys.executable, "-c", ASKING], "\n".join(ASKED.values())
    done = subprocess.run(line, env=environment, input=asked, capture_output=True, text=True, timeout=120)
    said = "Unavailable: Only the server can say that, and this client is offline: `xpstore sync` sends what waits."
    assert dict(zip(ASKED, done.stdout.splitlines(), strict=True)) == dict.fromkeys(ASKED, said), done.stderr
    assert not (tmp_path / "home").exists()
