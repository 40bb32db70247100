"""Proxies as docs/proxies.md sets them, and as they come: calls, files both ways, silence, a restart, time limits.

Files have 12 MB; with XPSTORE_TEST_WILD_MB=200 so many, and idle takes what proxies take by themselves with
XPSTORE_TEST_SLOW=1: 90 s.
"""

import json
import os
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

import xpstore
from support.backends import Backend, sqlite_url
from support.between.documented import Proxy, documented_for_http
from support.contract.methods import ROOT
from support.services import Server
from support.web.http import Http, envelope, envelopes
from support.web.server import WebServer
from wild.conftest import Start
from xpstore import cached
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import ResourceExhausted, Unavailable

pytestmark = pytest.mark.client

SIZE_BYTES = int(os.environ.get("XPSTORE_TEST_WILD_MB", "12")) * 1_000_000
IS_SLOW = bool(os.environ.get("XPSTORE_TEST_SLOW"))
# What is an hour or a minute in the settings, in a proxy that is in a hurry.
HASTY = {
    "nginx": {r"1h(?=;)": "2s"},
    "haproxy": {r"1h(?=\n)": "2s"},
    "envoy": {"stream_idle_timeout: 3600s": "stream_idle_timeout: 2s", "timeout: 0s": "timeout: 2s"},
}


begun, computed = threading.Event(), list[int]()


def compute(number: int) -> int:
    begun.set()
    computed.append(number)
    time.sleep(5)
    return number + 1


@contextmanager
def connected(server: Server, url: str) -> Iterator[xpstore.Project]:
    """A new project, by way of a proxy."""
    client = xpstore.Client(server.api_key, url)
    yield client.project(f"wild {secrets.token_hex(6)}").open()
    client.close()


def up_and_down(project: xpstore.Project, folder: Path, size_bytes: int = SIZE_BYTES) -> None:
    data = os.urandom(size_bytes)
    (folder / "f").write_bytes(data)
    saved = DirectoryArtifact.save(folder / "f", "f", project=project)
    assert saved.download(folder / "out").joinpath("f").read_bytes() == data


@pytest.mark.timeout(900)
def test_calls_points_and_files_pass_with_the_documented_settings(
    kind: str, start: Start, server: Server, tmp_path: Path
) -> None:
    with connected(server, start(kind).url) as project:
        model = project.experiment("e").model("h")
        model.metrics.log("loss", 0.5)
        project._client.flush(60)
        assert [point.value for point in model.metrics.list()] == [0.5]
        up_and_down(project, tmp_path)


@pytest.mark.timeout(900)
def test_proxies_as_they_come_pass_all_but_bodies_through_nginx(
    kind: str, start: Start, server: Server, tmp_path: Path
) -> None:
    with connected(server, start(kind, as_it_comes=True).url) as project:
        if kind == "nginx":
            with pytest.raises(ResourceExhausted, match=r"413.*client_max_body_size 0"):
                up_and_down(project, tmp_path)
        else:
            up_and_down(project, tmp_path)


def test_restart_of_a_proxy_in_mid_stream_costs_time_alone(
    kind: str, start: Start, server: Server, tmp_path: Path
) -> None:
    proxy, size = start(kind), max(SIZE_BYTES, 40_000_000)
    with connected(server, proxy.url) as project, ThreadPoolExecutor(1) as pool:
        moved = pool.submit(up_and_down, project, tmp_path, size)
        for _ in range(3):
            time.sleep(0.2)
            proxy.stop()
            proxy.start()
        moved.result(120)


def test_connection_that_was_idle_for_longer_than_a_proxy_allows_is_made_anew(
    kind: str, start: Start, server: Server
) -> None:
    options = {"as_it_comes": True} if IS_SLOW else {"changes": HASTY[kind]}
    with connected(server, start(kind, **options).url) as project:
        time.sleep(90 if IS_SLOW else 3)
        assert project.experiment("e").model("h").step == 0


def test_result_is_right_when_a_proxy_ends_the_call_that_waits_for_it(
    start: Start, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Such a call is silent for up to 20 s, and this proxy ends each after 2 s: the cache counts as away then."""
    begun.clear()
    computed.clear()
    with connected(server, start("envoy", changes=HASTY["envoy"]).url) as project, ThreadPoolExecutor(1) as pool:
        name = secrets.token_hex(6)
        with connected(server, server.address) as direct:
            there = xpstore.Project(project.id, client=direct._client).open()
            first = pool.submit(cached(name=name, version=1, project=there)(compute), 1)
            assert begun.wait(30)
            assert cached(name=name, version=1, project=project)(compute)(1) == 2
            assert first.result(60) == 2
    assert computed == [1, 1] and "results are computed here and not stored" in caplog.text


def test_client_that_does_not_trust_the_authority_sends_no_key(
    kind: str, start: Start, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = start(kind).url
    monkeypatch.delenv("XPSTORE_TLS_CA")
    with pytest.raises(Unavailable, match=r"(?i)certificate"):
        xpstore.Client(server.api_key, url)


def test_http_passes_with_the_documented_settings(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    """Files both ways and in parts, a stream of answers, and a stranger who is refused before his bytes are kept."""
    data, id_, settings = os.urandom(SIZE_BYTES), f"wild {secrets.token_hex(6)}", documented_for_http()
    path = f"/files/{quote(id_)}/wild/f.bin"
    with ExitStack() as stack:
        folder = tmp_path / "server"
        folder.mkdir()
        url, blobs = sqlite_url(folder / "xpstore.db"), (folder / "blobs").as_uri()
        server = stack.enter_context(WebServer(Backend(name="sqlite-disk", database_url=url, blob_url=blobs), folder))
        place = f"127.0.0.1:{server.http_port}"
        proxy = stack.enter_context(Proxy("nginx", place, certificate, tmp_path / "proxy", settings=settings))
        http, stranger = (Http(proxy.port, key, certificate[0]) for key in (server.api_key, "x"))
        made = {"projectId": id_, "name": id_, "creationId": str(uuid.uuid4())}
        assert http.call("ProjectService/CreateProject", made).status == 200
        assert http.ask("PUT", path, data).status == 201
        assert http.ask("GET", path).body == data
        assert http.ask("GET", path, headers={"Range": "bytes=-7"}).body == data[-7:]
        half, named = SIZE_BYTES // 2, {"Upload-Id": str(uuid.uuid4())}
        for start, end, status in ((0, half, 308), (half, SIZE_BYTES, 201)):
            part = {**named, "Content-Range": f"bytes {start}-{end - 1}/{SIZE_BYTES}"}
            assert http.ask("PUT", path, data[start:end][::-1], part).status == status
        asked = {"artifactName": {"projectId": id_, "name": "wild"}, "path": "f.bin"}
        answer = http.ask(
            "POST",
            "/xpstore.v1.ArtifactService/ReadFile",
            envelope(0, json.dumps(asked).encode()),
            {"Content-Type": "application/connect+json"},
        )
        assert answer.status == 200 and len(envelopes(answer.body)) > SIZE_BYTES // (4 << 20)
        assert stranger.ask("PUT", path, b"").status == 401
        with proxy.connected(certificate[0]) as line:
            head = f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE_BYTES}\r\n\r\n"
            line.sendall(head.encode() + b"only the first bytes")
            assert line.recv(100).startswith(b"HTTP/1.1 401"), "it waits for no more of a body"


def test_other_pages_name_the_page_of_proxies() -> None:
    for page in ("README.md", "docs/server.md"):
        assert "proxies.md" in (ROOT / page).read_text(), page
