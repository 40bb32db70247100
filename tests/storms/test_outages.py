"""Programs that log while servers go away, hang and come back, and that are killed themselves: each point stored once.

One server, or on PostgreSQL two replicas behind an address that is turned from one to the other while batches are under
way. XPSTORE_TEST_OUTAGES=100 for the long one.
"""

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.backends import Backend
from support.between.counting_proxy import CountingProxy
from support.homes import without_settings
from support.services import Server
from xpstore import Client
from xpstore.model import Model

OUTAGES = int(os.environ.get("XPSTORE_TEST_OUTAGES", "3"))
# Some trials end with something deleted and made anew.
DELETED = {1: "project", 3: "model"}
DELETED_EVERY = 5


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of its own for each test, also for the programs it starts."""
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


class Service:
    """What programs log to.

    Attributes:
        address: where they connect to.
        front: the server that answers there.
    """

    def __init__(self, replicas: list[Server], relay: CountingProxy | None) -> None:
        self._replicas = replicas
        self._relay = relay
        self.api_key = replicas[0].api_key
        self.address = relay.address if relay else replicas[0].address

    @property
    def front(self) -> Server:
        return self._replicas[0]

    def turn(self) -> None:
        """Has the other replica answer from now on; what is under way is cut."""
        if self._relay is not None:
            self._replicas.reverse()
            self._relay.turn_to(self.front.address)


@contextmanager
def served(backend: Backend, server: Server, replica_count: int) -> Iterator[Service]:
    if replica_count == 1:
        yield Service([server], None)
        return
    folder = Path(server.environment["XPSTORE_ADMIN_KEY_FILE"]).parent
    with Server(backend.database_url, backend.blob_url, folder) as second, CountingProxy(server.address) as relay:
        yield Service([server, second], relay)


class Trainer:
    """A program that logs rising numbers until it is killed."""

    def __init__(self, service: Service, project_id: str, name: str, folder: Path, batch_slots: int) -> None:
        self.name = name
        self._notes = folder / f"notes {name}"
        words = [service.api_key, service.address, project_id, "h", name, str(self._notes), str(batch_slots)]
        environment = {**without_settings(), "PYTHONPATH": os.pathsep.join(sys.path)}
        with (folder / "stderr").open("ab") as stderr:
            command = [sys.executable, "-m", "support.trainer", *words]
            self.process = subprocess.Popen(command, env=environment, stderr=stderr)

    @property
    def accepted(self) -> int:
        """How many numbers `log()` has taken for sure."""
        return int.from_bytes(self._notes.read_bytes(), "little") if self._notes.exists() else 0

    def wait_accepted(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while self.accepted < count:
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.005)

    def kill(self) -> int:
        """Kills it on the spot (SIGKILL); returns how many numbers must be there."""
        self.process.kill()
        self.process.wait()
        return self.accepted


def outage(service: Service, trainer: Trainer, chance: random.Random) -> int:
    """Takes the server away in some way, kills the program at some moment of that; returns what it had accepted."""
    trainer.wait_accepted(1)
    time.sleep(chance.uniform(0, 0.3))
    away, kind = service.front, chance.choice(["refused", "hanging", "none"])
    if kind == "refused":
        away.kill()
    elif kind == "hanging":
        os.kill(away.pid, signal.SIGSTOP)
    time.sleep(chance.uniform(0, 0.3))
    if chance.random() < 0.7:
        service.turn()  # the other gets again what the first may have stored, or store when it goes on
        time.sleep(chance.uniform(0, 0.6))
    accepted = trainer.kill()
    if kind == "hanging" and chance.random() < 0.5:
        os.kill(away.pid, signal.SIGCONT)
    elif kind != "none":
        away.kill()
        away.start()
    return accepted


def deletion(service: Service, trainer: Trainer, client: Client, project_id: str, kind: str) -> tuple[Model, str]:
    """Deletes what a program logged while its server was away, and makes it anew.

    Returns:
        What has the deleted model's name now, and the id of the deleted one.
    """
    trainer.wait_accepted(1)
    project = client.project(project_id).open()
    deleted = project.experiment("e").model("h")
    away = service.front
    away.kill()
    trainer.wait_accepted(trainer.accepted + 100)  # these are in its spool only
    trainer.kill()
    service.turn()
    away.start()
    if kind == "project":
        project.delete()
        project = client.project(project_id).open()
    else:
        project.experiment("e").models.delete(deleted.id)
    return project.experiment("e").model("h"), str(deleted.id)


@dataclass(frozen=True, slots=True)
class Trials:
    """What came of many outages.

    Attributes:
        accepted: how many points each program logged for sure.
        new: the models that have the names of deleted ones, by the ids of these.
    """

    accepted: dict[str, int]
    new: dict[str, Model]


def attempt(service: Service, client: Client, project_id: str, folder: Path, chance: random.Random) -> Trials:
    trials = Trials({}, {})
    for number in range(OUTAGES):
        batch_slots = chance.choice([1, 7, 100, 3_000])
        kind = DELETED.get(number % DELETED_EVERY)
        place = f"{project_id} {number}" if kind else project_id
        trainer = Trainer(service, place, f"loss {number}", folder, batch_slots)
        if kind:
            model, deleted_id = deletion(service, trainer, client, place, kind)
            trials.new[deleted_id] = model
        else:
            trials.accepted[trainer.name] = outage(service, trainer, chance)
    return trials


@pytest.mark.timeout(300 + 60 * OUTAGES)
@pytest.mark.parametrize("replica_count", [1, 2])
def test_everything_accepted_is_stored_once_through_outages_kills_and_deletions(
    backend: Backend, server: Server, replica_count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if replica_count == 2 and backend.name == "sqlite-disk":
        pytest.skip("SQLite has one server")
    seed = int(os.environ.get("XPSTORE_TEST_SEED") or secrets.randbits(32))
    print(f"XPSTORE_TEST_SEED={seed}")
    project_id = secrets.token_hex(6)
    with served(backend, server, replica_count) as service:
        client = Client(service.api_key, service.address)
        model = client.project(project_id).experiment("e").model("h")
        trials = attempt(service, client, project_id, tmp_path, random.Random(seed))
        client.flush(120)
        for name, count in trials.accepted.items():
            read = model.metrics.read(name, phase="train")
            # One more than noted may have been taken when the program was killed.
            assert len(read) in (count, count + 1), (name, count, len(read))
            assert list(read.values) == list(range(len(read)))
            assert list(read.steps) == list(range(len(read)))
        # Whoever sent what the killed programs left has said what it was of.
        told = caplog.text + (tmp_path / "stderr").read_text()
        for deleted_id, new in trials.new.items():
            assert f"Records of model {deleted_id} are not stored" in told
            assert new.metrics.list() == []
        print(
            f"{sum(trials.accepted.values()):,} points of {len(trials.accepted)} programs,", len(trials.new), "deleted"
        )
        client.close()
