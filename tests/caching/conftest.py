"""Fixtures of the tests of caching: one server on SQLite, two replicas on PostgreSQL, and leases that end soon."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import xpstore
from support.backends import Backend
from support.computed import calls, world
from support.leases import LEASE_SECONDS
from support.raw_cache import RawCache
from support.services import Server
from xpstore._values.ids import new_id
from xpstore_server.store.database import Database


@pytest.fixture(scope="module")
def replicas(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folder: Path = tmp_path_factory.mktemp("replicas")
    settings = {"XPSTORE_CACHE_LEASE_SECONDS": str(LEASE_SECONDS)}
    servers = [
        Server(backend.database_url, backend.blob_url, folder, environment=settings)
        for _ in range(1 if backend.name == "sqlite-disk" else 2)
    ]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def caches(replicas: list[Server]) -> Iterator[list[RawCache]]:
    """One fresh project through two clients: on PostgreSQL through a replica each."""
    clients = [xpstore.Client(replicas[0].api_key, replicas[number % len(replicas)].address) for number in range(2)]
    with clients[0].project(f"leases {new_id()}") as project:
        yield [RawCache(client, project.uid) for client in clients]
    for client in clients:
        client.close()


@pytest.fixture
def database(backend: Backend, replicas: list[Server]) -> Iterator[Database]:
    database = Database(backend.database_url)
    yield database
    database.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(80) as pool:
        yield pool


@pytest.fixture(autouse=True)
def no_calls() -> None:
    calls.clear()
    world.clear()
