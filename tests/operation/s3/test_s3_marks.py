"""An S3 server is believed by a mark that only it makes: what stands between may answer 200 to anything."""

import base64
import secrets
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from s3_server import SeaweedFS
from support.between.lying_s3 import HTML, Asked, LyingS3, PassOn, Said, changed, refusal, said, when
from xpstore_server.store.blobs import minio
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.errors import BlobMissing, StoreUnavailable

Lie = Callable[..., Said]
KEY = "packs/a/b"
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minio, "PAUSES_SECONDS", (0.01, 0.01))
        yield


@pytest.fixture(scope="module")
def opened(seaweedfs: SeaweedFS, lying: LyingS3) -> Iterator[tuple[MinioBlobs, MinioBlobs]]:
    """The bucket behind the liar, and the same one straight."""
    url = seaweedfs.create_bucket(f"marks-{secrets.token_hex(6)}")
    through = MinioBlobs.from_url(lying.blob_url(url.rpartition("/")[2].partition("?")[0]), 4)
    straight = MinioBlobs.from_url(url, 4)
    yield through, straight
    through.close()
    straight.close()


@pytest.fixture
def blobs(opened: tuple[MinioBlobs, MinioBlobs], lying: LyingS3) -> MinioBlobs:
    lying.rules.clear()
    lying.asked.clear()
    return opened[0]


@pytest.fixture
def truth(opened: tuple[MinioBlobs, MinioBlobs]) -> MinioBlobs:
    truth = opened[1]
    truth.delete(KEY)
    return truth


def shifted(answer: Said) -> Said:
    return replace(answer, headers={**answer.headers, "Content-Range": f"bytes 1-100/{len(DATA)}"})


def without(name: str, answer: Said) -> Said:
    return replace(answer, headers={key: value for key, value in answer.headers.items() if key.lower() != name})


LYING_PUTS = {
    "a page": said(200, HTML),
    "nothing": said(200),
    "204": said(204),
    "an ETag of something else": said(200, b"", ETag='"9b2cf535f27731c974343645a3985328"'),
    "a page with an ETag": said(200, HTML, ETag='W/"5f-1"'),
    "a checksum of other bytes": said(200, b"", ETag='"1"', x_amz_checksum_crc32="AAAAAA=="),
    "a way elsewhere that works": said(503, HTML),
}


@pytest.mark.parametrize("lie", LYING_PUTS.values(), ids=LYING_PUTS)
def test_put_that_was_not_stored_is_put_again(lie: Lie, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3) -> None:
    lying.rules.append(when("PUT", lie, times=1))
    blobs.put(KEY, [DATA])
    assert truth.get(KEY, 0, len(DATA)) == DATA
    assert lying.count("PUT") == 2


@pytest.mark.parametrize("lie", LYING_PUTS.values(), ids=LYING_PUTS)
def test_put_that_is_never_stored_is_never_acknowledged(
    lie: Lie, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3
) -> None:
    lying.rules.append(when("PUT", lie))
    with pytest.raises(StoreUnavailable):
        blobs.put(KEY, [DATA])
    with pytest.raises(BlobMissing):
        truth.get(KEY, 0, 1)


def test_server_that_gives_no_checksum_is_asked_what_it_has(
    blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3
) -> None:
    lying.rules.append(when("PUT", changed(lambda answer: without("x-amz-checksum-crc32", answer))))
    blobs.put(KEY, [DATA[:1000], memoryview(DATA)[1000:]])
    assert (lying.count("PUT"), lying.count("HEAD")) == (1, 1)
    assert truth.get(KEY, 0, len(DATA)) == DATA
    blobs.put(KEY, [DATA])
    lying.rules.insert(0, when("HEAD", changed(lambda answer: without("etag", answer)), times=1))
    blobs.put(KEY, [DATA])  # told wrong once, so put again
    assert lying.count("PUT") == 4


def demanding(asked: Asked, pass_on: PassOn) -> Said:
    """A bucket that takes nothing without a checksum, as buckets with object lock do."""
    given = {name.lower(): value for name, value in asked.headers.items()}
    right = base64.b64encode(zlib.crc32(asked.body).to_bytes(4, "big")).decode()
    if given.get("x-amz-checksum-crc32") != right:
        return refusal(400, "InvalidRequest")(asked, pass_on)
    return pass_on()


def test_bucket_may_demand_a_checksum_of_each_put(blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3) -> None:
    lying.rules.append(when("PUT", demanding))
    blobs.put(KEY, [DATA[:100], memoryview(DATA)[100:]])
    assert lying.count("PUT") == 1
    assert truth.get(KEY, 0, len(DATA)) == DATA


LOST_ANSWERS = {"503": Said(503, {}, HTML), "the line is cut": Said(200, {}, b"", length=10)}


@pytest.mark.parametrize("lost", LOST_ANSWERS.values(), ids=LOST_ANSWERS)
def test_put_whose_answer_was_lost_is_made_again(
    lost: Said, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3
) -> None:
    """It was stored, and nobody knows: the same bytes go to the same key."""
    lying.rules.append(when("PUT", lambda asked, pass_on: (pass_on(), lost)[1], times=1))
    blobs.put(KEY, [DATA])
    assert lying.count("PUT") == 2
    assert truth.get(KEY, 0, len(DATA)) == DATA


def test_bytes_that_change_on_their_way_up_are_put_again(blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3) -> None:
    lying.rules.append(
        when("PUT", lambda asked, pass_on: lying.pass_on(replace(asked, body=b"?" + asked.body[1:])), times=1)
    )
    blobs.put(KEY, [DATA])
    assert truth.get(KEY, 0, len(DATA)) == DATA
    assert lying.count("PUT") == 2  # the server compares the checksum


LYING_GETS = {
    "a page": said(200, HTML),
    "nothing": said(200),
    "a page as a range": said(206, HTML),
    "another range": changed(shifted),
    "no range": changed(lambda answer: without("content-range", answer)),
    "less, with its length": changed(lambda answer: replace(answer, body=answer.body[:-7])),
    "less than told": changed(lambda answer: replace(answer, body=answer.body[:50], length=100)),
    "a page that says 404": said(404, HTML),
    "a proxy's 502": said(502, HTML),
    "503": refusal(503, "SlowDown"),
    "429": said(429),
    "400 RequestTimeout": refusal(400, "RequestTimeout"),
}
SINGLE_GETS = {
    "404": refusal(404, "NoSuchKey"),
    "403": refusal(403, "AccessDenied"),
    "416": refusal(416, "InvalidRange"),
}


@pytest.mark.parametrize("lie", [*LYING_GETS.values(), *SINGLE_GETS.values()], ids=[*LYING_GETS, *SINGLE_GETS])
def test_range_that_is_not_one_is_asked_for_again(
    lie: Lie, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3
) -> None:
    truth.put(KEY, [DATA])
    lying.rules.append(when("GET", lie, times=1))
    assert blobs.get(KEY, 300, 100) == DATA[300:400]
    assert lying.count("GET") == 2


@pytest.mark.parametrize("lie", LYING_GETS.values(), ids=LYING_GETS)
def test_what_something_between_says_is_no_loss_of_data(
    lie: Lie, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3
) -> None:
    truth.put(KEY, [DATA])
    lying.rules.append(when("GET", lie))
    with pytest.raises(StoreUnavailable):
        blobs.get(KEY, 300, 100)
    lying.rules.clear()
    assert blobs.get(KEY, 300, 100) == DATA[300:400]


def test_whole_object_may_come_with_200(blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3) -> None:
    truth.put(KEY, [DATA])
    whole = changed(lambda answer: replace(without("content-range", answer), status=200))
    lying.rules.append(when("GET", whole))
    assert blobs.get(KEY, 0, len(DATA)) == DATA
    with pytest.raises(StoreUnavailable, match="not the range"):
        blobs.get(KEY, 5, 100)


def test_object_that_ends_early_and_one_that_is_gone_are_told(blobs: MinioBlobs, truth: MinioBlobs) -> None:
    truth.put(KEY, [DATA])
    assert blobs.get(KEY, len(DATA) - 5, 100) == DATA[-5:]
    with pytest.raises(BlobMissing):
        blobs.get(KEY, len(DATA), 1)
    truth.delete(KEY)
    with pytest.raises(BlobMissing):
        blobs.get(KEY, 0, 1)


@pytest.mark.parametrize("lie", [said(200, HTML), said(200), said(302, HTML, Location="/login")])
def test_deletion_that_something_else_answers_is_none(
    lie: Lie, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3
) -> None:
    truth.put(KEY, [DATA])
    lying.rules.append(when("DELETE", lie, times=1))
    blobs.delete(KEY)
    assert list(truth.list("packs/")) == []
    truth.put(KEY, [DATA])
    lying.rules[:] = [when("DELETE", lie)]
    with pytest.raises(Exception, match=r"answer 200|answers 302"):
        blobs.delete(KEY)
    assert list(truth.list("packs/")) == [(KEY, len(DATA))]


@pytest.mark.parametrize("lie", [said(200, HTML), said(200)])
def test_list_and_check_believe_no_page(lie: Lie, blobs: MinioBlobs, truth: MinioBlobs, lying: LyingS3) -> None:
    truth.put(KEY, [DATA])
    lying.rules.append(when("GET", lie, key="", query="list-type"))
    with pytest.raises(StoreUnavailable, match="Something between"):
        list(blobs.list("packs/"))
    with pytest.raises(StoreUnavailable, match="Something between"):
        blobs.check(5)
    lying.rules.clear()
    assert list(blobs.list("packs/")) == [(KEY, len(DATA))]
    blobs.check(5)


def test_list_that_is_cut_in_the_middle_is_no_list(blobs: MinioBlobs, lying: LyingS3) -> None:
    cut = b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>k</Key><Size>1</Size></Contents>"
    lying.rules.append(when("GET", said(200, cut + b"</ListBucketResult>"), key="", query="list-type"))
    with pytest.raises(StoreUnavailable, match="in the middle"):
        list(blobs.list(""))


def test_keys_come_back_as_they_are(blobs: MinioBlobs, truth: MinioBlobs) -> None:
    keys = [f"packs/list/{number} +&?%41.é" for number in range(3)]
    for key in keys:
        truth.put(key, [b"x"])
    assert list(blobs.list("packs/list/")) == [(key, 1) for key in keys]
    assert [blobs.get(key, 0, 1) for key in keys] == [b"x"] * 3
    for key in keys:
        blobs.delete(key)
    assert list(truth.list("packs/list/")) == []
