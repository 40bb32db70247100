"""What is killed, lost or slow: a save finishes when the server is back, and nothing half-done is ever seen."""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from sqlalchemy import func, select

import xpstore
from s3_server import SeaweedFS
from support.backends import Backend
from support.raw import MIB, Raw, chunk_of, digest_of
from support.services import Server
from xpstore import errors
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.errors import from_rpc
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.store import tables
from xpstore_server.store.blobs.opened import open_blobs
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

T = TypeVar("T")


class Stores:
    """A server's database and bytes, seen from behind."""

    def __init__(self, backend: Backend) -> None:
        self.database = Database(backend.database_url)
        self.blobs: BlobStore = open_blobs(backend.blob_url, 2)

    def pack_bytes(self, project: xpstore.Project) -> int:
        """How many bytes of packs a project has."""
        query = select(func.coalesce(func.sum(tables.pack.c.size_bytes), 0)).where(tables.pack.c.pool == project.uid)
        return int(self.database.read(lambda tx: tx.execute(query).scalar_one()))

    def wait_pack_bytes(self, project: xpstore.Project, least: int) -> None:
        deadline = time.monotonic() + 60
        while self.pack_bytes(project) < least:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def pack_keys(self, project: xpstore.Project) -> list[str]:
        """The keys of a project's packs."""

        def unit(tx: Transaction) -> list[str]:
            ids = tx.execute(select(tables.pack.c.id).where(tables.pack.c.pool == project.uid)).scalars()
            return [f"packs/{project.uid}/{id_[:2]}/{id_}" for id_ in ids]

        return self.database.read(unit)

    def published(self, project: xpstore.Project) -> int:
        """How many versions a project has, in whatever state."""
        query = select(func.count()).where(tables.artifact_version.c.project_uid == project.uid)
        return int(self.database.read(lambda tx: tx.execute(query).scalar_one()))


@pytest.fixture
def stores(backend: Backend, server: Server) -> Iterator[Stores]:
    stores = Stores(backend)
    yield stores
    stores.database.close()
    stores.blobs.close()


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A file of some packs."""
    path = tmp_path / "big.bin"
    path.write_bytes(os.urandom(96 * MIB))
    return path


def background(function: Callable[[], T]) -> "Future[T]":
    """Runs a function in a thread of its own."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def is_same(path: Path, other: Path) -> bool:
    return hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


@pytest.mark.store
def test_save_finishes_when_the_server_was_killed_in_the_middle(
    project: xpstore.Project, server: Server, stores: Stores, big: Path, tmp_path: Path
) -> None:
    saving = DirectoryArtifact.save(big, "big", wait=False)
    stores.wait_pack_bytes(project, 30 * MIB)
    server.kill()
    assert not saving.done()
    assert stores.published(project) == 0
    durable = stores.pack_bytes(project)
    assert durable < 96 * MIB
    time.sleep(1)
    server.start()
    assert Artifact.load_all(project=project) == [] or saving.done()
    saved = saving.result(120)
    assert is_same(saved.download(tmp_path / "out") / "big.bin", big)
    # What was durable was not sent again: all packs together are the file once.
    assert stores.pack_bytes(project) < 97 * MIB
    assert [one.id for one in Artifact.load_all(project=project)] == [saved.id]


@pytest.mark.store
def test_download_goes_on_when_the_server_was_killed_in_the_middle(
    project: xpstore.Project, server: Server, big: Path, tmp_path: Path
) -> None:
    saved = DirectoryArtifact.save(big, "big")
    for attempt in range(10):  # this thread may not get to run while one is under way
        out = tmp_path / f"out {attempt}"
        downloading = background(lambda out=out: saved.download(out))  # type: ignore[misc]
        while not has_begun(out) and not downloading.done():
            pass
        server.kill()
        if not (out / "big.bin").exists():
            break
        server.start()
    else:
        pytest.fail("no download was met under way")
    server.start()
    assert is_same(downloading.result(60) / "big.bin", big)
    assert [path.name for path in out.iterdir()] == ["big.bin"]


def has_begun(out: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return any(path.stat().st_size > 10 * MIB for path in out.glob(".*.part"))
    return False


def test_save_finishes_when_the_s3_server_was_killed_in_the_middle(
    project: xpstore.Project,
    backend: Backend,
    stores: Stores,
    big: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if backend.name == "sqlite-disk":
        pytest.skip("no S3 server")
    s3: SeaweedFS = request.getfixturevalue("seaweedfs")
    saving = DirectoryArtifact.save(big, "big", wait=False)
    stores.wait_pack_bytes(project, 30 * MIB)
    s3.kill()
    time.sleep(2)
    assert not saving.done()
    assert stores.published(project) == 0
    s3.restart()
    saved = saving.result(120)
    assert is_same(saved.download(tmp_path / "out") / "big.bin", big)


def test_save_fails_when_the_server_stays_away(
    server: Server, big: Path, stores: Stores, project: xpstore.Project
) -> None:
    impatient = xpstore.Client(server.api_key, server.address, timeout_seconds=2)
    saving = background(lambda: DirectoryArtifact.save(big, "big", project=impatient.project(project.id)))
    stores.wait_pack_bytes(project, 10 * MIB)
    server.kill()
    try:
        with pytest.raises(errors.Unavailable):
            saving.result(60)
    finally:
        server.start()
    assert Artifact.load_all(project=project) == []
    impatient.close()


def lose(stores: Stores, key: str) -> None:
    stores.blobs.delete(key)


def cut_off(stores: Stores, key: str) -> None:
    stores.blobs.put(key, [stores.blobs.get(key, 0, 1000)])


def flip_a_bit(stores: Stores, key: str) -> None:
    data = bytearray(stores.blobs.get(key, 0, 3 * MIB))
    data[MIB + 5] ^= 1
    stores.blobs.put(key, [bytes(data)])


@pytest.mark.parametrize("spoil", [lose, cut_off, flip_a_bit])
@pytest.mark.store
def test_lost_bytes_are_told_and_no_half_file_is_left(
    spoil: Callable[[Stores, str], None], project: xpstore.Project, stores: Stores, tmp_path: Path
) -> None:
    data = os.urandom(3 * MIB)
    DirectoryArtifact.save(data, "first")
    (key,) = stores.pack_keys(project)
    (tmp_path / "data.bin").write_bytes(data)
    saved = DirectoryArtifact.save(tmp_path / "data.bin", "lost")  # its manifest is in a pack of its own
    spoil(stores, key)
    with pytest.raises(errors.DataLoss) as caught:
        saved.download(tmp_path / "out")
    assert caught.value.reason == "DATA_LOSS"
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(errors.DataLoss):
        saved.open().read()


def overwrite(stores: Stores, key: str) -> None:
    stores.blobs.put(key, [b"x" * 500])


@pytest.mark.parametrize("spoil", [lose, overwrite])
def test_lost_manifest_page_is_told(
    spoil: Callable[[Stores, str], None], project: xpstore.Project, stores: Stores, tmp_path: Path
) -> None:
    lost = DirectoryArtifact.save(b"small", "lost")
    (key,) = stores.pack_keys(project)
    spoil(stores, key)
    for use in (lost.files, lost.open, lambda: lost.download(tmp_path / "out")):
        with pytest.raises(errors.DataLoss):
            use()


def test_two_hundred_idle_uploads_do_not_stop_others(project: xpstore.Project, server: Server, tmp_path: Path) -> None:
    """Those that there is a place for stay open, as long as nobody else needs it; what each has sent is durable."""
    before = server.rss_bytes()
    raw, end = Raw(project._client, project.uid), threading.Event()
    pieces = [os.urandom(MIB - 200) for _ in range(200)]

    def messages(piece: bytes) -> Iterator[pb.UploadChunksRequest]:
        yield pb.UploadChunksRequest(project_uid=project.uid, chunks=[chunk_of(piece)])
        end.wait(120)

    calls = [
        raw.stub.UploadChunks.future(messages(piece), timeout=120, metadata=raw.client.metadata) for piece in pieces
    ]
    try:
        others = xpstore.Client(server.api_key, server.address, timeout_seconds=20)
        peak = 0
        for number in range(10):
            data = os.urandom(4 * MIB)
            saved = DirectoryArtifact.save(data, f"other {number}", project=others.project(project.id))
            assert saved.open().read() == data
            peak = max(peak, server.rss_bytes())
        others.close()
        places = raw.client.limits.max_uploads + limits.UPLOADS_WAITING
        deadline = time.monotonic() + 60
        while sum(not call.done() for call in calls) > places:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        still = [piece for piece, call in zip(pieces, calls, strict=True) if not call.done()]
        assert 20 <= len(still) <= places
        while raw.missing(*map(digest_of, still)):  # an idle stream's chunk becomes durable by itself
            assert time.monotonic() < deadline
            time.sleep(0.2)
            peak = max(peak, server.rss_bytes())
    finally:
        end.set()
    for call in calls:
        try:
            assert call.result().stored_chunks == 1
        except grpc.RpcError as error:  # for want of a place
            assert from_rpc(error, "").metadata["limit"] == "max_uploads"
    assert peak - before < 512 * MIB
