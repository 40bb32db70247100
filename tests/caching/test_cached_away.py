"""Cached functions while the server is away: computed as if they were not cached, told once, and without delay."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpstore
from support.backends import sqlite_url
from support.services import Server
from xpstore import cached, errors
from xpstore._caching import state as caching
from xpstore._caching.state import CacheState

calls: list[int] = []


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()


def double(number: int) -> int:
    calls.append(number)
    return 2 * number


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server to kill."""
    with Server(sqlite_url(tmp_path / "xpstore.db"), (tmp_path / "blobs").as_uri(), tmp_path) as server:
        yield server


@pytest.fixture
def lonely(mortal: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[xpstore.Project]:
    """A project on it, with little patience."""
    monkeypatch.setattr(caching, "REACH_SECONDS", 0.3)
    client = xpstore.Client(mortal.api_key, mortal.address, timeout_seconds=1)
    yield client.project(f"lonely {os.urandom(4).hex()}").open()
    client.close()


def test_server_away_is_told_once_and_costs_no_call_its_result(
    lonely: xpstore.Project, mortal: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    function = cached(name="double", version=1, project=lonely)(double)
    function(3)
    mortal.kill()
    for _ in range(50):
        assert function(3) == 6
    assert len([record for record in caplog.records if "cannot be reached" in record.message]) == 1
    assert len(calls) == 51 and lonely._client.kept(CacheState).counts.uncached == 50
    with pytest.raises(errors.Unavailable):
        function.artifact(3)
    with pytest.raises(errors.Unavailable):
        lonely.cache.get_or_compute("p", {}, lambda: pytest.fail("computed"))
    mortal.start()
    monkeypatch.setattr(lonely._client.kept(CacheState), "_away_until", 0.0)
    monkeypatch.setattr(caching, "AWAY_SECONDS", 0.0)
    while lonely._client.kept(CacheState).counts.hits == 0:  # until the channel tries again
        assert function(3) == 6


def test_server_that_goes_away_during_a_computation_costs_no_result(lonely: xpstore.Project, mortal: Server) -> None:
    @cached(name="kills", version=1, project=lonely)
    def kills(number: int) -> int:
        mortal.kill()
        return number

    assert kills(7) == 7
    mortal.start()


def test_server_that_is_stopped_holds_nobody_up(
    lonely: xpstore.Project, mortal: Server, caplog: pytest.LogCaptureFixture
) -> None:
    function = cached(name="double", version=1, project=lonely)(double)
    os.kill(mortal.pid, signal.SIGSTOP)
    try:
        assert [function(3) for _ in range(20)] == [6] * 20
    finally:
        os.kill(mortal.pid, signal.SIGCONT)
    assert [record.levelno for record in caplog.records if "cannot be reached" in record.message] == [logging.WARNING]


def test_offline_client_computes(tmp_path: Path) -> None:
    client = xpstore.Client("key", "localhost:1", offline=True)
    assert cached(name="double", version=1, project=client.project("p"))(double)(3) == 6
    client.close()
