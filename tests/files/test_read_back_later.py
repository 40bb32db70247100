"""Packs that are read back after they were closed: until then they are their writer's alone, whatever others ask."""

import json
import secrets
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import xpstore
from support.backends import Backend
from support.between.lying_s3 import LyingS3, changed, flipped, refusal, when
from support.greedy.keys import another
from support.operation.operating import run
from support.raw import (
    MIB,
    Raw,
    chunk_of,
    digest_of,
    entry_of,
    missing,
    open_pack,
    pack_of,
    page_of,
    put,
    root_of,
    write_pack,
)
from support.raw_cache import RawCache, new_fingerprint, new_token
from support.services import Server
from xpstore.errors import DataLoss, Error, NotFound
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server import verifier
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.packs import pack_key
from xpstore_server.store.transfers import client_packs
from xpstore_server.store.transfers.vouched import vouched_by, vouched_packs

pytestmark = pytest.mark.transfer

LATER = {"XPSTORE_DIRECT": "all", "XPSTORE_DIRECT_VERIFY": "later"}


class Two(NamedTuple):
    """Two callers with keys of their own, in one project."""

    writer: Raw
    other: Raw


@pytest.fixture(scope="module")
def server(backend: Backend, bucket: str, store: LyingS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("later")
    with Server(backend.database_url, store.blob_url(bucket), folder, environment=LATER) as server:
        yield server


@pytest.fixture(scope="module")
def other_client(server: Server) -> Iterator[xpstore.Client]:
    with another(server) as client:
        yield client


@pytest.fixture
def two(server: Server, other_client: xpstore.Client, store: LyingS3) -> Iterator[Two]:
    store.rules.clear()
    store.asked.clear()
    with closing(xpstore.init(server.api_key, server.address)) as client:
        uid = client.project(secrets.token_hex(4), "later").uid
        yield Two(Raw(client, uid), Raw(other_client, uid))


@pytest.fixture
def pieces() -> list[bytes]:
    return [secrets.token_bytes(size) for size in (MIB, 5, 70_000)]


def publish_told(raw: Raw, pieces: list[bytes], name: str = "raw") -> pb.ArtifactVersion:
    """Commits files, and sends only what it is told is missing."""
    page = page_of(*(entry_of(f"{number}.bin", piece) for number, piece in enumerate(pieces)))
    raw.upload(chunk_of(page))
    answer = raw.commit(root_of(page), name)
    if lacking := set(answer.missing_digests):
        raw.upload(*(chunk_of(piece) for piece in pieces if digest_of(piece) in lacking))
        answer = raw.commit(root_of(page), name)
    return answer.version


def lie(raw: Raw, pieces: list[bytes]) -> None:
    """Writes a pack of other bytes than those whose digests it names."""
    write_pack(raw, [secrets.token_bytes(len(piece)) for piece in pieces], [digest_of(piece) for piece in pieces])


def versions(raw: Raw) -> list[str]:
    request = pb.ListArtifactVersionsRequest(project_uid=raw.project_uid)
    return [one.id for one in raw.client.call(raw.stub.ListArtifactVersions, request).versions]


def get(raw: Raw, version_id: str) -> pb.ArtifactVersion:
    return raw.client.call(raw.stub.GetArtifactVersion, pb.GetArtifactVersionRequest(version_id=version_id)).version


def reads(store: LyingS3, pack_id: str) -> int:
    """How often the server has read of a pack."""
    return sum(asked.method == "GET" and pack_id in asked.key for asked in store.asked)


def test_its_writer_goes_on_and_another_waits_until_it_is_read_back(
    two: Two, pieces: list[bytes], store: LyingS3
) -> None:
    pack_id = write_pack(two.writer, pieces)
    ends = reads(store, pack_id)
    assert missing(two.writer, pieces) == 0
    assert missing(two.other, pieces) == len(pieces)
    version = publish_told(two.writer, pieces)
    assert get(two.writer, version.id).version == version.version
    assert reads(store, pack_id) == ends, "nobody has read it back"
    assert versions(two.other) == [version.id]
    assert reads(store, pack_id) > ends
    assert missing(two.other, pieces) == 0
    assert [two.other.read(version.id, f"{number}.bin") for number in range(3)] == pieces


def test_a_lie_is_nobodys(two: Two, pieces: list[bytes]) -> None:
    lie(two.writer, pieces)
    assert missing(two.writer, pieces) == 0, "it vouches for them"
    version = publish_told(two.writer, pieces)
    assert versions(two.writer) == [version.id]
    for look in (versions, lambda raw: get(raw, version.id), lambda raw: raw.read(version.id, "0.bin")):
        try:
            assert look(two.other) == []
        except NotFound:
            continue
    assert versions(two.writer) == [], "nor the writer's any more"
    right = two.other.publish({"0.bin": pieces[0]})
    assert two.other.read(right.id, "0.bin") == pieces[0]


@pytest.mark.parametrize("how", ["sent", "written", "named"])
def test_nothing_of_others_stands_on_a_lie(two: Two, pieces: list[bytes], how: str) -> None:
    """Whichever way the others save the true bytes, theirs are stored, or they are told that they are missing."""
    lie(two.writer, pieces)
    if how == "sent":
        two.other.upload(*map(chunk_of, pieces))
    elif how == "written":
        write_pack(two.other, pieces)
    version = publish_told(two.other, pieces)
    assert [two.other.read(version.id, f"{number}.bin") for number in range(3)] == pieces
    assert [two.writer.read(version.id, f"{number}.bin") for number in range(3)] == pieces


def test_its_writer_reads_nothing_that_is_not_read_back(two: Two, pieces: list[bytes]) -> None:
    lie(two.writer, pieces)
    version = publish_told(two.writer, pieces)
    with pytest.raises((NotFound, DataLoss)):
        two.writer.read(version.id, "0.bin")
    assert versions(two.writer) == []


def test_what_the_cache_made_is_read_back_before_others_have_it(two: Two, pieces: list[bytes]) -> None:
    """Also who waits for it is told of no lie: a wait is answered when it is there, without a further look."""
    caches = [RawCache(raw.client, raw.project_uid) for raw in two]
    lie(two.writer, pieces[:1])
    page = page_of(entry_of("0.bin", pieces[0]))
    two.writer.upload(chunk_of(page))
    fingerprint, token = new_fingerprint(), new_token()
    caches[0].reserve(fingerprint, token, force=True)
    answer = caches[0].commit_root(fingerprint, token, root_of(page))
    assert list(answer.missing_digests) == [digest_of(pieces[0])]
    write_pack(two.writer, pieces[:1])
    assert caches[0].commit_root(fingerprint, token, root_of(page)).created
    entry = caches[1].lookup(fingerprint)
    assert entry and two.other.read(entry.version.id, "0.bin") == pieces[0]


def test_what_is_withdrawn_does_not_come_back(two: Two, pieces: list[bytes]) -> None:
    lie(two.writer, pieces)
    version = publish_told(two.writer, pieces)
    request = pb.SetArtifactAliasRequest(version_id=version.id, alias="best")
    two.writer.client.call(two.writer.stub.SetArtifactAlias, request)
    assert versions(two.other) == []
    with pytest.raises(NotFound):
        restore = pb.UndeleteArtifactVersionRequest(version_id=version.id)
        two.writer.client.call(two.writer.stub.UndeleteArtifactVersion, restore)
    two.writer.upload(*map(chunk_of, pieces))
    again = publish_told(two.writer, pieces)
    assert versions(two.other) == [again.id]
    assert again.version > version.version, "and no number is given twice"


def test_a_server_that_is_killed_forgets_nothing(two: Two, pieces: list[bytes], server: Server) -> None:
    write_pack(two.writer, pieces)
    server.kill()
    server.restart()
    version = publish_told(two.writer, pieces)
    server.kill()
    server.restart()
    assert [two.other.read(version.id, f"{number}.bin") for number in range(3)] == pieces


def test_as_long_as_the_bucket_refuses_nothing_is_shown_and_nothing_lost(
    two: Two, pieces: list[bytes], store: LyingS3
) -> None:
    write_pack(two.writer, pieces)
    version = publish_told(two.writer, pieces)
    store.rules.append(when("GET", refusal(403, "AccessDenied"), key="packs/"))
    with pytest.raises(Error):
        two.other.client.call(
            two.other.stub.GetArtifactVersion, pb.GetArtifactVersionRequest(version_id=version.id), timeout_seconds=3
        )
    assert versions(two.writer) == [version.id]
    store.rules.clear()
    assert versions(two.other) == [version.id]
    assert two.other.read(version.id, "0.bin") == pieces[0]


def test_one_bad_read_takes_nothing_away(two: Two, pieces: list[bytes], store: LyingS3) -> None:
    write_pack(two.writer, pieces)
    version = publish_told(two.writer, pieces)
    store.rules.append(when("GET", changed(flipped), key="packs/", times=1))
    assert versions(two.other) == [version.id]
    assert two.other.read(version.id, "0.bin") == pieces[0]


def test_many_who_ask_at_once_get_the_same(two: Two, pieces: list[bytes]) -> None:
    packs = [[*pieces[1:], secrets.token_bytes(MIB)] for _ in range(6)]
    for some in packs:
        write_pack(two.writer, some)
    version = publish_told(two.writer, [some[-1] for some in packs])
    got: list[bytes] = []

    def read(number: int) -> None:
        got.append(two.other.read(version.id, f"{number % 6}.bin"))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted([some[-1] for some in packs] * 2)


class Inside(NamedTuple):
    """What a server does, in this process."""

    database: Database
    chunks: ChunkStore
    packs: client_packs.ClientPacks
    pool: str


@pytest.fixture
def inside(backend: Backend, bucket: str, store: LyingS3, server: Server, two: Two) -> Iterator[Inside]:
    database = Database(backend.database_url)
    with closing(database), closing(MinioBlobs.from_url(store.blob_url(bucket), 4)) as blobs:
        packs = client_packs.ClientPacks(database, blobs, is_later=True)
        yield Inside(database, ChunkStore(database, blobs), packs, two.writer.project_uid)


def test_it_is_read_back_without_being_asked_for(
    inside: Inside,
    two: Two,
    pieces: list[bytes],
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(verifier, "AFTER_US", 0)
    monkeypatch.setattr(verifier, "LOOK_SECONDS", 0.01)
    write_pack(two.writer, pieces)
    wrong = [secrets.token_bytes(100)]
    lie(two.writer, wrong)
    version = publish_told(two.writer, wrong)
    left = inside.database.read(lambda tx: vouched_packs(tx, inside.pool, ""))
    assert len(left) == 2
    environment = {name: value for name, value in server.environment.items() if name.startswith("XPSTORE_")}
    told = run("status", "--json", folder=tmp_path, **environment)
    assert json.loads(told.stdout)["packs_not_read_back"] >= 2
    thread = verifier.Verifier(inside.chunks.vouched, is_later=True)
    thread.start()
    while inside.database.read(lambda tx: vouched_packs(tx, inside.pool, "")):
        pass
    thread.stop()
    assert missing(two.other, pieces) == 0
    assert missing(two.writer, wrong) == 1
    said = next(record.getMessage() for record in caplog.records if "is not what it should be" in record.getMessage())
    assert version.id in said and "1 versions are withdrawn" in said
    assert any(pack_id in said for pack_id in left)


def test_a_pack_that_is_refused_holds_up_no_other(
    inside: Inside, two: Two, pieces: list[bytes], store: LyingS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "AFTER_US", 0)
    monkeypatch.setattr(verifier, "LOOK_SECONDS", 0.01)
    first, second = write_pack(two.writer, pieces[:1]), write_pack(two.writer, pieces[1:])
    store.rules.append(when("GET", refusal(403, "AccessDenied"), key=pack_key(inside.pool, first)))
    thread = verifier.Verifier(inside.chunks.vouched, is_later=True)
    thread.start()
    while second in inside.database.read(lambda tx: vouched_packs(tx, inside.pool, "")):
        pass
    thread.stop()
    assert inside.database.read(lambda tx: vouched_packs(tx, inside.pool, "")) == [first]
    store.rules.clear()
    assert missing(two.other, pieces) == 1
    version = publish_told(two.writer, pieces)
    assert two.other.read(version.id, "0.bin") == pieces[0]


def test_no_more_waits_than_others_may_wait_for(
    inside: Inside, two: Two, pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(pack_of(inside.pool, pieces))
    monkeypatch.setattr(client_packs, "OPEN_BYTES", 2 * size)
    principal, waiting = secrets.token_hex(4), []
    for _ in range(4):
        data = pack_of(inside.pool, [secrets.token_bytes(len(piece)) for piece in pieces])
        pack_id = str(uuid.uuid4())
        assert put(open_pack(two.writer, data, pack_id), data) == 200
        assert inside.packs.close(inside.pool, principal, pack_id)
        waiting.append(inside.database.read(lambda tx: vouched_by(tx, principal)))
    assert waiting == [(1, size), (2, 2 * size), (2, 2 * size), (2, 2 * size)], "what is beyond was read back at once"
