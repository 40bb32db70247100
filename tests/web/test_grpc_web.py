"""gRPC-Web, as bytes and as base64: messages, then trailers, in one body."""

import base64

import pytest

from support.web.http import Http, envelope, envelopes
from xpstore.v1 import limits_pb2, project_pb2

pytestmark = pytest.mark.client

LIMITS, PROJECT = "/xpstore.v1.LimitsService/GetLimits", "/xpstore.v1.ProjectService/GetProject"
WEB = "application/grpc-web"


def trailers(data: bytes) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in data.decode().split("\r\n") if line)


@pytest.mark.parametrize("type_", [WEB, f"{WEB}+proto"])
def test_call_as_bytes(type_: str, http: Http) -> None:
    answer = http.ask("POST", LIMITS, envelope(0, b""), {"Content-Type": type_})
    (zero, message), (flags, end) = envelopes(answer.body)
    assert (answer.status, answer.headers["content-type"], zero, flags) == (200, type_, 0, 0x80)
    assert trailers(end)["grpc-status"] == "0"
    assert limits_pb2.GetLimitsResponse.FromString(message).limits.max_points == 10_000


def test_call_as_base64_in_pieces(http: Http) -> None:
    raw = envelope(0, project_pb2.GetProjectRequest(project_id="nobody's %").SerializeToString())
    pieces = [base64.b64encode(raw[:4]), base64.b64encode(raw[4:5])[:3], base64.b64encode(raw[4:5])[3:]]
    answer = http.ask("POST", PROJECT, [*pieces, base64.b64encode(raw[5:])], {"Content-Type": f"{WEB}-text"})
    ((flags, end),) = envelopes(base64.b64decode(answer.body))
    found = trailers(end)
    assert (flags, found["grpc-status"]) == (0x80, "5")
    assert "nobody's %25" in found["grpc-message"] and found["grpc-status-details-bin"]


def test_error_without_a_key(stranger: Http) -> None:
    answer = stranger.ask("POST", LIMITS, envelope(0, b""), {"Content-Type": WEB})
    ((_, end),) = envelopes(answer.body)
    assert (answer.status, trailers(end)["grpc-status"]) == (200, "16")


def test_time_in_any_unit(http: Http) -> None:
    for said, status in (("0n", "4"), ("10S", "0"), ("1H", "0")):
        answer = http.ask("POST", LIMITS, envelope(0, b""), {"Content-Type": WEB, "grpc-timeout": said})
        assert trailers(envelopes(answer.body)[-1][1])["grpc-status"] == status
    assert http.ask("POST", LIMITS, envelope(0, b""), {"Content-Type": WEB, "grpc-timeout": "9"}).status == 400


@pytest.mark.parametrize("body", [b"***", b"AAAAAAA", b"AAA=AAA=AA"])
def test_base64_that_is_none_is_refused(body: bytes, http: Http) -> None:
    answer = http.ask("POST", LIMITS, body, {"Content-Type": f"{WEB}-text"})
    assert trailers(envelopes(base64.b64decode(answer.body))[-1][1])["grpc-status"] == "3"
