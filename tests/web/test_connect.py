"""Connect over HTTP/1.1: what gRPC answers, as JSON and as bytes, by POST and by GET, streamed and at once."""

import base64
import gzip
import json
import uuid
from typing import Any
from urllib.parse import quote

import pytest

import xpstore
from support.door.calls import log_of
from support.web.http import JSON, Http, envelope, envelopes
from support.web.server import WebServer
from xpstore.v1 import limits_pb2, metric_pb2, project_pb2

pytestmark = pytest.mark.client

LIMITS = "/xpstore.v1.LimitsService/GetLimits"
PROTO = "application/proto"
CONNECT_JSON, CONNECT_PROTO = "application/connect+json", "application/connect+proto"


def test_json_has_integers_of_64_bits_as_text(http: Http) -> None:
    limits = http.call("LimitsService/GetLimits", {}).json["limits"]
    assert (limits["contractVersion"], limits["maxPoints"], limits["maxStreamBytes"]) == ("1.1", 10_000, "268435456")


def test_bytes_are_what_grpc_sends(http: Http) -> None:
    answer = http.ask("POST", LIMITS, b"", {"Content-Type": PROTO})
    assert (answer.status, answer.headers["content-type"]) == (200, PROTO)
    assert limits_pb2.GetLimitsResponse.FromString(answer.body).limits.max_points == 10_000


def test_what_is_written_over_http_is_read_by_grpc(server: WebServer, project_id: str) -> None:
    client = xpstore.Client(server.api_key, server.address)
    assert client.project(project_id).open().name == "web"
    client.close()


@pytest.mark.parametrize("type_", [JSON, PROTO])
def test_gzip_both_ways(type_: str, http: Http, project_id: str) -> None:
    request = project_pb2.GetProjectRequest(project_id=project_id)
    body = json.dumps({"projectId": project_id}).encode() if type_ == JSON else request.SerializeToString()
    headers = {"Content-Type": type_, "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    answer = http.ask("POST", "/xpstore.v1.ProjectService/GetProject", gzip.compress(body), headers)
    assert answer.status == 200 and "content-encoding" not in answer.headers, "it is too small to be worth it"
    answer = http.ask("POST", LIMITS, gzip.compress(b"{}" if type_ == JSON else b""), headers)
    packed = answer.headers.get("content-encoding") == "gzip"
    assert packed == (type_ == JSON)
    text = gzip.decompress(answer.body) if packed else answer.body
    assert b"1.0" in text


@pytest.mark.parametrize("as_base64", [False, True])
@pytest.mark.parametrize("encoding", ["json", "proto"])
def test_get_reads(encoding: str, as_base64: bool, http: Http, project_id: str) -> None:
    request = project_pb2.GetProjectRequest(project_id=project_id)
    message = json.dumps({"projectId": project_id}).encode() if encoding == "json" else request.SerializeToString()
    text = base64.urlsafe_b64encode(message).rstrip(b"=").decode() if as_base64 else quote(message)
    query = f"connect=v1&encoding={encoding}&message={text}" + ("&base64=1" if as_base64 else "")
    answer = http.ask("GET", f"/xpstore.v1.ProjectService/GetProject?{query}")
    assert answer.status == 200, answer.body
    if encoding == "json":
        assert answer.json["project"]["id"] == project_id
    else:
        assert project_pb2.GetProjectResponse.FromString(answer.body).project.id == project_id


def test_get_is_for_what_changes_nothing(http: Http) -> None:
    answer = http.ask("GET", "/xpstore.v1.ProjectService/CreateProject?encoding=json&message=%7B%7D")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert http.ask("GET", f"{LIMITS}?encoding=json").why == (400, "INVALID_ARGUMENT", "message")
    assert http.ask("GET", f"{LIMITS}?message=%7B%7D").why == (400, "INVALID_ARGUMENT", "encoding")
    assert http.ask("DELETE", LIMITS).status == 405


def test_error_has_code_status_and_what_grpc_has_of_it(http: Http) -> None:
    answer = http.call("ProjectService/GetProject", {"projectId": "nobody's"}, X_Request_Id="mine")
    assert answer.why == (404, "NOT_FOUND", "") and answer.json["code"] == "not_found"
    metadata = answer.info["metadata"]
    assert (metadata["resource"], metadata["request_id"]) == ("project", "mine")
    assert answer.info["domain"] == "xpstore" and answer.headers["trailer-x-request-id"] == "mine"


@pytest.mark.parametrize("key", ["", "xps_wrong"])
def test_without_a_key_everything_is_refused(key: str, server: WebServer) -> None:
    http = Http(server.http_port, key)
    for answer in (http.call("LimitsService/GetLimits", {}), http.call("NoService/Nothing", {})):
        assert answer.why == (401, "UNAUTHENTICATED", "") and answer.headers["www-authenticate"] == "Bearer"
    for verb, path in (("GET", "/files/p/a/b"), ("PUT", "/files/p/a/b"), ("HEAD", "/versions/x/files/b")):
        assert http.ask(verb, path, b"x" if verb == "PUT" else None).status == 401


def test_health_needs_none(stranger: Http) -> None:
    answer = stranger.ask("POST", "/grpc.health.v1.Health/Check", b"{}", {"Content-Type": JSON})
    assert (answer.status, answer.json) == (200, {"status": "SERVING"})
    unknown = stranger.ask("POST", "/grpc.health.v1.Health/Check", b'{"service": "x"}', {"Content-Type": JSON})
    assert (unknown.status, unknown.json["code"]) == (404, "not_found")


def test_unknown_methods_and_pages_are_told(http: Http) -> None:
    answer = http.call("ProjectService/Nothing", {})
    assert answer.why == (404, "UNIMPLEMENTED", "") and answer.json["code"] == "unimplemented"
    assert http.ask("GET", "/nowhere").why[:2] == (404, "NOT_FOUND")
    assert http.ask("GET", "/xpstore.v1.ProjectService/Nothing").status == 404


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"Content-Type": CONNECT_JSON}, 415, "content-type"),
        ({"Content-Type": JSON, "Content-Encoding": "br"}, 501, ""),
        ({"Content-Type": JSON, "Content-Encoding": "gzip"}, 400, "request"),
        ({"Content-Type": JSON, "Connect-Timeout-Ms": "soon"}, 400, "connect-timeout-ms"),
    ],
)
def test_head_that_makes_no_sense_is_named(headers: dict[str, str], status: int, field: str, http: Http) -> None:
    answer = http.ask("POST", LIMITS, b"{}", headers)
    assert (answer.status, answer.info["metadata"].get("field", "")) == (status, field)


@pytest.mark.parametrize("type_", ["text/plain", "application/grpc-web+foo", "application/grpc"])
def test_other_types_are_refused_in_words(type_: str, http: Http) -> None:
    answer = http.ask("POST", LIMITS, b"{}", {"Content-Type": type_})
    assert (answer.status, answer.body[:12]) == (415, b"content-type")
    assert JSON in answer.headers["accept-post"].split(", ")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "request"),
        (b"{", "request"),
        (b"[]", "request"),
        (b"null", "request"),
        (b'{"projectId": "a", "projectId": "b"}', "request"),
        (b'{"projectId": "a", "nothing": 1}', "nothing"),
        (b'{"projectId": 3}', "project_id"),
        (b'{"projectId": "a", "projectUid": "b"}', "project_uid"),
        (b'{"projectId": "\xff"}', "request"),
        (b'{"projectId": "\\ud800"}', "project_id"),
        (b"[" * 200_000, "request"),
        (b'{"a":' * 20 + b"1" + b"}" * 20, "a"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "request"),
        (b'{"projectId": NaN}', "request"),
    ],
)
def test_malformed_json_is_refused_and_named(body: bytes, field: str, http: Http) -> None:
    assert http.call("ProjectService/GetProject", body).why == (400, "INVALID_ARGUMENT", field)


def test_malformed_bytes_are_refused(http: Http) -> None:
    answer = http.ask("POST", "/xpstore.v1.ProjectService/GetProject", b"\x0a\xff", {"Content-Type": PROTO})
    assert answer.why == (400, "INVALID_ARGUMENT", "request")


def a_model(http: Http, project_id: str) -> str:
    project = http.call("ProjectService/GetProject", {"projectId": project_id}).json["project"]
    made = {"projectUid": project["uid"], "experimentId": str(uuid.uuid4()), "name": "e"}
    experiment = http.call("ExperimentService/CreateExperiment", made).json["experiment"]["id"]
    model = {"experimentId": experiment, "modelId": str(uuid.uuid4()), "hash": "h", "configJson": "{}"}
    return str(http.call("ModelService/CreateModel", model).json["model"]["id"])


@pytest.mark.parametrize("type_", [CONNECT_JSON, CONNECT_PROTO])
def test_server_stream_has_envelopes_and_an_end(type_: str, http: Http, project_id: str) -> None:
    model = a_model(http, project_id)
    points: list[Any] = [{"name": "loss", "floatValue": step / 2, "step": str(step)} for step in range(3)]
    batch = {
        "modelId": model,
        "writerId": str(uuid.uuid4()),
        "points": [*points, {"name": "loss", "floatValue": "NaN"}],
    }
    assert http.call("MetricService/LogMetrics", batch).json == {"nextPoint": "4", "storedCount": "4"}
    request = metric_pb2.ReadSeriesRequest(keys=[metric_pb2.SeriesKey(model_id=model, name="loss")])
    is_json = type_ == CONNECT_JSON
    ask = (
        json.dumps({"keys": [{"modelId": model, "name": "loss"}]}).encode() if is_json else request.SerializeToString()
    )
    answer = http.ask("POST", "/xpstore.v1.MetricService/ReadSeries", envelope(0, ask), {"Content-Type": type_})
    assert (answer.status, answer.headers["content-type"]) == (200, type_)
    *messages, (flags, end) = envelopes(answer.body)
    assert flags == 2 and "error" not in json.loads(end)
    assert messages and {flags for flags, _ in messages} == {0}


def test_error_of_a_stream_is_in_its_end(http: Http) -> None:
    ask = envelope(0, json.dumps({"versionId": str(uuid.uuid4())}).encode())
    answer = http.ask("POST", "/xpstore.v1.ArtifactService/ReadManifest", ask, {"Content-Type": CONNECT_JSON})
    ((flags, end),) = envelopes(answer.body)
    assert (answer.status, flags, json.loads(end)["error"]["code"]) == (200, 2, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0\0",
        b"\0\0\0\0\x09{}",
        envelope(0, b"{}") * 2,
        envelope(2, b"{}"),
        envelope(0, b"{")[:-1] + b"\xff",
    ],
)
def test_malformed_streams_are_refused(body: bytes, http: Http) -> None:
    answer = http.ask("POST", "/xpstore.v1.ArtifactService/ReadManifest", body, {"Content-Type": CONNECT_JSON})
    error = json.loads(envelopes(answer.body)[-1][1])["error"]
    assert (answer.status, error["code"]) == (200, "invalid_argument")


def test_client_stream_works_too(http: Http, project_id: str) -> None:
    project = http.call("ProjectService/GetProject", {"projectId": project_id}).json["project"]
    header = {
        "uploadId": str(uuid.uuid4()),
        "projectUid": project["uid"],
        "draft": {"name": "by connect", "type": "artifact"},
        "path": "a.txt",
    }
    data = base64.b64encode(b"some text").decode()
    messages = [{"header": header}, {"data": data}, {"finish": True}]
    body = b"".join(envelope(0, json.dumps(message).encode()) for message in messages)
    answer = http.ask("POST", "/xpstore.v1.ArtifactService/UploadFile", body, {"Content-Type": CONNECT_JSON})
    (_, made), (flags, end) = envelopes(answer.body)
    assert (flags, json.loads(made)["version"]["sizeBytes"]) == (2, "9")
    assert "error" not in json.loads(end)


def test_time_that_the_caller_gives_is_over(http: Http) -> None:
    answer = http.call("LimitsService/GetLimits", {}, Connect_Timeout_Ms="0")
    assert answer.why == (504, "DEADLINE_EXCEEDED", "") and answer.json["code"] == "deadline_exceeded"


def test_calls_are_logged_as_those_of_grpc(server: WebServer, http: Http) -> None:
    http.call("ProjectService/GetProject", {"projectId": "nobody's"}, X_Request_Id="logged")
    line = next(line for line in log_of(server) if line.get("request_id") == "logged")
    assert (line["method"], line["status"]) == ("/xpstore.v1.ProjectService/GetProject", "NOT_FOUND")
    assert line["principal"] == "admin" and line["peer"].startswith("ipv4:127.0.0.1:")
