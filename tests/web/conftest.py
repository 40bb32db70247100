"""A server that speaks HTTP too."""

import secrets
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.backends import Backend, sqlite_url
from support.web.http import Http
from support.web.server import WebServer


@pytest.fixture
def empty(tmp_path: Path) -> Backend:
    """A store of one test alone."""
    return Backend(
        name="sqlite-disk", database_url=sqlite_url(tmp_path / "xpstore.db"), blob_url=(tmp_path / "blobs").as_uri()
    )


@pytest.fixture(scope="module")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(backend, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def http(server: WebServer) -> Http:
    """The admin, over HTTP."""
    return Http(server.http_port, server.api_key)


@pytest.fixture
def stranger(server: WebServer) -> Http:
    """Somebody without a key."""
    return Http(server.http_port)


@pytest.fixture
def project_id(http: Http) -> str:
    """The id of a project that was made over HTTP."""
    name = f"web {secrets.token_hex(6)}"
    made = {"projectId": name, "name": "web", "creationId": str(uuid.uuid4())}
    answer = http.call("ProjectService/CreateProject", made)
    assert answer.status == 200, answer.body
    return name
