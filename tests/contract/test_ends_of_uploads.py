"""UploadFile: only a stream that says so is the whole file, and what came of one that breaks counts."""

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc
import pytest

from support.raw import KIB, MIB, Raw, cut, digest_of, tree_digest
from support.services import Server
from xpstore import errors
from xpstore.errors import from_rpc
from xpstore.v1 import artifact_pb2 as pb

SEED = 15
DATA = random.Random(SEED).randbytes(3 * MIB + 77)
HEAD, PIECES = DATA[:MIB], cut(DATA, 200 * KIB)


def messages(
    header: pb.UploadFileHeader, data: Iterable[bytes], *more: pb.UploadFileRequest
) -> list[pb.UploadFileRequest]:
    return [pb.UploadFileRequest(header=header), *(pb.UploadFileRequest(data=piece) for piece in data), *more]


def of_data(data: bytes) -> pb.UploadFileHeader:
    """What a header says of a file."""
    return pb.UploadFileHeader(size_bytes=len(data), blake3=digest_of(data), sha256=hashlib.sha256(data).digest())


@pytest.mark.client
@pytest.mark.parametrize("is_announced", [False, True], ids=["bare", "with size and digests"])
def test_stream_that_ends_at_any_byte_publishes_nothing(is_announced: bool, raw: Raw) -> None:
    """Half-closed without `finish`, as programs in many languages do when they fail."""
    choice = random.Random(SEED)
    for end in (0, len(DATA), *(choice.randrange(len(DATA)) for _ in range(8))):
        header = raw.header()
        if is_announced:
            header.MergeFrom(of_data(DATA))
        with pytest.raises(errors.InvalidArgument) as caught:
            raw.upload_file(header, cut(DATA[:end], 200 * KIB), finish=False)
        assert caught.value.metadata["field"] == "finish", (SEED, end)
        assert caught.value.metadata["expected"] == str(end), (SEED, end)
        assert raw.get_upload(header).offset == end
    assert raw.versions() == []
    header.offset = end
    assert raw.read(raw.upload_file(header, cut(DATA[end:])).version.id) == DATA


@pytest.mark.client
def test_finish_may_come_with_the_last_bytes_alone_or_with_the_header(raw: Raw) -> None:
    finish = pb.UploadFileRequest(finish=True)
    last = pb.UploadFileRequest(data=HEAD[500:], finish=True)
    ends: list[tuple[bytes, list[pb.UploadFileRequest]]] = [
        (HEAD, messages(raw.header(), [HEAD], finish)),
        (HEAD, messages(raw.header(), [HEAD[:500]], last)),
        (b"", messages(raw.header(), [], finish)),
        (b"", [pb.UploadFileRequest(header=raw.header(), finish=True)]),
    ]
    for data, stream in ends:
        answer = raw.stream(raw.stub.UploadFile, stream)
        assert answer.version.digest == tree_digest({"file.bin": data})


@pytest.mark.client
def test_what_comes_after_finish_is_not_read(raw: Raw) -> None:
    finish, more = pb.UploadFileRequest(finish=True), pb.UploadFileRequest(data=b"more")
    answer = raw.stream(raw.stub.UploadFile, messages(raw.header(), [HEAD], finish, more, more))
    assert answer.version.size_bytes == len(HEAD)

    # Nor is it waited for.
    def endless() -> Iterator[pb.UploadFileRequest]:
        yield from messages(raw.header(), [HEAD], finish)
        ended.wait(60)

    ended = threading.Event()
    try:
        assert raw.stream(raw.stub.UploadFile, endless()).version.id == answer.version.id
    finally:
        ended.set()


@pytest.mark.client
def test_empty_messages_are_signs_of_life(raw: Raw) -> None:
    empty = pb.UploadFileRequest()
    stream = [pb.UploadFileRequest(header=raw.header()), empty, empty, pb.UploadFileRequest(data=HEAD), empty]
    answer = raw.stream(raw.stub.UploadFile, [*stream, pb.UploadFileRequest(finish=True)])
    assert raw.read(answer.version.id) == HEAD
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.stream(raw.stub.UploadFile, [pb.UploadFileRequest(header=raw.header()), empty])
    assert caught.value.metadata["field"] == "finish"


@pytest.mark.client
@pytest.mark.parametrize("offset", [0, 1, 100_000, MIB - 1])
def test_bytes_that_are_durable_are_skipped(offset: int, raw: Raw) -> None:
    header = raw.header(blake3=digest_of(DATA))
    with pytest.raises(errors.InvalidArgument):
        raw.upload_file(header, [HEAD], finish=False)
    header.offset = offset
    answer = raw.upload_file(header, cut(DATA[offset:], 300 * KIB))
    assert raw.read(answer.version.id) == DATA


@pytest.mark.client
def test_other_bytes_where_some_are_durable_are_found_by_a_digest(raw: Raw) -> None:
    other = HEAD[::-1] + DATA[MIB:]
    header = raw.header(blake3=digest_of(other))
    with pytest.raises(errors.InvalidArgument):
        raw.upload_file(header, [HEAD], finish=False)
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(header, cut(other))
    assert caught.value.metadata["field"] == "header.blake3" and raw.get_upload(header).offset == 0
    assert raw.read(raw.upload_file(header, cut(other)).version.id) == other


@pytest.mark.client
def test_file_cannot_end_before_what_is_durable_of_it(raw: Raw) -> None:
    header = raw.header()
    with pytest.raises(errors.InvalidArgument):
        raw.upload_file(header, [HEAD], finish=False)
    for offset, data in ((0, []), (0, [HEAD[:-1]]), (10, [])):
        header.offset = offset
        with pytest.raises(errors.InvalidArgument) as caught:
            raw.upload_file(header, data)
        assert (caught.value.metadata["field"], caught.value.metadata["expected"]) == ("finish", str(MIB))
    assert raw.versions() == []
    header.offset = 0
    assert raw.upload_file(header, [HEAD]).version.size_bytes == MIB


def cancelled(raw: Raw, header: pb.UploadFileHeader, data: bytes) -> None:
    """A stream that is broken off when all was handed to gRPC, as by a proxy."""
    given = threading.Event()

    def stream() -> Iterator[pb.UploadFileRequest]:
        yield from messages(header, cut(data, 256 * KIB))
        given.set()
        ended.wait(60)

    ended = threading.Event()
    call: Any = raw.stub.UploadFile.future(stream(), timeout=120, metadata=raw.client.metadata)
    try:
        assert given.wait(60)
        time.sleep(0.1)
        call.cancel()
    finally:
        ended.set()


@pytest.mark.parametrize("mib", [1, 4, 8])
def test_streams_that_are_cancelled_again_and_again_bring_a_file_up(mib: int, raw: Raw) -> None:
    """Before, those of less than 20 MiB brought nothing, however many there were."""
    data = DATA * 3
    header, offset, streams = raw.header(size_bytes=len(data), blake3=digest_of(data)), 0, 0
    while len(data) - offset > mib * MIB:
        cancelled(raw, header, data[offset : offset + mib * MIB])
        header.offset, before = raw.get_upload(header).offset, offset
        offset, streams = header.offset, streams + 1
        assert offset >= before, "what is durable stays so"
    assert streams <= 2 * (len(data) // (mib * MIB)) + 3
    assert raw.read(raw.upload_file(header, cut(data[offset:])).version.id) == data


@pytest.mark.client
@pytest.mark.parametrize("data", [HEAD, bytes(MIB)], ids=["noise", "zeros"])
def test_killed_server_loses_at_most_what_it_says(data: bytes, raw: Raw, server: Server) -> None:
    """While the stream flows: what lies in buffers on the way is little, as the client is slower than the server."""
    sent, ended = 0, threading.Event()
    header = raw.header()

    def stream() -> Iterator[pb.UploadFileRequest]:
        nonlocal sent
        yield pb.UploadFileRequest(header=header)
        while not ended.wait(0.05):
            sent += MIB
            yield pb.UploadFileRequest(data=data)

    call: Any = raw.stub.UploadFile.future(stream(), timeout=120, metadata=raw.client.metadata)
    most = raw.client.limits.pack_bytes
    while sent < most + 20 * MIB:
        assert not call.done()
        time.sleep(0.05)
    taken = sent - 4 * MIB  # the last ones may be on their way
    server.kill()
    ended.set()
    with pytest.raises(errors.Unavailable):
        try:
            call.result()
        except grpc.RpcError as error:
            raise from_rpc(error, "") from None
    server.start()
    assert raw.get_upload(header).offset >= taken - most
    assert raw.versions() == []


@pytest.mark.client
def test_client_that_leaves_after_finish_finds_its_version(raw: Raw) -> None:
    """Who said that the file ends and is gone before the answer repeats it: there is one version, whoever was first."""
    for pause in (0.0, 0.005, 0.02, 0.05, 0.1):
        data = os.urandom(2 * MIB)
        header = raw.header(size_bytes=len(data))
        call: Any = raw.stub.UploadFile.future(
            iter(messages(header, cut(data), pb.UploadFileRequest(finish=True))), metadata=raw.client.metadata
        )
        time.sleep(pause)
        call.cancel()
        again = raw.upload_file(header, cut(data))
        assert again.version.id == header.upload_id and raw.read(again.version.id) == data
        assert raw.get_upload(header).version == again.version
    assert len(raw.versions()) == 5


@pytest.mark.client
def test_two_streams_of_one_upload_never_mix(raw: Raw) -> None:
    """A second stream stops the first one, whose bytes count; whatever they do, the file is that of one of them."""
    header = raw.header(blake3=digest_of(DATA))
    outcomes: list[Callable[[], Any]] = []
    for _ in range(4):
        call: Any = raw.stub.UploadFile.future(
            iter(messages(header, PIECES, pb.UploadFileRequest(finish=True))),
            timeout=60,
            metadata=raw.client.metadata,
        )
        outcomes.append(call.result)
    ids = set()
    for outcome in outcomes:
        try:
            ids.add(outcome().version.id)
        except grpc.RpcError as error:
            assert isinstance(from_rpc(error, ""), errors.Stale)
    assert ids <= {header.upload_id}
    assert raw.read(raw.upload_file(header, PIECES).version.id) == DATA
