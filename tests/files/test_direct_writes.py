"""Clients write packs past the server: what they are given is good for one PUT, and what they wrote is read back."""

import secrets
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

import xpstore
from support.backends import Backend
from support.between.lying_s3 import HTML, Asked, LyingS3, PassOn, Said, changed, flipped, refusal, said, when
from support.raw import MIB, Raw, close_pack, digest_of, missing, open_pack, pack_of, put
from support.services import Server
from xpstore.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted
from xpstore.v1 import artifact_pb2
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.ids import new_pack_id

pytestmark = pytest.mark.transfer

NONE = artifact_pb2.CODEC_NONE
PIECES = [secrets.token_bytes(size) for size in (MIB, 5, 70_000)]


@pytest.fixture(scope="module")
def writing(
    backend: Backend, bucket: str, store: LyingS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("writing")
    with Server(backend.database_url, store.blob_url(bucket), folder, environment={"XPSTORE_DIRECT": "all"}) as server:
        yield server


@pytest.fixture
def raw(writing: Server, store: LyingS3) -> Iterator[Raw]:
    store.rules.clear()
    store.asked.clear()
    with closing(xpstore.init(writing.api_key, writing.address)) as client:
        yield Raw(client, client.project(secrets.token_hex(4), "writes").uid)


def test_a_pack_is_there_when_it_is_closed_and_not_before(raw: Raw) -> None:
    assert raw.client.limits.direct.write_urls
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, PIECES)
    place = open_pack(raw, data, pack_id)
    assert put(place, data) == 200
    assert missing(raw, PIECES) == len(PIECES)
    assert close_pack(raw, pack_id) == [True]
    assert missing(raw, PIECES) == 0
    assert close_pack(raw, pack_id) == [True], "once more"
    with pytest.raises(AlreadyExists, match="pack_id"):
        open_pack(raw, data, pack_id)
    version = raw.publish({f"{number}.bin": piece for number, piece in enumerate(PIECES)})
    assert raw.read(version.id, "0.bin") == PIECES[0]


def test_a_url_takes_what_was_announced_and_nothing_else(raw: Raw) -> None:
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, PIECES)
    place = open_pack(raw, data, pack_id)
    other = bytes([data[0] ^ 1]) + data[1:]
    assert put(place, other) == 400
    for changed_headers in (
        {"Content_Length": str(len(data) + 1)},
        {"x_amz_checksum_crc32": None},
        {"If_None_Match": None},
    ):
        assert 400 <= put(place, data + b"x"[: "Content_Length" in changed_headers], **changed_headers) < 500
    assert missing(raw, PIECES) == len(PIECES)
    assert put(place, data) == 200
    assert put(place, data) == 412, "a second time, as when an answer was lost"
    assert open_pack(raw, data, pack_id).url, "and a second URL of the same pack"
    assert put(open_pack(raw, other, pack_id), other) == 412
    assert close_pack(raw, pack_id) == [True]
    assert put(place, data) == 412, "nobody writes over what was read back"
    version = raw.publish({"one.bin": PIECES[0]})
    assert raw.read(version.id, "one.bin") == PIECES[0]


def test_bytes_that_are_not_what_they_say_are_nobodys(raw: Raw) -> None:
    """A client that vouches for digests whose bytes it does not have: nobody's save may stand on them."""
    claimed = [digest_of(piece) for piece in PIECES]
    lies = [secrets.token_bytes(len(piece)) for piece in PIECES]
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, lies, claimed)
    assert put(open_pack(raw, data, pack_id), data) == 200
    assert missing(raw, PIECES) == len(PIECES)
    assert close_pack(raw, pack_id) == [False]
    assert missing(raw, PIECES) == len(PIECES)
    assert close_pack(raw, pack_id) == [False]
    version = raw.publish({f"{number}.bin": piece for number, piece in enumerate(PIECES)})
    assert [raw.read(version.id, f"{number}.bin") for number in range(3)] == PIECES


@pytest.mark.parametrize("what", ["nothing", "half", "footer", "other project", "garbage"])
def test_what_is_no_pack_is_not_taken(raw: Raw, what: str) -> None:
    data = pack_of(raw.project_uid, PIECES)
    if what == "half":
        data = data[: len(data) // 2]
    elif what == "footer":
        data = data[len(PIECES[0]) :]
    elif what == "other project":
        data = pack_of(str(uuid.uuid4()), PIECES)
    elif what == "garbage":
        data = secrets.token_bytes(1_000)
    pack_id = str(uuid.uuid4())
    place = open_pack(raw, data, pack_id)
    assert what == "nothing" or put(place, data) == 200
    assert close_pack(raw, pack_id) == [False]
    assert missing(raw, PIECES) == len(PIECES)


def test_an_empty_place_may_be_filled_later(raw: Raw) -> None:
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, PIECES)
    place = open_pack(raw, data, pack_id)
    assert close_pack(raw, pack_id) == [False]
    assert put(place, data) == 200
    assert close_pack(raw, str(uuid.uuid4()), pack_id) == [False, True]


def test_a_server_that_is_killed_at_each_step_goes_on(raw: Raw, writing: Server) -> None:
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, PIECES)
    place = open_pack(raw, data, pack_id)
    kill(writing)
    assert put(place, data) == 200, "the bytes do not need it"
    kill(writing)
    assert close_pack(raw, pack_id) == [True]
    kill(writing)
    assert close_pack(raw, pack_id) == [True]
    version = raw.publish({"one.bin": PIECES[0]})
    assert raw.read(version.id, "one.bin") == PIECES[0]


def kill(server: Server) -> None:
    server.kill()
    server.restart()


def test_what_is_wrong_is_named(raw: Raw) -> None:
    for size, crc, field in ((-1, 0, "size_bytes"), ((64 << 20) + 1, 0, "size_bytes")):
        with pytest.raises(InvalidArgument, match=field):
            open_pack(raw, b"", size=size, crc=crc)
    with pytest.raises(InvalidArgument, match="pack_id"):
        open_pack(raw, b"1", new_pack_id())
    with pytest.raises(NotFound):
        open_pack(Raw(raw.client, str(uuid.uuid4())), b"1")


def ignoring(asked: Asked, pass_on: PassOn) -> Said | None:
    """A server that stores whatever comes by a signed URL: it looks at no signature."""
    is_signed = asked.method == "PUT" and "X-Amz-Signature" in asked.query
    return Said(200, {"ETag": '"e"', "x-amz-request-id": "1"}) if is_signed else None


@pytest.mark.parametrize(
    "lie",
    [
        ignoring,
        when("PUT", changed(lambda one: Said(200, one.headers) if one.status == 412 else one), key="xpstore-check/w"),
        when("PUT", changed(lambda one: Said(200, one.headers) if one.status == 400 else one), key="xpstore-check/w"),
        when("PUT", said(500, HTML), key="xpstore-check/w"),
        when("GET", changed(flipped), key="xpstore-check/w"),
    ],
)
def test_a_bucket_that_does_not_hold_to_it_is_not_offered(bucket: str, store: LyingS3, lie: object) -> None:
    store.rules[:] = [lie]  # type: ignore[list-item]
    with closing(MinioBlobs.from_url(store.blob_url(bucket), 4)) as blobs:
        assert blobs.inlet("packs/one", 1, 0, 60) is None
        store.rules.clear()
        blobs._direct._writes._tried_at = -1e9
        assert (blobs.inlet("packs/one", 1, 0, 60) is None) == (blobs._direct._writes._passes is False)


@pytest.mark.parametrize(
    "lie",
    [
        when("PUT", said(200, b"", ETag='"e"')),  # and stores nothing
        when("GET", changed(flipped)),
        when("GET", changed(lambda one: Said(one.status, one.headers, one.body[:-1]))),
        when("GET", refusal(404, "NoSuchKey")),
    ],
)
def test_a_bucket_that_lies_has_nothing_taken(raw: Raw, store: LyingS3, lie: object) -> None:
    pack_id, data = str(uuid.uuid4()), pack_of(raw.project_uid, PIECES)
    place = open_pack(raw, data, pack_id)
    store.rules.append(lie)  # type: ignore[arg-type]
    put(place, data)
    try:
        stored = close_pack(raw, pack_id, seconds=4)
    except xpstore.errors.Error:
        stored = [False]
    assert stored == [False]
    store.rules.clear()
    assert missing(raw, PIECES) == len(PIECES)


def test_nobody_opens_packs_without_end(raw: Raw) -> None:
    """Last of this file: what is open stays so for an hour."""
    limits = raw.client.limits
    with pytest.raises(ResourceExhausted, match="announced and not closed"):
        for _ in range(limits.max_open_bytes // (64 << 20) + 1):
            open_pack(raw, b"", size=64 << 20)
    with pytest.raises(ResourceExhausted, match="announced and not closed"):
        for _ in range(limits.max_open_packs + 1):
            open_pack(raw, b"", size=10)
    version = raw.publish({"one.bin": PIECES[0]})
    assert raw.read(version.id, "one.bin") == PIECES[0]
