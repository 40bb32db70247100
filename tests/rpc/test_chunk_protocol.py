"""FindMissingChunks and UploadChunks spoken by hand: what is taken, what is refused, and that this changes nothing."""

import os
from collections.abc import Callable, Iterator

import grpc
import pytest
import zstandard

import xpstore
from support.raw import MIB, Raw, chunk_of, digest_of, entry_of, page_of, root_of
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2 as pb

TEXT = b"the same words again and again, " * 1000


def packed(data: bytes, /, **changes: object) -> pb.Chunk:
    """A sound compressed chunk, with `changes` that spoil it."""
    frame = zstandard.ZstdCompressor().compress(data)
    return chunk_of(data, **{"codec": pb.CODEC_ZSTD, "data": frame, **changes})


def streamed(data: bytes) -> bytes:
    """A zstd frame that does not say how large its content is."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(data) + compressor.flush()


def lying(data: bytes) -> bytes:
    """A zstd frame whose header declares half of its content."""
    frame = bytearray(zstandard.ZstdCompressor().compress(data))
    assert zstandard.frame_content_size(bytes(frame)) == len(data)
    at = frame.index((len(data) - 256).to_bytes(2, "little"), 4) if len(data) < 65_792 else 5
    width = 2 if len(data) < 65_792 else 4
    declared = len(data) // 2 - (256 if width == 2 else 0)
    frame[at : at + width] = declared.to_bytes(width, "little")
    assert zstandard.frame_content_size(bytes(frame)) == len(data) // 2
    return bytes(frame)


@pytest.mark.store
def test_uploaded_chunks_are_there_and_not_stored_twice(raw: Raw) -> None:
    pieces = [os.urandom(size) for size in (1, 1000, MIB)]
    digests = [digest_of(piece) for piece in pieces]
    assert raw.missing(*digests) == [0, 1, 2]
    first = raw.upload(*map(chunk_of, pieces), chunk_of(pieces[0]))
    assert (first.stored_chunks, first.stored_bytes) == (3, 1001 + MIB)
    assert raw.missing(*digests) == []
    again = raw.upload(*map(chunk_of, pieces))
    assert (again.stored_chunks, again.stored_bytes) == (0, 0)
    absent = digest_of(b"absent")
    assert raw.missing(absent, digests[0], absent, digests[1]) == [0, 2]
    assert raw.missing() == []


@pytest.mark.store
def test_pools_of_projects_are_apart(raw: Raw) -> None:
    piece = os.urandom(1000)
    raw.publish({"file": piece})
    with xpstore.Project(f"other {new_id()}") as project:
        other = Raw(project._client, project.uid)
        assert other.missing(digest_of(piece)) == [0]
        page = page_of(entry_of("file", piece))
        assert list(other.commit(root_of(page)).missing_digests) == [digest_of(page)]
        other.upload(chunk_of(page))
        assert list(other.commit(root_of(page)).missing_digests) == [digest_of(piece)]
        assert other.versions() == []
        assert other.upload(chunk_of(piece)).stored_chunks == 1


@pytest.mark.store
def test_compressed_chunks_are_read_as_what_they_were(raw: Raw) -> None:
    page = page_of(entry_of("file", TEXT, 4096))
    pieces = [TEXT[start : start + 4096] for start in range(0, len(TEXT), 4096)]
    chunks = {piece: packed(piece) for piece in pieces}
    chunks[pieces[0]] = packed(pieces[0], data=streamed(pieces[0]))
    answer = raw.upload(*chunks.values(), packed(page))
    assert answer.stored_chunks == len(chunks) + 1
    version = raw.commit(root_of(page)).version
    assert raw.read(version.id) == TEXT
    assert raw.read(version.id, offset=5000, length=10) == TEXT[5000:5010]


def test_one_message_may_carry_many_chunks_and_none(raw: Raw) -> None:
    pieces = [os.urandom(100) for _ in range(500)]
    messages = [
        pb.UploadChunksRequest(project_uid=raw.project_uid, chunks=map(chunk_of, pieces)),
        pb.UploadChunksRequest(),
        pb.UploadChunksRequest(project_uid=new_id(), chunks=[chunk_of(TEXT)]),
    ]
    answer = raw.stream(raw.stub.UploadChunks, messages)
    assert (answer.stored_chunks, answer.stored_bytes) == (501, 50_000 + len(TEXT))
    assert raw.upload().stored_chunks == 0


SKIPPED = bytes.fromhex("502a4d1803000000616263")

BAD_CHUNKS: dict[str, tuple[str, Callable[[], pb.Chunk]]] = {
    "wrong digest": ("chunks.digest", lambda: chunk_of(TEXT, digest=digest_of(b"other"))),
    "no digest": ("chunks.digest", lambda: chunk_of(TEXT, digest=b"")),
    "short digest": ("chunks.digest", lambda: chunk_of(TEXT, digest=digest_of(TEXT)[:31])),
    "long digest": ("chunks.digest", lambda: chunk_of(TEXT, digest=digest_of(TEXT) + b"x")),
    "too small a size": ("chunks.data", lambda: chunk_of(TEXT, raw_size_bytes=len(TEXT) - 1)),
    "too large a size": ("chunks.digest", lambda: chunk_of(TEXT, raw_size_bytes=len(TEXT) + 1)),
    "no size": ("chunks.raw_size_bytes", lambda: chunk_of(TEXT, raw_size_bytes=0)),
    "negative size": ("chunks.raw_size_bytes", lambda: chunk_of(TEXT, raw_size_bytes=-1)),
    "huge size": ("chunks.raw_size_bytes", lambda: chunk_of(TEXT, raw_size_bytes=1 << 62)),
    "empty": ("chunks.raw_size_bytes", lambda: chunk_of(b"")),
    "no data": ("chunks.digest", lambda: chunk_of(TEXT, data=b"")),
    "over 1 MiB": ("chunks.raw_size_bytes", lambda: chunk_of(bytes(MIB + 1))),
    "no codec": ("chunks.codec", lambda: chunk_of(TEXT, codec=pb.CODEC_UNSPECIFIED)),
    "unknown codec": ("chunks.codec", lambda: chunk_of(TEXT, codec=99)),
    "no frame": ("chunks.digest", lambda: chunk_of(TEXT, codec=pb.CODEC_ZSTD)),
    "empty frame": ("chunks.digest", lambda: packed(TEXT, data=b"")),
    "cut frame": ("chunks.digest", lambda: packed(TEXT, data=zstandard.compress(TEXT)[:-5])),
    "frame of other bytes": ("chunks.digest", lambda: packed(TEXT, data=zstandard.compress(TEXT[::-1]))),
    "frame larger than its content": ("chunks.data", lambda: packed(b"x")),
    "bomb that says so": ("chunks.digest", lambda: packed(TEXT, data=zstandard.compress(bytes(64 * MIB)))),
    "bomb that does not": ("chunks.digest", lambda: packed(TEXT, data=streamed(bytes(64 * MIB)))),
    "bomb that lies": ("chunks.digest", lambda: packed(TEXT, raw_size_bytes=8000, data=lying(bytes(16_000)))),
    "frame with bytes after it": ("chunks.digest", lambda: packed(TEXT, data=zstandard.compress(TEXT) + b"x")),
    "frame that says no size, with bytes after it": ("chunks.digest", lambda: packed(TEXT, data=streamed(TEXT) + b"x")),
    "two frames": ("chunks.digest", lambda: packed(TEXT, data=zstandard.compress(TEXT) + zstandard.compress(b""))),
    "frame to be skipped, after it": ("chunks.digest", lambda: packed(TEXT, data=zstandard.compress(TEXT) + SKIPPED)),
    "window of 1 GiB": ("chunks.digest", lambda: packed(TEXT, data=bytes.fromhex("28b52ffd00a0010000"))),
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
@pytest.mark.client
def test_bad_chunk_is_refused_and_not_stored(name: str, raw: Raw) -> None:
    field, make = BAD_CHUNKS[name]
    good = os.urandom(100)
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload(chunk_of(good), make())
    assert caught.value.metadata["field"] == field
    assert caught.value.request_id
    assert raw.missing(digest_of(TEXT), digest_of(bytes(8000)), digest_of(good)) == [0, 1, 2]


@pytest.mark.client
def test_message_over_the_limit_is_refused(raw: Raw) -> None:
    with pytest.raises(errors.ResourceExhausted):
        raw.stream(raw.stub.UploadChunks, [pb.UploadChunksRequest(chunks=[chunk_of(bytes(5 * MIB))])])
    with pytest.raises(errors.ResourceExhausted):
        raw.missing(*[bytes(32)] * 200_000)
    assert raw.missing(digest_of(TEXT)) == [0]


@pytest.mark.parametrize("messages", [[], [pb.UploadChunksRequest()]], ids=["no message", "no project"])
@pytest.mark.client
def test_upload_without_a_project_is_refused(messages: list[pb.UploadChunksRequest], raw: Raw) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.stream(raw.stub.UploadChunks, messages)
    assert caught.value.metadata["field"] == "project_uid"


def test_upload_to_an_unknown_or_deleted_project_is_not_found(raw: Raw, project: xpstore.Project) -> None:
    unknown = Raw(raw.client, new_id())
    project.delete()
    for gone in (unknown, raw):
        with pytest.raises(errors.NotFound) as caught:
            gone.upload(chunk_of(TEXT))
        assert caught.value.metadata["resource"] == "project"
        with pytest.raises(errors.NotFound):
            gone.missing(digest_of(TEXT))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
@pytest.mark.client
def test_digest_of_another_length_is_refused(length: int, raw: Raw) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.missing(digest_of(TEXT), bytes(length))
    assert caught.value.metadata["field"] == "digests"


@pytest.mark.client
def test_question_about_too_many_digests_is_refused(raw: Raw) -> None:
    most = raw.client.limits.max_digests
    assert raw.missing(*[bytes(32)] * most) == list(range(most))
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.missing(*[bytes(32)] * (most + 1))
    assert caught.value.metadata == {"field": "digests", "value": str(most + 1)}


@pytest.mark.client
def test_bytes_that_are_no_message_are_refused(raw: Raw) -> None:
    def call(kind: str, method: str) -> object:
        make = getattr(raw.client.stubs.channel, kind)
        path = f"/xpstore.v1.ArtifactService/{method}"
        stub = make(path, request_serializer=None, response_deserializer=None)
        request = iter([b"\xff\xff"]) if kind == "stream_unary" else b"\xff\xff"
        return stub(request, timeout=10, metadata=raw.client.metadata)

    for kind, method in (("unary_unary", "FindMissingChunks"), ("stream_unary", "UploadChunks")):
        with pytest.raises(grpc.RpcError) as caught:
            call(kind, method)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert raw.missing(digest_of(TEXT)) == [0]


def test_stream_that_is_cancelled_stores_what_it_stores(raw: Raw) -> None:
    """What a broken stream left is found by the next question, and the rest is sent."""
    pieces = [os.urandom(MIB) for _ in range(20)]

    def messages() -> Iterator[pb.UploadChunksRequest]:
        yield pb.UploadChunksRequest(project_uid=raw.project_uid)
        for piece in pieces:
            yield pb.UploadChunksRequest(chunks=[chunk_of(piece)])
        raise RuntimeError("the client breaks")

    with pytest.raises(errors.Error):
        raw.stream(raw.stub.UploadChunks, messages())
    lacking = raw.missing(*map(digest_of, pieces))
    answer = raw.upload(*(chunk_of(pieces[at]) for at in lacking))
    assert answer.stored_chunks <= len(lacking)
    assert raw.missing(*map(digest_of, pieces)) == []
