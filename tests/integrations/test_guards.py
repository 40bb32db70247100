"""What our hooks stand on: errors end there and are told once, and nobody waits for the server."""

import functools
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from support.homes import without_settings
from support.services import Server
from xpstore import Client
from xpstore.errors import NotFound, Unavailable
from xpstore.integrations import _background
from xpstore.integrations._background import Background
from xpstore.integrations._guard import Guard
from xpstore.model import Model

pytestmark = pytest.mark.client


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def background(client: Client, monkeypatch: pytest.MonkeyPatch) -> Background:
    monkeypatch.setattr(_background, "RETRY_SECONDS", 0.01)
    return Background("A test", Guard("A test"), client)


def test_exceptions_end_in_the_guard_and_the_first_is_told(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("Some hook")
    for number in range(3):
        with guard:
            raise ZeroDivisionError(f"number {number}")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("xpstore", logging.WARNING)
    assert record.getMessage() == (
        "Some hook could not record something, and goes on; this is said once. ZeroDivisionError: number 0"
    )
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_goes_through(end: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(end), Guard("Some hook"):
        raise end
    assert not caplog.records


def test_eight_threads_that_fail_at_once_tell_it_once(caplog: pytest.LogCaptureFixture) -> None:
    guard, barrier = Guard("Some hook"), threading.Barrier(8)

    def fail() -> None:
        barrier.wait()
        with guard:
            raise ValueError

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(caplog.records) == 1


def test_refused_name_hinders_no_other_and_none_is_no_value(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard("Some hook")
    for name, value in {"x" * 257: 1, "a\nb": 1, "a": None, "b": 2, "c": object()}.items():
        guard.log(model, name, value, 1, "train")
    assert [(point.name, point.value) for point in model.metrics.list()] == [("b", 2)]
    (record,) = caplog.records
    assert "at most 256 characters" in record.getMessage() and record.exc_info is None


def test_jobs_are_done_in_order_and_one_that_fails_hinders_no_other(
    background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []

    def fail() -> None:
        raise NotFound("it was deleted")

    for job in (lambda: done.append(1), fail, lambda: done.append(2), fail, lambda: done.append(3)):
        background.add(job)
    assert background.flush(60)
    assert done == [1, 2, 3]
    assert [line for line in caplog.messages if "it was deleted" in line] == caplog.messages[:1]


def test_jobs_wait_while_the_server_is_away_and_nobody_waits_for_them(
    background: Background, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []
    is_back = threading.Event()

    def ask() -> None:
        if not is_back.is_set():
            raise Unavailable("The server does not answer.")
        done.append(1)

    background.add(ask)
    background.do(lambda: done.append(2))  # behind it
    wait_for(lambda: bool(caplog.messages))
    assert not background.flush(0.01) and done == []
    is_back.set()
    assert background.flush(60)
    assert done == [1, 2]
    background.do(lambda: done.append(3))  # at once
    assert done == [1, 2, 3]
    assert caplog.messages == ["A test waits for the server, and training goes on: The server does not answer."]


def test_what_has_no_room_is_dropped_and_said(
    background: Background, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_background, "MOST_JOBS", 3)
    go_on = threading.Event()
    background.add(go_on.wait)
    done: list[int] = []
    for number in range(5):
        background.add(functools.partial(done.append, number))
    go_on.set()
    assert background.flush(60)
    assert done == [0, 1]
    assert caplog.messages == ["A test drops what comes now: 3 records wait for the server."]


def test_what_is_left_at_the_end_is_said(
    background: Background, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_background, "EXIT_SECONDS", 0.01)
    go_on = threading.Event()
    background.add(go_on.wait)
    background.finish()
    assert caplog.messages == ["A test could not record all: 1 records that waited are lost."]
    go_on.set()
    assert background.flush(60)


def test_closed_client_is_not_waited_for(background: Background, client: Client) -> None:
    client.close()

    def ask() -> None:
        raise Unavailable("This client is closed.")

    background.add(ask)
    assert background.flush(60)


FORKS = """
import os, threading
from xpstore import init
from xpstore.integrations._background import Background
from xpstore.integrations._guard import Guard

background, go_on, done = Background("A test", Guard("A test"), init()), threading.Event(), []
background.add(go_on.wait)
child = os.fork()
if child == 0:
    background.add(lambda: done.append(1))
    os._exit(0 if background.flush(30) and done == [1] else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
go_on.set()
assert background.flush(30)
"""


def test_forked_child_does_not_do_what_waits_in_its_parent(client: Client, server: Server) -> None:
    """In a program of its own: frameworks that others load have threads that take forks badly."""
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    environment = {**without_settings(), **access, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", FORKS], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
