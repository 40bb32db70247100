"""Fixtures of the tests of files."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import xpstore
from s3_server import SeaweedFS
from support.between.counting_proxy import CountingProxy
from support.between.lying_s3 import LyingS3
from support.file_index import lay
from support.services import Server
from xpstore.filesystem import XpstoreFileSystem


@pytest.fixture
def fs(project: xpstore.Project) -> Iterator[XpstoreFileSystem]:
    """On the session's client."""
    yield fsspec.filesystem("xpstore")
    XpstoreFileSystem.clear_instance_cache()


@pytest.fixture
def proxy(server: Server) -> Iterator[CountingProxy]:
    with CountingProxy(server.address) as proxy:
        yield proxy


@pytest.fixture
def options(server: Server, proxy: CountingProxy) -> Iterator[dict[str, str]]:
    """Storage options of a connection whose bytes are counted."""
    yield {"api_key": server.api_key, "api_url": proxy.address}
    XpstoreFileSystem.clear_instance_cache()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that was not changed of late."""
    return lay(tmp_path / "file", b"first")


@pytest.fixture(scope="module")
def store(seaweedfs: SeaweedFS) -> Iterator[LyingS3]:
    """What clients and server take for the S3 server."""
    with LyingS3(f"127.0.0.1:{seaweedfs.port}") as lying:
        yield lying


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    """The name of a bucket."""
    return seaweedfs.create_bucket(f"direct-{secrets.token_hex(6)}").rpartition("/")[2].partition("?")[0]
