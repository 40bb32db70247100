"""Fixtures of the tests of the spool."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.services import Server
from xpstore import Client
from xpstore._session import current
from xpstore.project import Project


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of its own for each test, also for the programs it starts."""
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def offline(server: Server) -> Iterator[Project]:
    """A project of a client that is offline."""
    client = Client(api_url=server.address, offline=True)
    before = current.set_client(client)
    with Project(f"offline {secrets.token_hex(6)}") as project:
        yield project
    current.set_client(before)
    client.close()


@pytest.fixture
def online(server: Server) -> Iterator[Client]:
    client = Client(server.api_key, server.address)
    yield client
    client.close()
