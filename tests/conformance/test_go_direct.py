"""The Go client takes the ways past the server once they worked, and whatever those do, files come whole and right.

Its program is the one that plays the scenarios.
"""

import secrets
import subprocess
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import pytest

import xpstore
from conformance import known
from conformance.command import Command
from conformance.content import tree_of, tree_on_disk
from s3_server import SeaweedFS
from support.backends import sqlite_url
from support.between.counting_proxy import CountingProxy
from support.between.lying_s3 import Asked, LyingS3, PassOn, Said, changed, flipped, refusal, said, when
from support.needs import lacking
from support.services import Server
from xpstore.errors import ResourceExhausted
from xpstore.v1 import transfer_pb2 as pb

pytestmark = pytest.mark.timeout(600)  # the program may have to be built

MIB = 1 << 20
PROJECT = "direct"
# A window of 8 MiB, beside which the way is tried, and one of more than the MiB from which on it is taken.
WHOLE_BYTES = 10 * MIB
# A download may be over before the way was tried.
TRIES = 20
# Few enough to announce all of them: more than the saves leave that fail here.
OPEN_PACKS = 20
ZEROS = [{"seed": "zeros", "size_bytes": MIB}]
HALF = changed(lambda one: Said(one.status, one.headers, one.body[: len(one.body) // 2], len(one.body)))
OTHER_RANGE = changed(lambda one: Said(one.status, {**one.headers, "Content-Range": "bytes 0-9/10"}, one.body))
Lie = Callable[[Asked, PassOn], Said | None]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if told := known.lacking("go"):
        lacking(told)
    folder, file = known.FOLDER / "go", tmp_path_factory.mktemp("go") / "client"
    if subprocess.run(["go", "mod", "download"], cwd=folder, capture_output=True).returncode:
        pytest.skip("the modules that the client in Go needs cannot be had")
    built = subprocess.run(["go", "build", "-o", file, "."], cwd=folder, stderr=subprocess.PIPE, text=True)
    assert built.returncode == 0, built.stderr
    return file


@pytest.fixture(scope="module")
def s3(seaweedfs: SeaweedFS) -> Iterator[LyingS3]:
    """What client and server take for the S3 server."""
    with LyingS3(f"127.0.0.1:{seaweedfs.port}") as lying:
        yield lying


@pytest.fixture(scope="module")
def server(seaweedfs: SeaweedFS, s3: LyingS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("direct")
    bucket = seaweedfs.create_bucket(f"direct-{secrets.token_hex(6)}").rpartition("/")[2].partition("?")[0]
    with Server(
        sqlite_url(folder / "x.db"),
        s3.blob_url(bucket),
        folder,
        environment={"XPSTORE_DIRECT": "all"},
        constants={"store.transfers.announced.OPEN_PACKS": OPEN_PACKS},
    ) as server:
        yield server


@pytest.fixture(scope="module")
def line(server: Server) -> Iterator[CountingProxy]:
    with CountingProxy(server.address) as proxy:
        yield proxy


class Go:
    """A process of the client that knows of no way yet."""

    def __init__(self, command: Command, line: CountingProxy, s3: LyingS3) -> None:
        self._command = command
        self._line = line
        self._s3 = s3

    def save(self, size: int = 2 * MIB) -> tuple[str, dict[str, Any]]:
        """Saves bytes that are new to the server; returns the version's id and the tree."""
        tree = {"files": {"a/whole.bin": [{"seed": secrets.token_hex(8), "size_bytes": size}], "text": ZEROS}}
        answer = self._command.ask("upload_tree", {"project": PROJECT, "name": "tree", **tree})
        return answer["version_id"], tree

    def fetched(self, version_id: str, tree: dict[str, Any]) -> bool:
        """Whether a download is right."""
        folder = Path(self._command.ask("download", {"version_id": version_id})["folder"])
        return tree_on_disk(folder) == tree_of(tree)

    def sent(self, size: int = 2 * MIB) -> int:
        """Bytes that went to the server for a save of so many."""
        before = self._line.sent_bytes
        self.save(size)
        return self._line.sent_bytes - before

    def received(self, version_id: str, tree: dict[str, Any]) -> int:
        """Bytes that came from the server for a download."""
        before = self._line.received_bytes
        assert self.fetched(version_id, tree)
        return self._line.received_bytes - before

    def prove(self, version_id: str, tree: dict[str, Any]) -> None:
        """Downloads until the way down is taken."""
        assert any(self.received(version_id, tree) < MIB for _ in range(TRIES))
        self._s3.asked.clear()


@pytest.fixture
def go(program: Path, server: Server, line: CountingProxy, s3: LyingS3, tmp_path: Path) -> Iterator[Go]:
    s3.rules.clear()
    s3.asked.clear()
    settings = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": line.address}
    command = Command(str(program), settings, tmp_path / "go")
    command.ask("project", {"project": PROJECT})
    yield Go(command, line, s3)
    command.kill()


@pytest.fixture(scope="module")
def saved(program: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """A version to download, and its tree."""
    tree = {"files": {"a/whole.bin": [{"seed": "whole", "size_bytes": WHOLE_BYTES}], "text": ZEROS}}
    settings = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    command = Command(str(program), settings, tmp_path_factory.mktemp("saving") / "go")
    command.ask("project", {"project": PROJECT})
    version_id = command.ask("upload_tree", {"project": PROJECT, "name": "whole", **tree})["version_id"]
    command.bye()
    return version_id, tree


def of_clients(method: str, then: Callable[..., Said], times: int | None = None) -> Lie:
    return when(method, then, query="X-Amz-Signature", times=times)


def count(s3: LyingS3, method: str) -> int:
    """How many requests for packs came by signed URLs."""
    return sum(
        asked.method == method and asked.key.startswith("packs/") and "X-Amz-Signature" in asked.query
        for asked in s3.asked
    )


def test_what_is_saved_passes_the_server_by(go: Go, s3: LyingS3) -> None:
    assert go.sent(2 * MIB) < MIB  # one batch, by which it is tried
    assert go.sent(24 * MIB) < MIB
    assert count(s3, "PUT") == s3.count("PUT") > 3
    before = count(s3, "PUT")
    assert MIB // 2 < go.sent(MIB // 2) < MIB  # as fast through the server
    assert count(s3, "PUT") == before


def test_what_is_fetched_passes_the_server_by(go: Go, s3: LyingS3, saved: tuple[str, dict[str, Any]]) -> None:
    go.prove(*saved)
    assert go.received(*saved) < MIB
    assert count(s3, "GET") > 0


def test_a_first_small_download_tries_nothing(go: Go, s3: LyingS3) -> None:
    version_id, tree = go.save(2 * MIB)
    assert go.received(version_id, tree) > 2 * MIB
    assert count(s3, "GET") == 0


@pytest.mark.parametrize(
    "lie",
    [
        of_clients("PUT", refusal(403, "AccessDenied")),
        of_clients("PUT", said(200, b"", ETag='"e"')),  # and stores nothing
        of_clients("PUT", said(302, b"", Location="http://127.0.0.1:1/")),
        of_clients("PUT", changed(lambda one: Said(500))),  # it has stored it
        of_clients("PUT", changed(lambda one: Said(200, {}, b"12345", 10))),  # and dies in its answer
        of_clients("PUT", refusal(412, "PreconditionFailed")),  # of nothing
        when("GET", changed(flipped), times=1),
    ],
    ids=["403", "nothing", "elsewhere", "500", "half an answer", "412 of nothing", "other bytes"],
)
def test_whatever_the_bucket_does_it_is_saved(go: Go, s3: LyingS3, lie: Lie) -> None:
    assert go.sent() < MIB
    s3.rules.append(lie)
    saved = go.save()
    assert count(s3, "PUT") == 2
    s3.rules.clear()
    assert go.fetched(*saved)


def test_a_first_save_that_fails_is_the_last_that_tries(go: Go, s3: LyingS3) -> None:
    s3.rules.append(of_clients("PUT", refusal(403, "AccessDenied")))
    saved = [go.save() for _ in range(2)]
    assert count(s3, "PUT") == 1
    assert all(go.fetched(*one) for one in saved)


def test_a_put_whose_answer_is_lost_is_there_already(go: Go, s3: LyingS3) -> None:
    """The first one stored it: what the second one hears is 412, and the pack is taken."""

    def twice(asked: Asked, pass_on: PassOn) -> Said:
        pass_on()
        return pass_on()

    s3.rules.append(of_clients("PUT", twice))
    assert go.sent() < MIB


def test_a_save_that_finds_too_many_packs_open_goes_through(go: Go, server: Server, s3: LyingS3) -> None:
    """Others of the same key are at it: the way is as good as before."""
    go.save()
    with closing(xpstore.Client(server.api_key, server.address)) as client, announced(client, s3):
        assert go.sent() > 2 * MIB
    assert go.sent() < MIB


@contextmanager
def announced(client: xpstore.Client, s3: LyingS3) -> Iterator[None]:
    """As many packs as one key may announce, which are given up in the end: what was written is none."""
    uid, places = client.project(PROJECT, PROJECT).uid, dict[str, pb.PackPlace]()
    with suppress(ResourceExhausted):
        while pack_id := str(uuid.uuid4()):
            opening = pb.OpenPacksRequest(project_uid=uid, way=pb.TRANSFER_WAY_URL)
            opening.packs.add(pack_id=pack_id, size_bytes=1, crc32=crc32(b"1"))
            places[pack_id] = client.call(client.stubs.transfers.OpenPacks, opening).places[0]
    yield
    with closing(HTTPConnection(s3.address)) as host:
        for place in places.values():
            url, headers = urlsplit(place.url), {header.name: header.value for header in place.headers}
            host.request("PUT", f"{url.path}?{url.query}", b"1", headers)
            host.getresponse().read()
    closing_packs = pb.ClosePacksRequest(project_uid=uid, pack_ids=places)
    assert places and not any(client.call(client.stubs.transfers.ClosePacks, closing_packs).stored)


@pytest.mark.parametrize(
    "then",
    [
        refusal(403, "AccessDenied"),
        said(200, b"<html>please log in</html>"),
        changed(flipped),
        HALF,
        changed(lambda answer: Said(200, answer.headers, answer.body)),
        OTHER_RANGE,
        said(302, b"", Location="http://127.0.0.1:1/"),
    ],
    ids=["403", "html", "other bytes", "half", "status 200", "other range", "elsewhere"],
)
def test_whatever_the_bucket_does_it_is_fetched(
    go: Go, s3: LyingS3, saved: tuple[str, dict[str, Any]], then: Callable[..., Said]
) -> None:
    go.prove(*saved)
    s3.rules.append(of_clients("GET", then))
    assert go.fetched(*saved)
    assert count(s3, "GET") > 0


def test_what_does_not_work_is_left_alone(go: Go, s3: LyingS3, saved: tuple[str, dict[str, Any]]) -> None:
    go.prove(*saved)
    go.save()
    for method in ("GET", "PUT"):
        s3.rules.append(of_clients(method, refusal(403, "AccessDenied")))
    for _ in range(3):
        assert go.fetched(*saved)
        go.save()
    s3.rules.clear()
    s3.asked.clear()
    assert go.fetched(*saved) and go.sent() > 2 * MIB
    assert count(s3, "GET") == count(s3, "PUT") == 0
