"""The one way to call: attempts, limits that are the server's own, a fork that closes, and calls that are not made."""

import contextlib
import json
import os
import secrets
import threading
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.services import Server
from xpstore._caching.state import CacheState
from xpstore._service.retry import Attempts
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import DeadlineExceeded, InvalidArgument, Unavailable
from xpstore.v1 import project_pb2

pytestmark = pytest.mark.client


def test_limits_are_asked_for_again_after_the_server_was_away(client: xpstore.Client, server: Server) -> None:
    before = client.limits
    assert client.limits is before
    server.kill()
    with pytest.raises(Unavailable):
        client.once(client.stubs.projects.ListProjects, project_pb2.ListProjectsRequest(), 1.0)
    server.start()
    assert client.limits is not before and client.limits == before


def test_child_that_was_forked_while_a_lease_was_taken_closes_its_client(server: Server) -> None:
    client = xpstore.Client(server.api_key, server.address)
    leases = client.kept(CacheState).leases
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with leases._lock:
            taken.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(60)
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            client.close()
            leases.close()
            os.write(write, b"closed")
        os._exit(0)
    os.close(write)
    done.set()
    thread.join()
    assert os.read(read, 6) == b"closed"
    os.waitpid(pid, 0)
    os.close(read)
    client.close()


class Revived:
    """Counts how often it is started again."""

    count = 0

    def revive(self, timeout_seconds: float) -> None:
        assert timeout_seconds > 0
        self.count += 1


def test_attempts_end_with_success_with_another_error_and_when_nobody_waits() -> None:
    server, tried = Revived(), 0
    for attempt in Attempts(server, 60):
        with attempt:
            tried += 1
            if tried < 3:
                raise Unavailable("away")
    assert (tried, server.count) == (3, 2)
    with pytest.raises(InvalidArgument):
        for attempt in Attempts(server, 60):
            with attempt:
                raise InvalidArgument("another")
    with pytest.raises(DeadlineExceeded):
        for attempt in Attempts(server, 60, (Unavailable,)):
            with attempt:
                raise DeadlineExceeded("not among those repeated")
    with pytest.raises(Unavailable):
        for attempt in Attempts(server, 60, is_wanted=lambda: False):
            with attempt:
                raise Unavailable("nobody waits")
    assert server.count == 2


def test_attempts_last_as_long_as_there_is_progress() -> None:
    tried = 0
    with pytest.raises(Unavailable):
        for attempt in Attempts(Revived(), 0.2):
            with attempt:
                tried += 1
                if tried < 20:
                    attempt.renew()
                raise Unavailable("away")
    assert tried >= 20


def test_artifact_of_a_model_is_found_by_alias_with_one_call(
    project: xpstore.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = project.experiment("e").model("h")
    for number in range(5):
        DirectoryArtifact.save(bytes([number]), "checkpoint", model=model, step=number, aliases=[f"step-{number}"])
    DirectoryArtifact.save(b"other", "checkpoint", aliases=["elsewhere"])
    calls, call = [], model._client.call

    def counted(method: Any, request: Any, **options: Any) -> Any:
        calls.append(request)
        return call(method, request, **options)

    monkeypatch.setattr(model._client, "call", counted)
    for number in range(5):
        found = model.artifacts.get("checkpoint", alias=f"step-{number}")
        assert found is not None and found.version == number + 1
        again = model.artifacts.get("checkpoint", version=number + 1, step=number)
        assert again == found
    assert len(calls) == 10
    assert model.artifacts.get("checkpoint", alias="elsewhere") is None, "it is of the project, not of the model"
    assert model.artifacts.get("checkpoint", version=1, alias="step-2") is None
    newest = model.artifacts.get("checkpoint")
    assert newest is not None and newest.version == 5


def test_object_is_loaded_from_a_verified_copy_the_second_time(
    project: xpstore.Project, monkeypatch: pytest.MonkeyPatch, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "large.bin").write_bytes(os.urandom(3_000_000))
    number = secrets.randbits(64)  # else the copy of another test's is found
    (tmp_path / "in" / "deep" / "small.json").write_text(json.dumps({"number": number}))
    artifact = DirectoryArtifact.save(tmp_path / "in", "tree")
    before = set((cache / "copies").rglob("*"))  # of other tests
    streams, stream = list[str](), artifact._client.stream

    def counted(method: Any, request: Any) -> Any:
        streams.append(type(request).__name__)
        return stream(method, request)

    monkeypatch.setattr(artifact._client, "stream", counted)
    assert artifact.load("deep/small.json") == {"number": number}
    assert streams == ["ReadManifestRequest", "ReadChunksRequest"]
    assert artifact.load("deep/small.json") == {"number": number} and len(streams) == 2
    files = [path for path in (cache / "copies").rglob("*") if path.is_file() and path not in before]
    [copy] = [path for path in files if str(number).encode() in path.read_bytes()]
    assert not any(path.stat().st_size >= 3_000_000 for path in files), "only the file that was asked for"
    copy.chmod(0o600)
    copy.write_bytes(copy.read_bytes().replace(str(number).encode(), b"2"))
    assert artifact.load("deep/small.json") == {"number": number}, "what is damaged is fetched again"
