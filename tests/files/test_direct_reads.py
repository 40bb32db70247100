"""Clients are told where chunks lie, and fetch them past the server: one range each, for a while."""

import secrets
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import format_datetime
from http.client import HTTPConnection
from pathlib import Path
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest

import xpstore
from s3_server import SeaweedFS
from support.backends import Backend
from support.between.lying_s3 import Asked, LyingS3, PassOn, Said
from support.homes import Home
from support.raw import MIB, Raw, digest_of
from xpstore.errors import Conflict, InvalidArgument, NotFound
from xpstore.v1 import transfer_pb2 as pb
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.blobs.s3.answers import Answer
from xpstore_server.store.blobs.s3.direct import DirectURLs
from xpstore_server.store.blobs.s3.place import read_place

pytestmark = pytest.mark.transfer

PIECES = [secrets.token_bytes(size) for size in (MIB, 5, 70_000, MIB // 2)]
URL, PATH = pb.TRANSFER_WAY_URL, pb.TRANSFER_WAY_PATH
Located = pb.LocateChunksResponse


def get(url: str, range_: str) -> tuple[int, bytes]:
    """A GET as any HTTP client makes it."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=20)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}", headers={"Range": range_} if range_ else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def locate(
    raw: Raw, version_id: str, digests: list[bytes], way: pb.TransferWay = URL, size: int = 0
) -> pb.LocateChunksResponse:
    request = pb.LocateChunksRequest(version_id=version_id, digests=digests, way=way, max_extent_bytes=size)
    return raw.client.call(raw.client.stubs.transfers.LocateChunks, request)


@pytest.fixture(scope="module")
def is_s3(backend: Backend) -> bool:
    return backend.blob_url.startswith("s3:")


@pytest.fixture
def version_id(raw: Raw) -> str:
    return raw.publish({f"{number}.bin": piece for number, piece in enumerate(PIECES)}).id


def test_urls_give_what_was_saved_and_nothing_else(raw: Raw, version_id: str, is_s3: bool) -> None:
    if not is_s3:
        assert not raw.client.limits.direct.read_urls
        with pytest.raises(Conflict, match="no such way"):
            locate(raw, version_id, [digest_of(PIECES[0])])
        return
    assert raw.client.limits.direct.read_urls
    answer = locate(raw, version_id, [digest_of(piece) for piece in PIECES])
    assert 0 < answer.expires_at_us - answer.now_us <= 900_000_000  # several servers refuse older signatures
    found = dict[int, bytes]()
    for extent in answer.extents:
        ((name, value),) = [(header.name, header.value) for header in extent.headers]
        assert (name, value) == ("Range", f"bytes={extent.offset}-{extent.offset + extent.size_bytes - 1}")
        status, data = get(extent.url, value)
        assert (status, len(data)) == (206, extent.size_bytes)
        for chunk in extent.chunks:
            assert chunk.stored_size_bytes == chunk.raw_size_bytes  # random bytes are not compressed
            found[chunk.position] = data[chunk.offset : chunk.offset + chunk.stored_size_bytes]
        for other in ("", "bytes=0-", f"bytes={extent.offset}-{extent.offset + extent.size_bytes}"):
            assert get(extent.url, other)[0] in (400, 403)
    assert [found[position] for position in range(len(PIECES))] == PIECES


def test_extents_are_as_long_as_was_asked(raw: Raw, version_id: str, is_s3: bool) -> None:
    if is_s3:
        digests = [digest_of(piece) for piece in PIECES]
        assert len(locate(raw, version_id, digests, size=1).extents) == len(PIECES)
        assert len(locate(raw, version_id, [*digests, *digests]).extents) == 1


def test_what_is_wrong_is_named(raw: Raw, version_id: str, is_s3: bool) -> None:
    with pytest.raises(InvalidArgument, match="way"):
        locate(raw, version_id, [], way=pb.TRANSFER_WAY_UNSPECIFIED)
    with pytest.raises(InvalidArgument, match="digests"):
        locate(raw, version_id, [b"short"])
    with pytest.raises(InvalidArgument, match="max_extent_bytes"):
        locate(raw, version_id, [], size=-1)
    with pytest.raises(NotFound if is_s3 else Conflict):
        locate(raw, "00000000-0000-4000-8000-000000000000", [])
    with pytest.raises(Conflict, match="no such way"):  # a server that others reach shows no paths
        locate(raw, version_id, [], way=PATH)


def test_another_project_has_no_such_chunk(raw: Raw, client: xpstore.Client, version_id: str, is_s3: bool) -> None:
    other = Raw(client, client.project("another", "another").uid)
    theirs = other.publish({"own.bin": b"of another project"})
    if is_s3:
        with pytest.raises(NotFound, match="chunk"):
            locate(other, theirs.id, [digest_of(PIECES[0])])


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    """The URL of a bucket."""
    return seaweedfs.create_bucket(f"direct-{secrets.token_hex(6)}")


def test_a_url_ends(bucket: str) -> None:
    blobs = MinioBlobs.from_url(bucket, 4)
    blobs.put("packs/one", [b"0123456789"])
    spot = blobs.spot("packs/one", 2, 3, 1)
    assert spot is not None
    assert get(spot.url, "bytes=2-4") == (206, b"234")
    time.sleep(2.5)
    assert get(spot.url, "bytes=2-4")[0] in (400, 403)
    blobs.close()


def test_urls_go_by_the_clock_of_the_bucket() -> None:
    place = read_place("s3://key:secret@s3.example.org/bucket?secure=true")
    own, public = (f"https://{host}.example.org/bucket" for host in ("s3", "files"))
    own_of, public_of = ((lambda key, base=base: urlsplit(f"{base}/{key}")) for base in (own, public))
    urls = DirectURLs(place, own_of, public_of, Mock(), Mock(), "check/")
    urls._reads._passes = True
    headers = Message()
    headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    urls.heard(Answer(200, headers, b""))
    spot = urls.spot("packs/one", 0, 1, 300)
    assert spot is not None
    url = spot.url
    assert url.startswith("https://files.example.org/bucket/packs/one?")
    said = datetime.strptime(url.partition("X-Amz-Date=")[2][:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert timedelta(minutes=55) < said - datetime.now(UTC) < timedelta(minutes=65)
    assert "secret" not in url


def test_a_bucket_that_ignores_ranges_is_not_offered(bucket: str, seaweedfs: SeaweedFS) -> None:
    def without_signature(asked: Asked, pass_on: PassOn) -> Said | None:
        """Gives any range of what somebody may read a part of."""
        if "X-Amz-Signature" not in asked.query:
            return None
        first, last = (int(part) for part in asked.headers["Range"].removeprefix("bytes=").split("-"))
        return Said(206, {"Content-Range": f"bytes {first}-{last}/2"}, b"12"[first : last + 1])

    with LyingS3(urlsplit(bucket).netloc.rpartition("@")[2]) as lying:
        lying.rules.append(without_signature)
        blobs = MinioBlobs.from_url(lying.blob_url(urlsplit(bucket).path.strip("/")), 4)
        assert blobs.spot("packs/one", 0, 1, 60) is None
        blobs.close()


def test_files_are_for_programs_of_the_same_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_HOME", str(tmp_path / "home"))
    with Home(tmp_path / "home"), closing(xpstore.init()) as client:
        raw = Raw(client, client.project("own", "own").uid)
        version = raw.publish({"one.bin": PIECES[0]})
        assert client.limits.direct.read_paths
        (extent,) = locate(raw, version.id, [digest_of(PIECES[0])], way=PATH).extents
        with open(extent.path, "rb") as file:
            file.seek(extent.offset + extent.chunks[0].offset)
            assert file.read(extent.chunks[0].stored_size_bytes) == PIECES[0]
