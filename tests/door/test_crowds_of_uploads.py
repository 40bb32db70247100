"""Uploads of greedy clients: the server's memory stays under the bound that it states, and others go on."""

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import xpstore
from support.raw import MIB, Raw, chunk_of, digest_of
from support.services import Server
from support.uploads.crowd import Crowd, peak_bytes, wait_until
from xpstore import errors
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import from_rpc
from xpstore.format.messages import varint
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.settings import Settings

BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)


def bound_mib() -> int:
    """The formula of docs/server.md."""
    buffers: int = Settings.model_fields["upload_memory_mib"].default
    return 150 + buffers + 13 * limits.UPLOADS_IN_ALL + 6 * limits.UPLOADS_WAITING


def test_documents_say_the_bound() -> None:
    text = (Path(__file__).parents[2] / "docs" / "server.md").read_text()
    formula = f"150 + XPSTORE_UPLOAD_MEMORY_MIB + 13 x {limits.UPLOADS_IN_ALL} + 6 x {limits.UPLOADS_WAITING}"
    assert f"`{formula}` MiB" in text
    assert f"{bound_mib()} MiB" in text


def of_files(raw: Raw, data: bytes) -> list[Any]:
    return [pb.UploadFileRequest(header=raw.header()), pb.UploadFileRequest(data=data)]


def of_chunks(raw: Raw, data: bytes) -> list[Any]:
    pieces = [os.urandom(16) + data[start + 16 : start + MIB] for start in range(0, len(data), MIB)]
    return [pb.UploadChunksRequest(project_uid=raw.project_uid, chunks=map(chunk_of, pieces))] * 2


@pytest.mark.client
@pytest.mark.parametrize("method", ["UploadFile", "UploadChunks"])
def test_memory_is_bounded_whatever_clients_do(method: str, raw: Raw, server: Server) -> None:
    """150 streams over 20 connections that stop after 3 MiB held 2.1 GiB, and for ever."""
    server.restart()
    raw.upload(*(chunk_of(os.urandom(MIB)) for _ in range(12)))
    make: Callable[[Raw, bytes], list[Any]] = of_files if method == "UploadFile" else of_chunks
    data = os.urandom(3 * MIB)
    with Crowd(server, method) as crowd:
        for _ in range(150):
            crowd.add(make(raw, data))
        # All have a place, or were told to come again: those who wait, and those who are read.
        places = raw.client.limits.max_uploads + limits.UPLOADS_WAITING
        wait_until(lambda: len(crowd.statuses()) >= 150 - places)
        assert set(crowd.statuses()) <= set(BUSY)
        # Beside them others go on.
        saved = DirectoryArtifact.save(os.urandom(2 * MIB), "beside them")
        assert saved.size_bytes == 2 * MIB
        assert peak_bytes(server) < bound_mib() * MIB
    print(f"peak {peak_bytes(server) >> 20} MiB, {bound_mib()} allowed")


@pytest.mark.client
def test_who_finds_no_place_is_told_when_to_come_again(raw: Raw, server: Server) -> None:
    """All places are taken by streams that are read and not slow, so nobody can be asked to leave."""
    pieces = [pb.UploadFileRequest(data=os.urandom(128 << 10)) for _ in range(8)]

    def steady() -> Iterator[Any]:
        yield pb.UploadFileRequest(header=raw.header())
        while True:
            yield from pieces

    with Crowd(server, "UploadFile") as crowd:
        places = raw.client.limits.max_uploads + limits.UPLOADS_WAITING
        for _ in range(places + 10):
            crowd.add(steady(), pause_seconds=0.3)
        wait_until(lambda: len(crowd.statuses()) >= 10)
        (refused, *_) = (call for call in crowd.calls if call.done())
        with pytest.raises(errors.Error) as caught:
            raise from_rpc(refused.exception(), "")
        assert isinstance(caught.value, errors.ResourceExhausted | errors.DeadlineExceeded)
        assert caught.value.metadata["limit"] == "max_uploads" and caught.value.retry_seconds


@pytest.mark.client
def test_streams_of_one_key_beyond_its_number_wait(raw: Raw, server: Server) -> None:
    """Those that are read are as many as GetLimits says; the next one goes on when one of them ends."""
    most = raw.client.limits.max_uploads
    header = raw.header()

    def steady() -> Iterator[Any]:
        yield pb.UploadFileRequest(header=raw.header())
        while True:
            yield pb.UploadFileRequest(data=os.urandom(256 << 10))

    with Crowd(server, "UploadFile", 4) as crowd:
        for _ in range(most):
            crowd.add(steady(), pause_seconds=0.2)
        time.sleep(1)
        waiting = crowd.add([pb.UploadFileRequest(header=header)])
        time.sleep(2)
        with pytest.raises(errors.NotFound):  # its header is not read yet
            raw.get_upload(header)
        crowd.calls[0].cancel()
        wait_until(lambda: _is_there(raw, header))
        assert not waiting.done()


def _is_there(raw: Raw, header: pb.UploadFileHeader) -> bool:
    try:
        return raw.get_upload(header).offset == 0
    except errors.NotFound:
        return False


def test_message_has_at_most_max_chunks(raw: Raw) -> None:
    most = raw.client.limits.max_chunks
    assert most == 4_096
    pieces = [number.to_bytes(8, "little") + os.urandom(8) for number in range(60_000)]
    head = pb.UploadChunksRequest(project_uid=raw.project_uid)
    fits = pb.UploadChunksRequest(chunks=map(chunk_of, pieces[:most]))
    assert raw.stream(raw.stub.UploadChunks, [head, fits]).stored_chunks == most
    beyond = pb.UploadChunksRequest(project_uid=raw.project_uid, chunks=map(chunk_of, pieces[-most - 1 :]))
    for stream in ([beyond], [head, beyond]):
        with pytest.raises(errors.ResourceExhausted) as caught:
            raw.stream(raw.stub.UploadChunks, stream)
        assert (caught.value.metadata["limit"], caught.value.metadata["expected"]) == ("max_chunks", str(most))
    many = pb.UploadChunksRequest(project_uid=raw.project_uid, chunks=map(chunk_of, pieces))
    with pytest.raises(errors.InvalidArgument) as refused:  # by the door: more than any message of it may have
        raw.stream(raw.stub.UploadChunks, [many])
    assert refused.value.metadata["field"] == "request"
    assert raw.missing(digest_of(pieces[-1])) == [0]


@pytest.mark.client
def test_bytes_around_a_chunk_are_not_kept_with_it(raw: Raw, server: Server) -> None:
    """A message of 3 MiB may have one chunk of 8 bytes: in memory is the chunk, not the message that it came in."""
    server.restart()
    padding = b"\x7a" + varint(3 * MIB) + bytes(3 * MIB)  # a field of a contract to come

    def message() -> bytes:
        request = pb.UploadChunksRequest(project_uid=raw.project_uid, chunks=[chunk_of(os.urandom(8))])
        return request.SerializeToString() + padding

    path = "/xpstore.v1.ArtifactService/UploadChunks"
    call: Any = raw.client.stubs.channel.stream_unary(path, response_deserializer=pb.UploadChunksResponse.FromString)
    raw.upload(*(chunk_of(os.urandom(MIB)) for _ in range(12)))
    before = server.rss_bytes()
    answer = call((message() for _ in range(150)), timeout=120, metadata=raw.client.metadata)
    assert answer.stored_chunks == 150
    assert peak_bytes(server) - before < 100 * MIB


@pytest.mark.client
def test_message_of_nothing_but_other_fields_is_refused_at_once(raw: Raw) -> None:
    """Two million of them would keep the server busy for seconds; each chunk may have as many."""
    fields = b"\x78\x00" * (2 * MIB - 64)
    chunk = b"\x12" + varint(len(fields)) + fields
    call: Any = raw.client.stubs.channel.stream_unary("/xpstore.v1.ArtifactService/UploadChunks")
    for message in (fields, chunk):
        head = pb.UploadChunksRequest(project_uid=raw.project_uid).SerializeToString()
        for stream in ([head + message[:-64]], [head, message]):
            with pytest.raises(grpc.RpcError) as caught:
                call(iter(stream), timeout=60, metadata=raw.client.metadata)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value


def test_limits_are_numbers_of_the_documents() -> None:
    text = (Path(__file__).parents[2] / "proto" / "xpstore" / "v1" / "limits.proto").read_text()
    (said,) = re.findall(r"Most bytes of one UploadFile that a server loses when it is killed \((\d+) MiB\)", text)
    assert int(said) * MIB == limits.PACK_BYTES


@pytest.mark.client
def test_client_waits_when_the_server_is_busy(raw: Raw, project: xpstore.Project, server: Server) -> None:
    """A save finds no place at first, and is made all the same."""

    def steady() -> Iterator[Any]:
        yield pb.UploadFileRequest(header=raw.header())
        while True:
            yield pb.UploadFileRequest(data=os.urandom(64 << 10))

    with Crowd(server, "UploadFile") as crowd:
        for _ in range(raw.client.limits.max_uploads + limits.UPLOADS_WAITING + 4):
            crowd.add(steady(), pause_seconds=0.3)
        wait_until(lambda: len(crowd.statuses()) >= 4)
        saving = DirectoryArtifact.save(os.urandom(MIB), "patient", wait=False)
        time.sleep(3)
        for call in crowd.calls:
            call.cancel()
        assert saving.result(60).size_bytes == MIB
