"""What is no request is told as such by every method, with a reason and without a trace; a stranger is told less."""

import gzip
import os
from collections.abc import Iterator

import grpc
import pytest

from support.door.calls import Answer, Caller, calling, log_of
from support.door.messages import requests
from support.services import Server

pytestmark = pytest.mark.client

PATHS = sorted(requests())
REFLECTION = [f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha")]
LIMITS = "/xpstore.v1.LimitsService/GetLimits"
MIB = 1 << 20
# XPSTORE_TEST_BOMB=512 for one that takes as much memory here.
BOMBS = [int(os.environ.get("XPSTORE_TEST_BOMB", "64"))]


@pytest.fixture
def caller(server: Server) -> Iterator[Caller]:
    with calling(server, server.api_key) as caller:
        yield caller


@pytest.fixture
def stranger(server: Server) -> Iterator[Caller]:
    with calling(server) as caller:
        yield caller


def traces(server: Server) -> list[object]:
    lines = [line for line in log_of(server) if not line.get("text", "").startswith("xpstore-server is listening")]
    return [line for line in lines if line.get("level") in (None, "ERROR") or "trace" in line]


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\xff", b"\x00", b"\x0a\x01\xff\x07", bytes(1000)])
def test_malformed_bytes_are_refused_by_every_method(
    data: bytes, server: Server, caller: Caller, stranger: Caller
) -> None:
    for path in [*PATHS, *REFLECTION]:
        answer = caller.call(path, data)
        assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"), path
        assert answer.metadata["field"] in ("request", "chunks"), path
    # One method: whoever is refused again and again waits a second for each answer.
    assert stranger.call(LIMITS, data).reason == "UNAUTHENTICATED"
    assert traces(server) == []


def test_malformed_bytes_of_strangers_are_not_looked_at(server: Server, stranger: Caller) -> None:
    for path in [*PATHS, *REFLECTION]:
        assert stranger.call(path, b"\xff").reason == "UNAUTHENTICATED", path
    assert traces(server) == []


def test_malformed_message_in_the_midst_of_a_stream_is_refused(server: Server, caller: Caller) -> None:
    for path in (*REFLECTION, "/xpstore.v1.IngestService/IngestStream"):
        answer = caller.call(path, b"", b"\xff")
        assert answer.reason == "INVALID_ARGUMENT", path
    assert traces(server) == []


def test_no_message_and_two_are_refused_where_one_is_due(server: Server, caller: Caller) -> None:
    for path, kind in requests().items():
        if path.rpartition("/")[2] in ("UploadChunks", "UploadFile", "IngestStream"):
            continue
        data = kind().SerializeToString()
        for answer in (caller.call(path), caller.call(path, data, data)):
            assert (answer.reason, answer.metadata.get("field")) == ("INVALID_ARGUMENT", "request"), path
    assert traces(server) == []


def test_stream_without_a_message_is_no_fault_of_the_server(server: Server, caller: Caller) -> None:
    for name in ("ArtifactService/UploadChunks", "ArtifactService/UploadFile", "IngestService/IngestStream"):
        assert caller.call(f"/xpstore.v1.{name}").code in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)
    assert traces(server) == []


@pytest.mark.parametrize("path", ["/xpstore.v1.LimitsService/Nonsense", "/no.such.Service/Method", "/x"])
def test_unknown_method_has_a_reason_and_is_not_told_to_strangers(path: str, caller: Caller, stranger: Caller) -> None:
    answer = caller.call(path, b"\xff")
    assert (answer.code, answer.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")
    assert answer.metadata["value"] == path
    refused = stranger.call(path, b"\xff")
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def too_large(answer: Answer) -> None:
    assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED")
    assert (answer.metadata["limit"], answer.metadata["expected"]) == ("max_message_bytes", str(4 * MIB))
    assert answer.retry_seconds is None, "waiting does not help"


def test_message_that_is_one_byte_too_large_names_the_limit(caller: Caller, stranger: Caller) -> None:
    size = 4 * MIB - 6  # of an unknown field: its tag has two bytes, its length four
    length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80, size >> 21])
    most = b"\xfa\x7f" + length + bytes(size)
    assert len(most) == 4 * MIB
    assert caller.call(LIMITS, most).code == grpc.StatusCode.OK
    too_large(caller.call(LIMITS, most + b"\0"))
    for path in (REFLECTION[0], "/xpstore.v1.IngestService/IngestStream", "/xpstore.v1.ArtifactService/UploadChunks"):
        too_large(caller.call(path, bytes(5 * MIB)))
    assert stranger.call(LIMITS, bytes(5 * MIB)).reason == "UNAUTHENTICATED"


def test_more_entries_than_a_method_takes_are_refused(caller: Caller) -> None:
    """Names of series in a request of ListSeries: 5,000 at most, and what is in each counts."""
    name = b"\x12\x01a"
    path = "/xpstore.v1.MetricService/ListSeries"
    assert caller.call(path, name * 5_000).metadata.get("field") != "request"
    answer = caller.call(path, name * 5_001)
    assert (answer.reason, answer.metadata["field"]) == ("INVALID_ARGUMENT", "request")
    assert "at most 5000 entries" in answer.text


@pytest.mark.parametrize("mebibytes", BOMBS)
def test_bomb_of_zeros_costs_nothing(mebibytes: int, server: Server, caller: Caller, stranger: Caller) -> None:
    before = server.rss_bytes()
    for one in (caller, stranger):
        call = one.begin(LIMITS, [bytes(mebibytes * MIB)], compression=grpc.Compression.Gzip)
        with pytest.raises(grpc.RpcError):
            list(call)
        assert call.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAUTHENTICATED)
    assert len(gzip.compress(bytes(MIB))) < MIB // 500, "this is what travels"
    assert server.rss_bytes() - before < 32 * MIB


def test_a_call_that_is_refused_is_one_line_that_says_who_and_what(server: Server, caller: Caller) -> None:
    caller.metadata = (*caller.metadata, ("x-request-id", "refused-1"))
    caller.call(LIMITS, b"\xff" * 7)
    (line,) = [line for line in log_of(server) if line.get("request_id") == "refused-1"]
    assert (line["level"], line["status"], line["method"]) == ("INFO", "INVALID_ARGUMENT", LIMITS)
    assert (line["principal"], line["field"], line["bytes_in"], line["bytes_out"]) == ("admin", "request", 7, 0)
    assert line["peer"].startswith("ipv4:127.0.0.1:") and 0 <= line["milliseconds"] < 60_000
