"""What an S3 server refuses is told at once, with its code; what may pass is ridden out."""

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xpstore
from s3_server import ACCESS_KEY, SECRET_KEY, SeaweedFS
from support.backends import sqlite_url
from support.between.lying_s3 import HTML, LyingS3, Said, refusal, said, when
from support.between.relay import Relay
from support.services import Server
from xpstore import errors
from xpstore._session import current
from xpstore.artifact import DirectoryArtifact
from xpstore_server.rpc.uploads import packing
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.errors import StoreFull, StoreRefused, StoreUnavailable

Lie = Callable[..., Said]
REFUSALS = [
    (403, "AccessDenied", "lacks the right"),
    (403, "InvalidAccessKeyId", "does not know the key"),
    (403, "SignatureDoesNotMatch", "percent-encoded"),
    (403, "RequestTimeTooSkewed", "clocks"),
    (400, "ExpiredToken", "XPSTORE_BLOB_CREDENTIALS_FILE"),
    (400, "AuthorizationHeaderMalformed", "region=eu-north-1"),
    (301, "PermanentRedirect", "region"),
    (404, "NoSuchBucket", "no such bucket"),
    (409, "InvalidBucketState", "409"),
    (400, "InvalidRequest", "400"),
    (501, "NotImplemented", "501"),
]
IN_A_REGION = "<Region>eu-north-1</Region>"


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    name = f"refusals-{secrets.token_hex(6)}"
    seaweedfs.create_bucket(name)
    return name


@pytest.fixture
def blobs(bucket: str, lying: LyingS3) -> Iterator[MinioBlobs]:
    lying.rules.clear()
    blobs = MinioBlobs.from_url(lying.blob_url(bucket), 4)
    lying.asked.clear()
    yield blobs
    blobs.close()
    lying.rules.clear()


@pytest.mark.parametrize(("status", "code", "cure"), REFUSALS)
def test_refusal_is_told_after_the_second_time(
    status: int, code: str, cure: str, blobs: MinioBlobs, lying: LyingS3
) -> None:
    for method, act in (
        ("PUT", lambda: blobs.put("packs/x", [b"x" * 3_000_000])),
        ("GET", lambda: blobs.get("packs/x", 0, 1)),
        ("DELETE", lambda: blobs.delete("packs/x")),
    ):
        lying.rules[:] = [when(method, refusal(status, code, IN_A_REGION))]
        with pytest.raises(StoreRefused, match=f"{status} {code}") as caught:
            act()
        assert cure in str(caught.value)
        assert SECRET_KEY not in str(caught.value)
        assert lying.count(method) == 2


@pytest.mark.parametrize(("status", "code", "cure"), REFUSALS[:8])
def test_server_that_is_refused_does_not_start_and_says_what_to_set(
    status: int, code: str, cure: str, bucket: str, lying: LyingS3
) -> None:
    lying.rules[:] = [when(method, refusal(status, code, IN_A_REGION), key="") for method in ("GET", "PUT", "HEAD")]
    with pytest.raises(StoreRefused) as caught:
        MinioBlobs.from_url(lying.blob_url(bucket), 4)
    text = str(caught.value)
    assert "XPSTORE_BLOB" in text
    assert str(status) in text and code in text
    assert "\n" not in text
    assert SECRET_KEY not in text


@pytest.mark.parametrize(
    "full",
    [
        refusal(507, "XMinioStorageFull"),
        refusal(403, "QuotaExceeded"),
        refusal(400, "XMinioAdminBucketQuotaExceeded"),
        said(507, HTML),
    ],
)
def test_full_store_is_told_as_full(full: Lie, blobs: MinioBlobs, lying: LyingS3) -> None:
    lying.rules.append(when("PUT", full))
    with pytest.raises(StoreFull, match="no room"):
        blobs.put("packs/x", [b"x"])
    assert lying.count("PUT") == 2
    blobs.delete("packs/x")


PASSING = {
    "503": refusal(503, "SlowDown"),
    "429": refusal(429, "TooManyRequests"),
    "500": refusal(500, "InternalError"),
    "502": said(502, HTML),
    "504": said(504, HTML),
    "400": refusal(400, "RequestTimeout"),
    "409": refusal(409, "OperationAborted"),
    "a single 403": refusal(403, "AccessDenied"),
    "a single 404": refusal(404, "NoSuchBucket"),
}


@pytest.mark.parametrize("passing", PASSING.values(), ids=PASSING)
def test_what_passes_is_ridden_out(passing: Lie, blobs: MinioBlobs, lying: LyingS3) -> None:
    lying.rules[:] = [when(method, passing, times=1) for method in ("PUT", "GET", "DELETE")]
    blobs.put("packs/x", [b"some bytes"])
    assert blobs.get("packs/x", 5, 5) == b"bytes"
    blobs.delete("packs/x")
    assert [lying.count(method) for method in ("PUT", "GET", "DELETE")] == [2, 2, 2]


def test_what_does_not_pass_is_no_refusal(blobs: MinioBlobs, lying: LyingS3) -> None:
    lying.rules.append(when("PUT", refusal(503, "SlowDown")))
    with pytest.raises(StoreUnavailable, match="503 SlowDown"):
        blobs.put("packs/x", [b"x"])


def test_key_that_may_not_list_the_bucket_works(bucket: str, lying: LyingS3) -> None:
    denied = refusal(403, "AccessDenied")

    def of_the_bucket(asked: object, pass_on: Callable[[], Said]) -> Said:
        return denied(asked, pass_on)

    def as_aws(asked: object, pass_on: Callable[[], Said]) -> Said:
        """Who may not list is not told that an object is missing."""
        answer = pass_on()
        return denied(asked, pass_on) if answer.status == 404 else answer

    def rules(asked: object, pass_on: Callable[[], Said]) -> Said | None:
        return of_the_bucket(asked, pass_on) if not getattr(asked, "key", "") else None

    lying.rules[:] = [rules, when("GET", as_aws, key="")]
    blobs = MinioBlobs.from_url(lying.blob_url(bucket), 4)
    assert any("may not list" in line for line in blobs.describe())
    blobs.check(5)
    blobs.put("packs/x", [b"some bytes"])
    assert blobs.get("packs/x", 5, 5) == b"bytes"
    blobs.delete("packs/x")
    with pytest.raises(StoreRefused, match="AccessDenied"):
        blobs.get("packs/x", 0, 1)
    blobs.close()
    lying.rules.append(when("PUT", denied, key=""))
    with pytest.raises(StoreRefused, match=r"XPSTORE_BLOB_URL.*lacks the right"):
        MinioBlobs.from_url(lying.blob_url(bucket), 4)


def test_missing_bucket_is_made_or_told(seaweedfs: SeaweedFS, lying: LyingS3) -> None:
    name = f"made-{secrets.token_hex(6)}"
    lying.rules[:] = [when("PUT", refusal(403, "AccessDenied"), key="")]
    with pytest.raises(StoreRefused, match=f"XPSTORE_BLOB_URL: there is no bucket {name}.*403 AccessDenied"):
        MinioBlobs.from_url(lying.blob_url(name), 4)
    lying.rules[:] = [when("PUT", said(200, HTML), key="")]
    with pytest.raises(StoreRefused, match="no such bucket"):  # a page that says 200 makes none
        MinioBlobs.from_url(lying.blob_url(name), 4)
    assert not seaweedfs.client.bucket_exists(bucket_name=name)
    lying.rules.clear()
    MinioBlobs.from_url(lying.blob_url(name), 4).close()
    assert seaweedfs.client.bucket_exists(bucket_name=name)


@pytest.fixture(scope="module")
def server(bucket: str, lying: LyingS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    lying.rules.clear()
    folder: Path = tmp_path_factory.mktemp("refused")
    with Server(sqlite_url(folder / "x.db"), lying.blob_url(bucket), folder) as server:
        yield server


@pytest.fixture
def project(server: Server, lying: LyingS3) -> Iterator[xpstore.Project]:
    client = xpstore.init(server.api_key, server.address)
    lying.asked.clear()
    with xpstore.Project(id=f"refused {secrets.token_hex(6)}", name="test") as project:
        yield project
    lying.rules.clear()
    current.set_client(None)
    client.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "AccessDenied"),
        (403, "RequestTimeTooSkewed"),
        (301, "PermanentRedirect"),
        (400, "AuthorizationHeaderMalformed"),  # what AWS says of a wrong region
    ],
)
def test_save_that_the_store_refuses_fails_with_its_code(
    status: int, code: str, project: xpstore.Project, lying: LyingS3
) -> None:
    lying.rules.append(when("PUT", refusal(status, code)))
    with pytest.raises(errors.ServerFault, match=f"{status} {code}") as caught:
        DirectoryArtifact.save(secrets.token_bytes(5_000_000), "refused")
    assert SECRET_KEY not in str(caught.value)
    assert lying.count("PUT") <= 4  # its pack, and what was under way: nothing went on trying for 10 s
    lying.rules.clear()
    assert DirectoryArtifact.save(b"works", "refused").open().read() == b"works"


def test_save_into_a_full_store_names_the_disk(project: xpstore.Project, lying: LyingS3) -> None:
    lying.rules.append(when("PUT", refusal(507, "XMinioStorageFull")))
    with pytest.raises(errors.ResourceExhausted, match="no room") as caught:
        DirectoryArtifact.save(secrets.token_bytes(1000), "full")
    assert caught.value.metadata["limit"] == "disk"


def test_save_rides_out_what_passes(project: xpstore.Project, lying: LyingS3) -> None:
    data = secrets.token_bytes(3_000_000)
    lying.rules.append(when("PUT", refusal(503, "SlowDown"), times=5))
    saved = DirectoryArtifact.save(data, "passing")
    lying.rules[:] = [when("GET", refusal(403, "AccessDenied"), times=1)]
    assert saved.open().read() == data


@pytest.mark.parametrize(
    ("keys", "code"),
    [(f"nobody:{SECRET_KEY}", "403 InvalidAccessKeyId"), (f"{ACCESS_KEY}:wrong-secret", "403 SignatureDoesNotMatch")],
)
def test_wrong_keys_are_told_by_a_real_server(keys: str, code: str, seaweedfs: SeaweedFS) -> None:
    with pytest.raises(StoreRefused, match=f"{code}.*XPSTORE_BLOB_URL") as caught:
        MinioBlobs.from_url(f"s3://{keys}@127.0.0.1:{seaweedfs.port}/nobody?secure=false", 4)
    assert "\n" not in str(caught.value) and keys.partition(":")[2] not in str(caught.value)


def test_save_ends_soon_where_the_store_stays_away(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    """The server goes on for as long as a store may be away for a moment, whatever the client's patience is."""
    assert packing.STORE_AWAY_SECONDS <= 10
    constants = {"rpc.uploads.packing.STORE_AWAY_SECONDS": 2}
    with Relay(f"127.0.0.1:{seaweedfs.port}") as there:
        url = f"s3://{ACCESS_KEY}:{SECRET_KEY}@{there.address}/away-{secrets.token_hex(6)}?secure=false"
        server = Server(sqlite_url(tmp_path / "x.db"), url, tmp_path, constants=constants).start()
        client = xpstore.Client(server.api_key, server.address, timeout_seconds=3)
        project = client.project("away").open()
    began = time.monotonic()
    with pytest.raises((errors.Unavailable, errors.DeadlineExceeded)):
        DirectoryArtifact.save(secrets.token_bytes(1000), "away", project=project)
    assert time.monotonic() - began < 60  # 5 s on a quiet machine; for ever is the fault
    client.close()
    server.stop()
