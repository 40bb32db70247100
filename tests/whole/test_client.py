"""The connection: closed, forked, refused, and patient while the server is away."""

import multiprocessing
import os
import secrets
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import xpstore
from support.services import Server
from xpstore.errors import DeadlineExceeded, InvalidArgument, Unauthenticated, Unavailable

pytestmark = pytest.mark.client


def test_closed_client_refuses_at_once(server: Server) -> None:
    client = xpstore.Client(server.api_key, server.address)
    project = client.project(secrets.token_hex(6)).open()
    client.close()
    started = time.monotonic()
    with pytest.raises(Unavailable, match="closed"):
        project.experiments.list()
    assert time.monotonic() - started < 1


def test_call_goes_on_when_the_server_is_back(client: xpstore.Client, server: Server) -> None:
    server.kill()
    with ThreadPoolExecutor(1) as pool:
        project = pool.submit(client.project(secrets.token_hex(6)).open)
        time.sleep(0.3)
        server.start()
        assert project.result(timeout=30).uid


def test_call_gives_up_when_its_time_is_over(server: Server) -> None:
    client = xpstore.Client(server.api_key, server.address, timeout_seconds=1)
    server.kill()
    try:
        started = time.monotonic()
        with pytest.raises(Unavailable, match=f"The server at {server.address} does not answer"):
            client.project("x").open()
        assert 0.5 < time.monotonic() - started < 3
    finally:
        server.start()


def test_call_to_a_server_that_hangs_ends_in_time(server: Server) -> None:
    client = xpstore.Client(server.api_key, server.address, timeout_seconds=1)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.project("x").open()
        assert 0.5 < time.monotonic() - started < 10
    finally:
        os.kill(server.pid, signal.SIGCONT)
    client.close()


def test_server_that_does_not_answer_in_time_is_told(server: Server) -> None:
    with pytest.raises((DeadlineExceeded, Unavailable)):
        xpstore.Client(server.api_key, "127.0.0.1:9", timeout_seconds=0.001)


@pytest.mark.parametrize("key", ["", "with\nnewline", "clé"])
def test_malformed_key_is_refused_before_it_is_sent(key: str, server: Server) -> None:
    with pytest.raises(Unauthenticated, match="api_key is missing or malformed") as caught:
        xpstore.Client(key, server.address)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_timeout_must_be_positive(seconds: float, server: Server) -> None:
    with pytest.raises(InvalidArgument, match="timeout_seconds"):
        xpstore.Client(server.api_key, server.address, timeout_seconds=seconds)


def test_key_without_a_server_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XPSTORE_API_URL", raising=False)
    with pytest.raises(InvalidArgument, match="api_url is missing"):
        xpstore.Client(server.api_key)


def test_environment_says_where_the_server_is(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_API_KEY", server.api_key)
    monkeypatch.setenv("XPSTORE_API_URL", f"http://{server.address}")
    client = xpstore.Client()
    assert client.api_url == f"http://{server.address}"
    assert repr(client) == f"Client('http://{server.address}')"
    assert server.api_key not in repr(vars(client.limits)) + repr(client)


def test_proxy_of_the_environment_is_not_used_on_loopback(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert xpstore.Client(server.api_key, server.address).limits.server_version


def _log_in_child(api_key: str, address: str, project_id: str, rank: int) -> None:
    """Runs in a process of its own. A forked one has the parent's session already."""
    try:
        project = xpstore.get_project()
    except xpstore.Error:
        project = xpstore.set_project(xpstore.Project(project_id, client=xpstore.init(api_key, address)))
    project.experiment("mnist").model("h").metrics.log("loss", rank)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_every_start_method_log(method: str, project: xpstore.Project, server: Server) -> None:
    project.experiment("mnist").model("h")  # the parent's channel is open
    context: Any = multiprocessing.get_context(method)
    arguments = (server.api_key, server.address, project.id)
    children = [context.Process(target=_log_in_child, args=(*arguments, rank)) for rank in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    points = project.experiment("mnist").model("h").metrics.list("loss")
    assert sorted(point.value for point in points) == [0, 1, 2]


def test_ids_do_not_repeat_after_a_fork() -> None:
    from xpstore._values.ids import new_id

    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 36).decode() != new_id()


def test_dates_and_people_are_those_of_the_server(project: xpstore.Project) -> None:
    created = (project.created_at, project.created_by)
    assert project.updated_by == "admin"
    time.sleep(0.01)
    project.update(description="changed")
    assert (project.created_at, project.created_by) == created
    assert project.updated_at > project.created_at
