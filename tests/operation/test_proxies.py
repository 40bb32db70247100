"""A proxy before the server: what it answers by itself is told as such, with the cure where there is one."""

import os
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest

import xpstore
from support.between.nginx import Nginx
from support.services import Server
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import Error, PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable

pytestmark = pytest.mark.client

ALL = "client_max_body_size 0;"


@pytest.fixture
def name() -> str:
    return f"proxies {secrets.token_hex(6)}"


def connected(server: Server, nginx: Nginx) -> Iterator[xpstore.Client]:
    with nginx:
        client = xpstore.Client(server.api_key, nginx.address)
        yield client
        client.close()


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Iterator[xpstore.Client]:
    """A client behind nginx as it comes."""
    yield from connected(server, Nginx(server.address, tmp_path / "nginx"))


def test_save_through_a_proxy_that_takes_a_megabyte_says_what_to_set(
    client: xpstore.Client, name: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(os.urandom(3_000_000))
    started = time.monotonic()
    with pytest.raises(
        ResourceExhausted, match=f"^{client.api_url}: a proxy .* 413.*client_max_body_size 0;"
    ) as caught:
        DirectoryArtifact.save(tmp_path / "f", "f", project=client.project(name).open())
    assert caught.value.metadata == {"http_status": "413"}
    assert time.monotonic() - started < 20, "it is not tried again for as long as a call may take"


def test_save_through_a_proxy_with_that_setting_is_whole(server: Server, name: str, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    for client in connected(server, Nginx(server.address, tmp_path / "nginx", ALL)):
        artifact = DirectoryArtifact.save(tmp_path / "f", "f", project=client.project(name).open())
        assert artifact.download(tmp_path / "out").joinpath("f").read_bytes() == data


def test_points_pass_a_proxy_that_takes_less_than_a_batch(server: Server, name: str, tmp_path: Path) -> None:
    count = 70_000
    settings = "client_max_body_size 100k;"
    for client in connected(server, Nginx(server.address, tmp_path / "nginx", settings)):
        model = client.project(name).experiment("e").model("h")
        for number in range(count):
            model.metrics.log("loss", number)
        client.flush(120)
        assert (model.metrics.read("loss").values == numpy.arange(count)).all()
        assert client.dropped_count == 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, Unauthenticated),
        (403, PermissionDenied),
        (404, Unavailable),
        (413, ResourceExhausted),
        (429, Unavailable),
        (500, Unavailable),
        (502, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
def test_what_a_proxy_answers_by_itself_is_told_as_such(
    status: int, error: type[Error], server: Server, tmp_path: Path
) -> None:
    settings = f"location /xpstore.v1.LimitsService/ {{ return {status}; }}"
    with Nginx(server.address, tmp_path / "nginx", settings) as nginx:
        told = f"{nginx.address}.*: a proxy before it answered with HTTP status {status}"
        with pytest.raises(error, match=told):
            xpstore.Client(server.api_key, nginx.address, timeout_seconds=1)


def test_server_that_is_killed_behind_a_proxy_is_away_and_no_fault(server: Server, name: str, tmp_path: Path) -> None:
    """The proxy resets the streams that were under way."""
    data = os.urandom(40_000_000)
    (tmp_path / "f").write_bytes(data)
    with ThreadPoolExecutor(2) as pool:
        for client in connected(server, Nginx(server.address, tmp_path / "nginx", ALL)):
            project = client.project(name).open()
            artifact = DirectoryArtifact.save(tmp_path / "f", "f", project=project)
            down = pool.submit(artifact.download, tmp_path / "out")
            up = pool.submit(DirectoryArtifact.save, os.urandom(20_000_000), "g", project=project)
            time.sleep(0.05)
            server.kill()
            server.start()
            assert down.result(120).joinpath("f").read_bytes() == data
            assert up.result(120).version == 1
