"""A save takes the way past the server, and whatever that way does, what is saved is whole and right."""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

import xpstore
from support.backends import Backend
from support.between.counting_proxy import CountingProxy
from support.between.lying_s3 import Asked, LyingS3, PassOn, Said, changed, flipped, refusal, said, when
from support.services import Server
from xpstore import DirectoryArtifact
from xpstore._files import ways
from xpstore._files.ways import Way

pytestmark = pytest.mark.transfer

MIB = 1 << 20


@pytest.fixture(scope="module")
def line(
    backend: Backend, bucket: str, store: LyingS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CountingProxy]:
    """The line to a server on that store."""
    folder = tmp_path_factory.mktemp("direct")
    with (
        Server(backend.database_url, store.blob_url(bucket), folder, environment={"XPSTORE_DIRECT": "all"}) as server,
        CountingProxy(server.address) as proxy,
        closing(xpstore.init(server.api_key, proxy.address)),
    ):
        yield proxy


@pytest.fixture
def project(line: CountingProxy, store: LyingS3) -> Iterator[xpstore.Project]:
    store.rules.clear()
    store.asked.clear()
    ways._up.clear()
    with xpstore.Project(id="direct", name="direct") as project:
        yield project


def saved(folder: Path, size: int, name: str = "weights") -> tuple[DirectoryArtifact, bytes]:
    data = secrets.token_bytes(size)
    (folder / "whole.bin").write_bytes(data)
    return DirectoryArtifact.save(folder / "whole.bin", name), data


def is_right(artifact: DirectoryArtifact, data: bytes, folder: Path) -> bool:
    """Whether it comes back, through the server: what was read back once is not asked again."""
    return (artifact.download(folder / "down") / "whole.bin").read_bytes() == data


def proven(project: xpstore.Project) -> Way:
    """What saves before this one have found out."""
    way = ways.way_up(project._client)
    assert way is not None
    way.worked()
    return way


def of_clients(then: Callable[..., Said], times: int | None = None) -> Callable[[Asked, PassOn], Said | None]:
    return when("PUT", then, query="X-Amz-Signature", times=times)


def test_the_bytes_pass_the_server_by(
    project: xpstore.Project, line: CountingProxy, store: LyingS3, tmp_path: Path
) -> None:
    proven(project)
    before = line.sent_bytes
    artifact, data = saved(tmp_path, 40 * MIB)
    assert line.sent_bytes - before < 1 * MIB
    assert all(
        "X-Amz-Signature" in asked.query for asked in store.asked if asked.method == "PUT" and "packs/" in asked.key
    )
    assert is_right(artifact, data, tmp_path)
    before = line.sent_bytes
    again = DirectoryArtifact.save(tmp_path / "whole.bin", "again", reread=True)
    assert again.digest == artifact.digest and line.sent_bytes - before < 1 * MIB


def test_a_first_save_goes_over(project: xpstore.Project, store: LyingS3, tmp_path: Path) -> None:
    artifact, data = saved(tmp_path, 40 * MIB)
    way = ways.way_up(project._client)
    assert way is not None and way.is_proven
    assert is_right(artifact, data, tmp_path)


@pytest.mark.parametrize(
    "lie",
    [
        of_clients(refusal(403, "AccessDenied")),
        of_clients(refusal(503, "SlowDown")),
        of_clients(said(200, b"", ETag='"e"')),  # and stores nothing
        of_clients(said(302, b"", Location="http://127.0.0.1:1/")),
        of_clients(changed(lambda one: Said(500))),  # it has stored it
        of_clients(changed(lambda one: Said(200, {}, b"12345", 10))),  # and dies in its answer
        of_clients(refusal(412, "PreconditionFailed")),  # of nothing
        when("GET", changed(flipped), times=1),
        when("HEAD", changed(lambda one: Said(one.status, {**one.headers, "Content-Length": "17"}))),
    ],
)
@pytest.mark.parametrize("is_proven", [False, True])
def test_whatever_the_bucket_does_it_is_saved(
    project: xpstore.Project, store: LyingS3, tmp_path: Path, lie: Callable[..., Said], is_proven: bool
) -> None:
    if is_proven:
        proven(project)
    store.rules.append(lie)
    artifact, data = saved(tmp_path, 6 * MIB)
    store.rules.clear()
    assert is_right(artifact, data, tmp_path)


def test_it_is_said_once(
    project: xpstore.Project, store: LyingS3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.rules.append(of_clients(refusal(403, "AccessDenied")))
    with caplog.at_level(logging.INFO, "xpstore"):
        saved(tmp_path, 6 * MIB)
        saved(tmp_path, 6 * MIB)
    assert ways.way_up(project._client) is None and store.count("PUT") > 0
    told = [record.message for record in caplog.records if "All bytes go through the server" in record.message]
    assert len(told) == 1 and "403" in told[0] and "Signature" not in told[0]


def test_a_clock_that_is_an_hour_off_costs_nothing(project: xpstore.Project, store: LyingS3, tmp_path: Path) -> None:
    """URLs go by the clock that the bucket says it has: by one that lies they are refused."""
    late = changed(lambda one: Said(one.status, {**one.headers, "Date": formatdate(1.7e9, usegmt=True)}, one.body))
    for method in ("GET", "PUT", "HEAD"):
        store.rules.append(when(method, late, key=""))
    for _ in range(2):
        artifact, data = saved(tmp_path, 6 * MIB)
    store.rules.clear()
    assert is_right(artifact, data, tmp_path)
