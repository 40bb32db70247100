"""`init()` again: handles, the project and open runs go on."""

import secrets
import threading
from collections.abc import Iterator

import pytest

import xpstore
from support.services import Server
from xpstore import Project, errors, get_project, run, set_project
from xpstore._session import current

pytestmark = pytest.mark.client


@pytest.fixture(autouse=True)
def session(client: xpstore.Client) -> Iterator[xpstore.Client]:
    yield client
    for one in list(current._made):
        one.close()


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def test_the_same_server_and_key_keep_client_and_project(server: Server, client: xpstore.Client) -> None:
    project = set_project(Project(secrets.token_hex(6)))
    model = project.experiment("e").model("m")
    model.metrics.log("loss", 1.0)
    before = threads()
    for _ in range(20):
        assert xpstore.init(server.api_key, server.address) is client
    assert threads() == before
    assert get_project() is project
    model.metrics.log("loss", 2.0)
    assert [point.value for point in model.metrics.list()] == [1.0, 2.0]
    with Project(f"{project.id} inner") as inner:
        xpstore.init(server.api_key, server.address)
        assert get_project() is inner
    assert get_project() is project


def test_the_options_of_the_last_call_count(server: Server, client: xpstore.Client) -> None:
    model = client.project(secrets.token_hex(6)).experiment("e").model("m")
    for is_strict in (True, False, True):
        assert xpstore.init(server.api_key, server.address, timeout_seconds=7, strict=is_strict) is client
        assert (client.timeout_seconds, client.recorder.is_strict) == (7, is_strict)
        model.metrics.log("loss", 1.0)
        assert client.recorder.spool.is_strict is is_strict


def test_an_open_run_stays_alive_under_another_key(
    server: Server, client: xpstore.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client of the run is another one's now: its heartbeats go on, its points and its end arrive."""
    monkeypatch.setattr(run, "HEARTBEAT_SECONDS", 0.05)
    model = client.project(secrets.token_hex(6)).experiment("e").model("m")
    beats, beat = list[str](), client.stubs.runs.HeartbeatRun

    def counted(request: object, **options: object) -> object:
        beats.append("beat")
        return beat(request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(client.stubs.runs, "HeartbeatRun", counted)
    with model.run() as attempt:
        other = xpstore.init(server.api_key, f"http://{server.address}")
        assert other is not client
        count, waited = len(beats), threading.Event()
        while len(beats) < count + 3:
            assert not waited.wait(0.05)
        model.metrics.log("loss", 0.5)
    assert attempt.status == "finished"
    assert other.project(get_name(model)).experiment("e").model("m").metrics.last("loss") is not None


def get_name(model: xpstore.model.Model) -> str:
    (project,) = (one for one in xpstore.get_all_projects() if one.uid == model.project_uid)
    return project.id


def test_clients_do_not_pile_up(server: Server, client: xpstore.Client) -> None:
    """As many as there are servers and keys, however often a program goes from one to the other."""
    found = set()
    for number in range(10):
        address = server.address if number % 2 else f"http://{server.address}"
        made = xpstore.init(server.api_key, address)
        made.project(secrets.token_hex(6)).experiment("e").model("m").metrics.log("loss", 1.0)
        found.add(id(made))
        with pytest.raises(errors.NoProject):
            get_project()
        set_project(Project(secrets.token_hex(6)))
    assert len(found) == 2 and id(client) in found


def test_a_client_that_was_closed_is_not_taken_again(server: Server, client: xpstore.Client) -> None:
    project = set_project(Project(secrets.token_hex(6)))
    client.close()
    again = xpstore.init(server.api_key, server.address)
    assert again is not client and again.project(project.id).open().uid == project.uid
    with pytest.raises(errors.NoProject):
        get_project()
    with pytest.raises(errors.Unavailable, match="closed"):
        project.experiments.list()
    again.close()


def test_init_that_fails_changes_nothing(server: Server, client: xpstore.Client) -> None:
    project = set_project(Project(secrets.token_hex(6)))
    for key, address, error in (
        ("wrong", server.address, errors.Unauthenticated),
        (server.api_key, "127.0.0.1:1", errors.Unavailable),
    ):
        with pytest.raises(error):
            xpstore.init(key, address, timeout_seconds=1)
    assert get_project() is project and project.experiments.list() == []
