"""Files over HTTP: read whole and in ranges, asked whether they changed, saved at once and in parts."""

import base64
import hashlib
import http.client
import os
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from blake3 import blake3

import xpstore
from support.web.http import Answer, Http
from support.web.server import WebServer
from xpstore.artifact import Artifact

MIB = 1 << 20


def put(http: Http, path: str, data: bytes = b"some bytes", **headers: str) -> Answer:
    return http.ask("PUT", path, data, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.fixture
def path(project_id: str) -> str:
    """Of a file of an artifact that is not there yet."""
    return f"/files/{quote(project_id)}/weights/model.txt"


def test_saved_file_is_read_back_and_is_one_of_every_client(
    http: Http, server: WebServer, project_id: str, tmp_path: Path
) -> None:
    data = os.urandom(5 * MIB)
    path = f"/files/{quote(project_id)}/a%2Fb%40c/folder%20x/d.bin"
    answer = put(http, f"{path}?type=trained_model&metadata=%7B%22a%22%3A1%7D", data)
    assert answer.status == 201, answer.body
    version = answer.json["version"]
    assert (version["name"], version["type"], version["sizeBytes"]) == ("a/b@c", "trained_model", str(len(data)))
    found = http.ask("GET", path)
    assert (found.status, found.body == data) == (200, True)
    assert found.headers["etag"] == f'"{blake3(data).hexdigest()}"'
    assert http.ask("GET", answer.headers["location"]).body == data
    client = xpstore.Client(server.api_key, server.address)
    saved = client.project(project_id).open()
    Artifact.get_by_name("a/b@c", project=saved).download(tmp_path / "all")
    assert (tmp_path / "all" / "folder x" / "d.bin").read_bytes() == data
    client.close()


def test_same_content_again_is_the_same_version(http: Http, path: str) -> None:
    first, second = put(http, path), put(http, path)
    assert (first.status, second.status) == (201, 200)
    assert first.json["version"]["id"] == second.json["version"]["id"]


def test_head_of_an_answer_is_safe_and_says_what_may_be_kept(http: Http, path: str) -> None:
    html = path.replace("model.txt", "page.html")
    put(http, html, b"<script>alert(1)</script>")
    newest, first = http.ask("GET", html), http.ask("GET", html.replace("weights", "weights@1"))
    for answer in (newest, first):
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert answer.headers["cross-origin-resource-policy"] == "same-site"
    assert "no-cache" in newest.headers["cache-control"] and "immutable" in first.headers["cache-control"]
    put(http, path.replace("model.txt", "picture.webp"))
    picture = http.ask("HEAD", path.replace("weights/model.txt", "weights@2/picture.webp"))
    assert picture.headers["content-type"] == "image/webp"
    html = html.replace("weights", "weights@1")
    head = http.ask("HEAD", html)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "25")
    assert head.headers["etag"] == newest.headers["etag"]


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-100", 206, b"0123456789"),
        ("bytes=0-", 206, b"0123456789"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("bytes=5-2", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("lines=0-1", 200, b"0123456789"),
    ],
)
def test_ranges(asked: str, status: int, body: bytes, http: Http, path: str) -> None:
    put(http, path, b"0123456789")
    answer = http.ask("GET", path, headers={"Range": asked})
    assert (answer.status, answer.body) == (status, body)
    if status == 206:
        start = 10 - len(body) if asked.startswith("bytes=-") else int(asked[6:].partition("-")[0])
        assert answer.headers["content-range"] == f"bytes {start}-{start + len(body) - 1}/10"


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=9999999999999999999-"])
def test_range_outside_of_the_file(asked: str, http: Http, path: str) -> None:
    put(http, path, b"0123456789")
    answer = http.ask("GET", path, headers={"Range": asked})
    assert (answer.status, answer.headers["content-range"]) == (416, "bytes */10")


def test_empty_file(http: Http, path: str) -> None:
    assert put(http, path, b"").status == 201
    assert http.ask("GET", path).body == b""
    assert http.ask("GET", path, headers={"Range": "bytes=0-"}).status == 416


def test_conditions(http: Http, path: str) -> None:
    put(http, path, b"0123456789")
    etag = http.ask("HEAD", path).headers["etag"]
    for header, value, status in [
        ("If-None-Match", etag, 304),
        ("If-None-Match", f'"x", W/{etag}', 304),
        ("If-None-Match", "*", 304),
        ("If-None-Match", '"x"', 200),
        ("If-Match", etag, 200),
        ("If-Match", "*", 200),
        ("If-Match", f"W/{etag}", 412),
        ("If-Match", '"x"', 412),
    ]:
        answer = http.ask("GET", path, headers={header: value})
        assert (answer.status, answer.headers["etag"]) == (status, etag), (header, value)
    assert http.ask("GET", path, headers={"If-Match": '"x"'}).why == (412, "CONFLICT", "if-match")
    part = {"Range": "bytes=0-1"}
    assert http.ask("GET", path, headers={**part, "If-Range": etag}).status == 206
    assert http.ask("GET", path, headers={**part, "If-Range": '"old"'}).status == 200


def test_versions_and_aliases(http: Http, path: str) -> None:
    first = put(http, path, b"one").json["version"]
    put(http, path, b"two")
    alias = {"versionId": first["id"], "alias": "best"}
    answer = http.call("ArtifactService/SetArtifactAlias", alias)
    assert answer.status == 200, answer.body
    for selector, body in (("", b"two"), ("@1", b"one"), ("@2", b"two"), ("@best", b"one"), ("@latest", b"two")):
        assert http.ask("GET", path.replace("weights", f"weights{selector}")).body == body
    assert http.ask("GET", path.rpartition("/")[0]).body == b"two", "the only file"
    assert http.ask("GET", path.replace("weights", "weights@3")).why[:2] == (404, "NOT_FOUND")
    assert http.ask("GET", f"/versions/{first['id']}/files/model.txt").body == b"one"


@pytest.mark.parametrize("bad", ["..", "%2e%2e", "..%2F..%2Fetc", "a//b", ".", "a/../b", "%00", "a%5Cb%2F..", "/etc"])
def test_paths_lead_nowhere_else(bad: str, http: Http, path: str) -> None:
    put(http, path)
    place = path.rpartition("/")[0]
    answer = put(http, f"{place}/{bad}")
    assert answer.why[:2] == (400, "INVALID_ARGUMENT"), answer.body
    assert http.ask("GET", f"{place}/{bad}").status in (400, 404)


@pytest.mark.parametrize(
    "bad",
    [
        "/files/p",
        "/files//a/b",
        "/files/p/a@/b",
        "/files/p/a@1@2/b",
        "/files/%FF/a/b",
        "/versions/x/b",
        "/files/p/a@0/b",
    ],
)
def test_paths_of_no_sense_are_refused(bad: str, http: Http) -> None:
    assert http.ask("GET", bad).why[:2] == (400, "INVALID_ARGUMENT")


def test_what_is_not_there_is_told(http: Http, path: str) -> None:
    assert http.ask("GET", path).why[:2] == (404, "NOT_FOUND")
    assert put(http, "/files/nobodys/a/b").why[:2] == (404, "NOT_FOUND")
    assert http.ask("GET", f"/versions/{uuid.uuid4()}/files/b").why[:2] == (404, "NOT_FOUND")
    assert http.ask("DELETE", path).status == 405


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"Content-Range": "bytes 0-9/10"}, "upload-id"),
        ({"Content-Range": "bytes 5-2/10", "Upload-Id": str(uuid.uuid4())}, "content-range"),
        ({"Content-Range": "bytes 0-3/10", "Upload-Id": str(uuid.uuid4())}, "content-length"),
        ({"Upload-Id": "mine"}, "header.upload_id"),
        ({"Repr-Digest": "md5=:AA==:"}, "repr-digest"),
        ({"Content-Encoding": "gzip"}, "content-encoding"),
    ],
)
def test_head_of_an_upload_that_makes_no_sense_is_named(
    headers: dict[str, str], field: str, http: Http, path: str
) -> None:
    answer = http.ask("PUT", path, b"0123456789", headers)
    assert answer.why == (400, "INVALID_ARGUMENT", field)


def test_file_is_saved_only_if_it_is_as_said(http: Http, path: str) -> None:
    assert put(http, path, b"one", If_Match="*").why == (412, "CONFLICT", "if-match")
    assert http.ask("GET", path).status == 404
    assert put(http, path, b"one", If_None_Match="*").status == 201
    etag = http.ask("HEAD", path).headers["etag"]
    for condition in ({"If_None_Match": "*"}, {"If_None_Match": etag}, {"If_Match": '"x"'}, {"If_Match": f"W/{etag}"}):
        answer = put(http, path, b"two", **condition)
        assert (answer.status, answer.headers["etag"]) == (412, etag), condition
    assert http.ask("GET", path).body == b"one"
    assert put(http, path, b"two", If_Match=f'"x", {etag}').status == 201
    assert put(http, path, b"three", If_Match=etag).status == 412, "it is another by now"
    assert put(http, path, b"three", If_None_Match=etag).status == 201
    another = path.rpartition("/")[0] + "/another.txt"
    assert put(http, another, b"four", If_Match="*").status == 412, "the newest version has no such file"
    assert put(http, another, b"four", If_None_Match="*").status == 201
    assert put(http, "/files/nobodys/a/b", If_None_Match="*").why[:2] == (404, "NOT_FOUND")


def test_condition_is_true_of_the_moment_that_publishes(http: Http, path: str) -> None:
    """Two that read the same file and change it: one of them is told, when all of its bytes are there."""
    put(http, path, b"old")
    said = {"If_Match": http.ask("HEAD", path).headers["etag"], "Upload_Id": str(uuid.uuid4())}
    assert put(http, path, b"01234", **said, Content_Range="bytes 0-4/10").status == 308
    began, gate = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"56"
        began.set()
        assert gate.wait(60)
        yield b"789"

    with ThreadPoolExecutor(1) as pool:
        rest = pool.submit(http.ask, "PUT", path, slowly(), {"If-Match": said["If_Match"]})
        assert began.wait(60)
        time.sleep(0.1)  # its head is read, and what it says looked at
        assert put(http, path, b"of another").status == 201
        gate.set()
        assert rest.result().status == 412
    assert put(http, path, b"56789", **said, Content_Range="bytes 5-9/10").status == 412
    assert http.ask("GET", path).body == b"of another"


def test_conditional_upload_that_is_said_again_is_the_same(http: Http, path: str) -> None:
    said = {"If_None_Match": "*", "Upload_Id": str(uuid.uuid4())}
    first = put(http, path, b"0123", **said)
    assert put(http, path, b"0123", **said).json["version"]["id"] == first.json["version"]["id"] == said["Upload_Id"]


def test_digest_is_compared(http: Http, path: str) -> None:
    right = base64.b64encode(hashlib.sha256(b"0123").digest()).decode()
    assert put(http, path, b"0123", Repr_Digest=f"sha-256=:{right}:").status == 201
    answer = put(http, path, b"other", Repr_Digest=f"sha-256=:{right}:")
    assert answer.why == (400, "INVALID_ARGUMENT", "header.sha256")


def test_file_in_parts(http: Http, path: str) -> None:
    data, upload = os.urandom(3 * MIB), str(uuid.uuid4())

    def part(start: int, end: int) -> Answer:
        return put(http, path, data[start:end], Upload_Id=upload, Content_Range=f"bytes {start}-{end - 1}/{len(data)}")

    def ask() -> Answer:
        return put(http, path, b"", Upload_Id=upload, Content_Range=f"bytes */{len(data)}")

    assert ask().why[:2] == (404, "NOT_FOUND"), "it begins at 0"
    first = part(0, MIB)
    assert (first.status, first.headers["upload-offset"], first.headers["range"]) == (
        308,
        str(MIB),
        f"bytes=0-{MIB - 1}",
    )
    assert part(MIB // 2, 2 * MIB).headers["upload-offset"] == str(2 * MIB), "what is there is passed over"
    beyond = part(2 * MIB + 5, len(data))
    assert beyond.why[:2] == (409, "STALE") and beyond.headers["upload-offset"] == str(2 * MIB)
    told = ask()
    assert (told.status, told.headers["upload-offset"]) == (308, str(2 * MIB))
    last = part(2 * MIB, len(data))
    assert last.status == 201
    assert ask().json["version"]["id"] == part(0, len(data)).json["version"]["id"] == last.json["version"]["id"]
    assert http.ask("GET", path).body == data


def test_upload_that_breaks_is_gone_on_with(http: Http, path: str) -> None:
    data, upload = os.urandom(4 * MIB), str(uuid.uuid4())
    connection = http.socket()
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {http.key}\r\nUpload-Id: {upload}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data[: 3 * MIB])
    asked = {"Upload_Id": upload, "Content_Range": f"bytes */{len(data)}"}
    deadline = time.monotonic() + 60
    while put(http, path, b"", **asked).status == 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    connection.close()
    while int((answer := put(http, path, b"", **asked)).headers["upload-offset"]) < 3 * MIB:
        assert answer.status == 308 and time.monotonic() < deadline
        time.sleep(0.05)
    assert http.ask("GET", path).status == 404, "nothing was published"
    rest = f"bytes {3 * MIB}-{len(data) - 1}/{len(data)}"
    assert put(http, path, data[3 * MIB :], Upload_Id=upload, Content_Range=rest).status == 201
    assert http.ask("GET", path).body == data


def test_body_of_no_known_length(http: Http, path: str) -> None:
    answer = http.ask("PUT", path, iter([b"one ", b"two ", b"three"]))
    assert (answer.status, http.ask("GET", path).body) == (201, b"one two three")


def test_damaged_bytes_end_the_connection(http: Http, server: WebServer, path: str) -> None:
    """Part of the file is sent before it is met: its length was said, so no client takes the rest for all."""
    if not server.environment["XPSTORE_BLOB_URL"].startswith("file:"):
        pytest.skip("packs are damaged on a disk")
    data = os.urandom(40 * MIB)
    assert put(http, path, data).status == 201
    folder = Path(server.environment["XPSTORE_BLOB_URL"].removeprefix("file://"))
    newest = max(
        (file for file in folder.rglob("*") if file.stat().st_size > MIB), key=lambda file: file.stat().st_mtime
    )
    raw = bytearray(newest.read_bytes())
    raw[len(raw) // 2] ^= 1
    newest.chmod(0o600)
    newest.write_bytes(raw)
    try:
        answer = http.ask("GET", path)
    except http_errors:
        return
    assert answer.why[:2] == (500, "DATA_LOSS"), "it was met before anything was sent"


http_errors = (http.client.IncompleteRead, ConnectionError)
