"""One bad read of a store is read again; only what is bad twice is lost, and only that is told as DATA_LOSS."""

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpstore
from support.backends import Backend, sqlite_url
from support.between.lying_s3 import HTML, Asked, LyingS3, PassOn, Said, changed, flipped, refusal, said, when
from support.raw import Raw, digest_of
from support.services import Server
from support.stores import Store, check_exact, fresh
from xpstore import errors
from xpstore._session import current
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.garbage.rebuild_index import Rebuilt

BAD_READS = {
    "a flipped bit": changed(flipped),
    "a page": said(200, HTML),
    "404": refusal(404, "NoSuchKey"),
    "403": refusal(403, "AccessDenied"),
}
MIB = 1 << 20


@pytest.fixture(scope="module")
def server(lying: LyingS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("bad-reads")
    url = lying.blob_url(f"bad-reads-{secrets.token_hex(6)}")
    with Server(sqlite_url(folder / "x.db"), url, folder, environment={"XPSTORE_LOG_LEVEL": "DEBUG"}) as server:
        yield server


@pytest.fixture
def project(server: Server, lying: LyingS3) -> Iterator[xpstore.Project]:
    client = xpstore.init(server.api_key, server.address)
    lying.rules.clear()
    with xpstore.Project(id=f"bad reads {secrets.token_hex(6)}", name="test") as project:
        yield project
    lying.rules.clear()
    current.set_client(None)
    client.close()


def save(size: int = 3 * MIB) -> tuple[Artifact, bytes]:
    data = secrets.token_bytes(size)
    return DirectoryArtifact.save(data, f"of {size} bytes"), data


@pytest.mark.parametrize("bad", BAD_READS)
def test_single_bad_read_is_read_again(bad: str, project: xpstore.Project, lying: LyingS3, tmp_path: Path) -> None:
    lying.rules[:] = [when("GET", BAD_READS[bad], times=1)]  # the commit reads its manifest page
    saved, data = save()
    lying.rules[:] = [when("GET", BAD_READS[bad], times=1)]
    assert saved.open().read() == data
    lying.rules[:] = [when("GET", BAD_READS[bad], times=1)]
    saved.download(tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    assert path.read_bytes() == data


def test_bad_chunks_are_asked_for_once_more_each(project: xpstore.Project, lying: LyingS3, tmp_path: Path) -> None:
    """The server sends chunks as they rest; it is the client that sees what is wrong with them."""
    saved, data = save(20 * MIB)
    seen = set[str]()

    def flip_each_pack_once(asked: Asked, pass_on: PassOn) -> Said:
        is_first = asked.key not in seen
        seen.add(asked.key)
        return flipped(pass_on()) if is_first else pass_on()

    lying.rules.append(when("GET", flip_each_pack_once))
    saved.download(tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    assert path.read_bytes() == data


def test_what_is_always_read_wrong_is_lost_and_not_put_in_place(
    project: xpstore.Project, lying: LyingS3, tmp_path: Path
) -> None:
    saved, _ = save()
    saved.files()
    lying.rules.append(when("GET", changed(flipped)))
    with pytest.raises(errors.DataLoss):
        saved.download(tmp_path / "out")
    assert list((tmp_path / "out").glob("[!.]*")) == []
    with pytest.raises(errors.DataLoss):
        saved.open().read()


def test_first_put_that_was_not_stored_loses_nothing(project: xpstore.Project, lying: LyingS3) -> None:
    lying.rules.append(when("PUT", said(200, HTML), times=1))
    saved, data = save(25 * MIB)
    assert saved.open().read() == data


def test_chunk_that_the_project_does_not_have_is_not_found(
    project: xpstore.Project, server: Server, lying: LyingS3
) -> None:
    saved, _ = save(1000)
    stub, before = project._client.stubs.artifacts, len(server.log.read_bytes())
    unknown = pb.ReadChunksRequest(version_id=saved.id, digests=[b"\x07" * 32])
    with pytest.raises(errors.NotFound, match="chunk") as caught:
        list(project._client.stream(stub.ReadChunks, unknown))
    assert caught.value.metadata["resource"] == "chunk"
    log = server.log.read_bytes()[before:].decode()
    (line,) = [json.loads(line) for line in log.splitlines() if "ReadChunks" in line]
    assert (line["level"], line["status"]) == ("INFO", "NOT_FOUND")
    assert "Traceback" not in log
    (chunk,) = [entry.chunk_digests for entry in _entries(project, saved.id)]
    lying.rules.append(when("GET", refusal(404, "NoSuchKey")))
    with pytest.raises(errors.DataLoss):
        list(project._client.stream(stub.ReadChunks, pb.ReadChunksRequest(version_id=saved.id, digests=[chunk])))


def _entries(project: xpstore.Project, version_id: str) -> list[pb.ManifestEntry]:
    request = pb.ReadManifestRequest(version_id=version_id)
    answers = project._client.stream(project._client.stubs.artifacts.ReadManifest, request)
    return [entry for answer in answers for entry in answer.entries]


@pytest.fixture
def store(lying: LyingS3, tmp_path: Path) -> Iterator[Store]:
    lying.rules.clear()
    url = lying.blob_url(f"bad-reads-{secrets.token_hex(6)}")
    store = Store(Backend(name="sqlite-s3", database_url=sqlite_url(tmp_path / "x.db"), blob_url=url))
    yield store
    lying.rules.clear()
    store.blobs.close()
    store.database.close()


def read(store: Store, pieces: list[bytes]) -> list[bytes]:
    return [bytes(raw) for raw in store.chunks.read(store.pool, [digest_of(piece) for piece in pieces])]


@pytest.mark.parametrize("bad", BAD_READS)
def test_repack_writes_no_wrong_byte_on(bad: str, store: Store, lying: LyingS3) -> None:
    pieces = fresh(4)
    store.put(*pieces)
    kept, gone = store.commit(*pieces[:2], name="kept"), store.commit(*pieces[2:], name="gone")
    store.delete(gone)
    lying.rules.append(when("GET", BAD_READS[bad], times=1))
    swept = store.gc(repack_all=True)
    lying.rules.clear()
    assert swept.repacked_packs
    assert store.digest(kept)
    check_exact(store.database, store.chunks, store.blobs)
    assert [bytes(raw) for raw in store.chunks.read(store.pool, [digest_of(piece) for piece in pieces[:2]])] == pieces[
        :2
    ]


def test_repack_leaves_alone_what_it_always_reads_wrong(store: Store, lying: LyingS3) -> None:
    pieces = fresh(4)
    store.put(*pieces)
    store.commit(*pieces[:2], name="kept")
    before = sorted(store.blobs.list("packs/"))
    lying.rules.append(when("GET", changed(flipped)))
    store.gc(repack_all=True)
    lying.rules.clear()
    assert set(before) <= set(store.blobs.list("packs/"))
    assert [bytes(raw) for raw in store.chunks.read(store.pool, [digest_of(piece) for piece in pieces[:2]])] == pieces[
        :2
    ]


def test_index_is_built_in_spite_of_a_bad_read(store: Store, lying: LyingS3) -> None:
    store.put(*fresh(2))
    lying.rules.append(when("GET", changed(flipped), times=1))
    rebuilt: Rebuilt = store.index_builder.run(print)
    assert (rebuilt.objects, rebuilt.damaged_objects) == (1, 0)


def test_download_that_is_broken_off_is_no_error(project: xpstore.Project, server: Server) -> None:
    saved, _ = save(20 * MIB)
    raw, (file,) = Raw(project._client, project.uid), saved.files()
    begin, request = len(server.log.read_text()), pb.ReadFileRequest(version_id=saved.id, path=file.path)
    for _ in range(3):
        call = raw.stub.ReadFile(request, timeout=60, metadata=raw.client.metadata)
        assert next(call).header.size_bytes == 20 * MIB and next(call).data
        call.cancel()
    deadline = time.monotonic() + 60
    while server.log.read_text()[begin:].count("/ReadFile") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert saved.open().read(10)
    told = server.log.read_text()[begin:]
    assert not any(word in told for word in ("ERROR", "WARNING", "Traceback", "never retrieved")), told
