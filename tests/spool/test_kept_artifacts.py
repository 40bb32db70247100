"""Saves in the background while the server is away: kept in the spool, sent when it is back, by whoever comes first."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.homes import without_settings
from support.logged import run
from support.services import Server
from xpstore import Client, Project
from xpstore._offline import keeping
from xpstore._offline.sync import sync
from xpstore.artifact import Artifact, DirectoryArtifact, TrainedModelArtifact
from xpstore.errors import InvalidArgument, Unavailable

pytestmark = pytest.mark.client


@pytest.fixture
def project(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Of a client that soon takes its server for away, and tries again soon."""
    monkeypatch.setattr(keeping, "FIRST_PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(keeping, "LONGEST_PAUSE_SECONDS", 0.2)
    if not server.running:
        server.start()
    client = Client(server.api_key, server.address, timeout_seconds=1)
    with Project(f"kept {secrets.token_hex(6)}", client=client) as project:
        yield project
    if not server.running:
        server.start()
    client.close()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_save_in_the_background_waits_and_arrives(
    project: Project, server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = project.experiment("e").model("h")
    before = DirectoryArtifact.save(b"before", "data")
    server.stop()
    iteration = model.iterations.create(5)
    with pytest.raises(Unavailable):
        DirectoryArtifact.save(b"nobody keeps what is waited for", "data")
    kept = DirectoryArtifact.save(
        b"kept", "data", wait=False, iteration=iteration, step=2, used=[before], aliases=["a"]
    ).result()
    other = DirectoryArtifact.save(b"made of it", "other", wait=False, used=[kept]).result()
    assert not kept.is_sent and kept.download(tmp_path / "out").joinpath("data").read_bytes() == b"kept"
    with pytest.raises(Unavailable, match="'data' waits in the spool: only the server can say its version"):
        kept.version  # noqa: B018
    assert caplog.text.count("what is saved in the background waits in") == 1
    with pytest.raises(Unavailable, match="waits in the spool: the server does not have it yet"):
        DirectoryArtifact.save(b"at once", "third", used=[kept])
    server.start()
    until(lambda: kept.is_sent and other.is_sent)
    assert (kept.version, kept.aliases, kept.used, kept.step) == (2, ["a"], [before], 2)
    assert kept == Artifact.get_by_name("data", alias="a") and other.used == [kept]
    assert [one.name for one in model.iterations.list()[0].artifacts.list()] == ["data"]
    assert kept.open().read() == b"kept"


def test_what_is_read_while_it_is_sent_is_whole(project: Project, server: Server, tmp_path: Path) -> None:
    data = os.urandom(30 << 20)
    server.stop()
    kept = DirectoryArtifact.save(data, "data", wait=False).result()
    server.start()
    rounds = 0
    while rounds < 2 or not kept.is_sent:
        target = kept.download(tmp_path / f"{rounds}")
        assert (target / "data").read_bytes() == data == kept.open().read()
        assert [file.size_bytes for file in kept.files()] == [len(data)]
        rounds += 1
    assert kept.version == 1


def test_content_that_came_meanwhile_is_that_version(project: Project, server: Server) -> None:
    server.stop()
    kept = DirectoryArtifact.save(b"same", "data", wait=False).result()
    made, _ = kept.id, server.start()
    until(lambda: kept.is_sent)
    server.stop()
    again = DirectoryArtifact.save(b"same", "data", wait=False).result()
    server.start()
    until(lambda: again.is_sent)
    assert again.id == kept.id == made and again.version == 1
    assert DirectoryArtifact.save(b"of it", "other", used=[again]).used == [kept]


def test_refusal_is_the_callers_while_the_server_is_there(project: Project) -> None:
    DirectoryArtifact.save(b"bytes", "data")
    with pytest.raises(InvalidArgument, match="a name has one type"):
        TrainedModelArtifact.save(b"bytes", "data", wait=False).result()


def test_refusal_that_comes_late_is_told(
    project: Project, server: Server, caplog: pytest.LogCaptureFixture, spool: Path
) -> None:
    DirectoryArtifact.save(b"bytes", "data")
    server.stop()
    kept = TrainedModelArtifact.save(b"bytes", "data", wait=False).result()
    server.start()
    until(lambda: "Artifact 'data' stays in the spool, as the server does not take it" in caplog.text)
    assert not kept.is_sent and kept.open().read() == b"bytes"
    project._client.close()  # while it is open it is its to send
    assert list(sync(Client(server.api_key, server.address)).refused) == ["data"]


ENDS = """
import os, signal, sys, xpstore
from xpstore.artifact import DirectoryArtifact
client = xpstore.init(timeout_seconds=2)
project = client.project(os.environ["PROJECT"]).open()
print("open", flush=True)
sys.stdin.readline()
future = DirectoryArtifact.save(b"last", "data", wait=False, project=project)
if sys.argv[1] == "killed":
    future.result()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("end", ["ended", "killed"])
def test_program_that_ends_leaves_it_to_the_next(end: str, project: Project, server: Server) -> None:
    id_ = f"kept {secrets.token_hex(6)}"
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "PROJECT": id_}
    command, pipe = [sys.executable, "-c", ENDS, end], subprocess.PIPE
    environment = {**without_settings(), **access}
    program = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert program.stdout is not None and program.stdout.readline() == "open\n"
    server.stop()
    _, told = program.communicate("\n", timeout=60)
    assert program.returncode == (0 if end == "ended" else -9)
    assert told.count("what is saved in the background waits in") == 1
    server.start()
    if end == "ended":
        run("import xpstore; xpstore.init().project('p').experiment('e').model('h').metrics.log('x', 1)", **access)
        client = Client(server.api_key, server.address)
        client.project("p").experiment("e").model("h").metrics.log("x", 1)  # the next that logs
        until(lambda: len(client.project(id_).artifacts.list()) == 1)
    else:
        client = Client(server.api_key, server.address)
        assert sync(client).artifacts == 1
    (saved,) = client.project(id_).artifacts.list()
    assert saved.open().read() == b"last"
    client.close()
