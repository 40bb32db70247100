"""Messages read from JSON: what the library writes is read back, and nothing is passed over."""

import json
import random
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson, Parse

from support.door.messages import entries, made, requests
from xpstore.v1 import artifact_pb2, cache_pb2, metric_pb2, project_pb2
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.web.json_reading import read_json

MANY = 100_000


@pytest.mark.parametrize("path", requests())
def test_what_the_library_writes_is_read(path: str) -> None:
    kind, chance = requests()[path], random.Random(path)
    for _ in range(20):
        message = made(kind, chance)
        text = MessageToJson(message, preserving_proto_field_name=bool(chance.randrange(2))).encode()
        assert kind.FromString(read_json(text, kind, entries(message))) == Parse(text, kind()) == message


def failure(text: bytes, kind: Any, most: int = MANY) -> dict[str, str]:
    with pytest.raises(InvalidArgument) as caught:
        read_json(text, kind, most)
    return caught.value.metadata


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b'{"points": [{"name": "a"}, {"step": 1.5}]}', "points[1].step"),
        (b'{"points": [{"step": "9223372036854775808"}]}', "points[0].step"),
        (b'{"points": [{"step": true}]}', "points[0].step"),
        (b'{"points": [{"step": "0x1"}]}', "points[0].step"),
        (b'{"points": [{"floatValue": 1e400}]}', "points[0].float_value"),
        (b'{"points": [{"floatValue": "inf"}]}', "points[0].float_value"),
        (b'{"points": [{"floatValue": 1, "intValue": 1}]}', "points[0].int_value"),
        (b'{"points": [null]}', "points[0]"),
        (b'{"points": {}}', "points"),
        (b'{"points": [{"nope": {}}]}', "points[0].nope"),
        (b'{"modelId": ["a"]}', "model_id"),
        (b'{"modelId": "a", "model_id": "b"}', "model_id"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(text: bytes, field: str) -> None:
    assert failure(text, metric_pb2.LogMetricsRequest)["field"] == field


@pytest.mark.parametrize("text", ["!!!!", "AAA!A", "A", "A\\nAAA", "AA=A"])
def test_base64_with_anything_else_in_it_is_refused(text: str) -> None:
    found = failure(f'{{"data": "{text}"}}'.encode(), artifact_pb2.UploadFileRequest)
    assert found["field"] == "data"


@pytest.mark.parametrize("value", ["\\ud800", "NO_SUCH_OUTCOME", ""])
def test_name_of_no_enumeration_is_refused(value: str) -> None:
    found = failure(f'{{"outcome": "{value}"}}'.encode(), cache_pb2.ReportCacheVerificationRequest)
    assert found["field"] == "outcome"


def test_mask_that_is_none_is_refused() -> None:
    for value in (b'"\\ud800"', b"1", b'["a"]'):
        found = failure(b'{"updateMask": %b}' % value, project_pb2.UpdateProjectRequest)
        assert found["field"] == "update_mask"


def test_both_alphabets_of_base64_are_read() -> None:
    for text in ("-_8=", "+/8=", "-_8", "+/8"):
        raw = read_json(f'{{"data": "{text}"}}'.encode(), artifact_pb2.UploadFileRequest, MANY)
        assert artifact_pb2.UploadFileRequest.FromString(raw).data == b"\xfb\xff"


def test_integers_are_exact_whether_text_or_not() -> None:
    for text in (b'{"intValue": 9007199254740993}', b'{"intValue": "9007199254740993"}'):
        raw = read_json(text, metric_pb2.MetricPoint, MANY)
        assert metric_pb2.MetricPoint.FromString(raw).int_value == 9_007_199_254_740_993


def test_null_is_as_if_it_were_not_there() -> None:
    raw = read_json(b'{"projectId": null, "tags": null}', project_pb2.CreateProjectRequest, MANY)
    assert raw == b""


@pytest.mark.parametrize("piece", ["{}", "[]", "0", '""', '{"a":1}'])
def test_too_much_is_refused_before_it_is_read(piece: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'{{"points": [{",".join([piece] * 500_000)}]}}'.encode()
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(InvalidArgument, match="entries"):
        read_json(text, metric_pb2.LogMetricsRequest, 1_000)


def test_too_many_names_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps({str(number): number for number in range(100_000)}).encode()
    monkeypatch.setattr(json, "loads", None)
    with pytest.raises(InvalidArgument, match="entries"):
        read_json(text, project_pb2.GetProjectRequest, 100)


def test_marks_in_strings_do_not_count() -> None:
    config = '[{"a\\\\": [1, ' * 2_000
    text = json.dumps({"points": [{"name": "a", "jsonValue": config}]}).encode()
    raw = read_json(text, metric_pb2.LogMetricsRequest, 10)
    assert metric_pb2.LogMetricsRequest.FromString(raw).points[0].json_value == config


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", [b'"' + b'\\"' * 2_000_000, b'"' + b"{" * 4_000_000, b'"a"' * 1_300_000 + b"{" * 9])
def test_strings_without_an_end_are_looked_at_once(text: bytes) -> None:
    assert failure(text, metric_pb2.LogMetricsRequest, 0)["field"] == "request"
