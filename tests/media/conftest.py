"""Fixtures of the tests of media."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.services import Server
from xpstore import Client
from xpstore.model import Model


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of its own for each test, also for the programs it starts."""
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def offline(spool: Path) -> Iterator[Model]:
    """A model of a client that is offline, and has no server."""
    client = Client(api_url="localhost:1", offline=True)
    yield client.project(f"offline {secrets.token_hex(6)}").experiment("e").model("h")
    client.close()


@pytest.fixture
def online(server: Server) -> Iterator[Client]:
    client = Client(server.api_key, server.address)
    yield client
    client.close()
