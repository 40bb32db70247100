"""A download takes the way past the server once it worked, and whatever that way does, files come whole and right."""

import logging
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

import pytest

import xpstore
from support.backends import sqlite_url
from support.between.counting_proxy import CountingProxy
from support.between.lying_s3 import Asked, LyingS3, PassOn, Said, changed, flipped, refusal, said
from support.homes import Home
from support.services import Server
from xpstore import DirectoryArtifact
from xpstore._files import direct, download, through, ways
from xpstore._files.streamed import Streamed
from xpstore._files.ways import Broken, Way
from xpstore._machine.workers import Workers
from xpstore.v1 import artifact_pb2
from xpstore.v1 import transfer_pb2 as pb

pytestmark = pytest.mark.transfer

MIB = 1 << 20
HALF = changed(lambda one: Said(one.status, one.headers, one.body[: len(one.body) // 2], len(one.body)))
WHOLE = secrets.token_bytes(40 * MIB)


@pytest.fixture(scope="module")
def line(bucket: str, store: LyingS3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingProxy]:
    """The line to a server on that store."""
    folder = tmp_path_factory.mktemp("direct")
    with (
        Server(sqlite_url(folder / "x.db"), store.blob_url(bucket), folder) as server,
        CountingProxy(server.address) as proxy,
        closing(xpstore.init(server.api_key, proxy.address)),
    ):
        yield proxy


@pytest.fixture(scope="module")
def saved(line: CountingProxy, tmp_path_factory: pytest.TempPathFactory) -> DirectoryArtifact:
    folder = tmp_path_factory.mktemp("saved")
    (folder / "whole.bin").write_bytes(WHOLE)
    (folder / "text.txt").write_bytes(b"compressed " * 200_000)
    with xpstore.Project(id="direct", name="direct"):
        return DirectoryArtifact.save(folder, "weights")


@pytest.fixture(autouse=True)
def honest(store: LyingS3) -> None:
    store.rules.clear()
    store.asked.clear()
    ways._down.clear()


def prove(artifact: DirectoryArtifact) -> Way:
    """What downloads before this one have found out."""
    way = ways.way_down(artifact._client)
    assert way is not None
    way.worked()
    return way


def fetched(artifact: DirectoryArtifact, folder: Path) -> bool:
    """Whether a download is right."""
    artifact.download(folder)
    return (folder / "whole.bin").read_bytes() == WHOLE and (folder / "text.txt").read_bytes()[:11] == b"compressed "


def lie(then: Callable[..., Said], after: int = 0) -> Callable[[Asked, PassOn], Said | None]:
    """Of what clients ask for by themselves, from some request on."""
    asked_before = 0

    def rule(asked: Asked, pass_on: PassOn) -> Said | None:
        nonlocal asked_before
        if "X-Amz-Signature" not in asked.query or not asked.key.startswith("packs/"):
            return None
        asked_before += 1
        return then(asked, pass_on) if asked_before > after else None

    return rule


def test_the_bytes_pass_the_server_by(saved: DirectoryArtifact, line: CountingProxy, tmp_path: Path) -> None:
    prove(saved)
    before = line.received_bytes
    assert fetched(saved, tmp_path)
    assert line.received_bytes - before < 1 * MIB


def test_a_first_download_goes_so_where_the_store_answers_in_time(
    saved: DirectoryArtifact, line: CountingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PROOF_SECONDS", 60.0)
    before = line.received_bytes
    assert fetched(saved, tmp_path)
    way = ways.way_down(saved._client)
    assert way is not None and way.is_proven
    assert line.received_bytes - before < 5 * MIB, "the first window, which is small, and nothing else"


def test_a_store_that_does_not_answer_holds_nobody_up(
    saved: DirectoryArtifact, store: LyingS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PROOF_SECONDS", 0.01)
    is_over = threading.Event()

    def late(_: Asked, pass_on: PassOn) -> Said:
        is_over.wait(60)
        return pass_on()

    store.rules.append(lie(late))
    try:
        assert fetched(saved, tmp_path)
    finally:
        is_over.set()


def test_urls_that_waited_too_long_are_not_asked(
    saved: DirectoryArtifact, line: CountingProxy, store: LyingS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = prove(saved)
    monkeypatch.setattr(direct, "WAITING_SHARE", 0.0)
    before = line.received_bytes
    assert fetched(saved, tmp_path)
    assert line.received_bytes - before > len(WHOLE)
    assert not any("X-Amz-Signature" in asked.query and asked.key.startswith("packs/") for asked in store.asked)
    assert way.is_proven, "which says nothing against it"


def test_what_is_left_of_a_window_is_held_in_parts(
    saved: DirectoryArtifact, store: LyingS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, fetch = list[int](), through.ServerReads.fetch

    def counted(self: through.ServerReads, sizes: Mapping[bytes, int]) -> through.Chunks:
        held.append(sum(sizes.values()))
        return fetch(self, sizes)

    monkeypatch.setattr(through.ServerReads, "fetch", counted)
    prove(saved)
    store.rules.append(lie(refusal(503, "SlowDown")))
    assert fetched(saved, tmp_path)
    assert sum(held) > len(WHOLE) and max(held) < download.WINDOW_BYTES + MIB


def test_a_file_that_repeats_itself_passes_by_too(
    saved: DirectoryArtifact, line: CountingProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = WHOLE[: 20 * MIB] + WHOLE[: 4 * MIB]
    (tmp_path / "twice.bin").write_bytes(data)
    with xpstore.Project(id="direct", name="direct"):
        twice = DirectoryArtifact.save(tmp_path / "twice.bin", "twice")
    prove(twice)
    before = line.received_bytes
    assert (twice.download(tmp_path / "down") / "twice.bin").read_bytes() == data
    assert line.received_bytes - before < 1 * MIB


def test_a_read_that_is_broken_off_ends(saved: DirectoryArtifact) -> None:
    reads = direct.DirectReads(saved._client, saved.id, Way(pb.TRANSFER_WAY_URL))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/bucket/one?a=b"
        chunk = pb.PlacedChunk(stored_size_bytes=1, raw_size_bytes=1, codec=artifact_pb2.CODEC_NONE)
        reader = Workers(1, "reader")
        streamed = Streamed([pb.Extent(url=url, size_bytes=1, chunks=[chunk])], reads.open, lambda: True, reader)
        taking = Workers(1, "taking").submit(lambda: list(streamed))
        asked, _ = silent.accept()
        with asked:
            asked.recv(1 << 16)
            streamed.close()
            with suppress(Broken):  # where it had begun to wait for the answer
                assert taking.result(20) == []
    reads.close()


Placed = list[tuple[int, int, int]]


@pytest.mark.parametrize(
    "chunks",
    [
        [(0, 5, 6)],
        [(0, 5, 5), (3, 5, 5)],
        [(8, 5, 5)],
        [(1 << 40, 5, 5)],
        [(0, 0, 0)],
    ],
    ids=["two sizes", "over each other", "behind the end", "far away", "empty"],
)
def test_chunks_lie_where_they_can(
    saved: DirectoryArtifact, tmp_path: Path, chunks: list[tuple[int, int, int]]
) -> None:
    (tmp_path / "pack").write_bytes(b"0123456789")
    reads = direct.DirectReads(saved._client, saved.id, Way(pb.TRANSFER_WAY_PATH))
    extent = pb.Extent(path=str(tmp_path / "pack"), size_bytes=10)
    for offset, stored, raw in chunks:
        extent.chunks.add(offset=offset, stored_size_bytes=stored, raw_size_bytes=raw, codec=artifact_pb2.CODEC_NONE)
    with pytest.raises(Broken, match="cannot"):
        list(Streamed([extent], reads.open, lambda: True, Workers(1, "reader")))


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize(
    "then",
    [
        refusal(403, "AccessDenied"),
        refusal(503, "SlowDown"),
        said(200, b"<html>please log in</html>"),
        changed(flipped),
        changed(
            lambda answer: Said(answer.status, answer.headers, answer.body[: len(answer.body) // 2], len(answer.body))
        ),
        changed(lambda answer: Said(200, answer.headers, answer.body)),
        changed(lambda answer: Said(answer.status, {**answer.headers, "Content-Range": "bytes 0-9/10"}, answer.body)),
    ],
    ids=["403", "503", "html", "other bytes", "half", "status 200", "other range"],
)
def test_a_store_that_lies_changes_nothing(
    saved: DirectoryArtifact, store: LyingS3, tmp_path: Path, then: Callable[..., Said], after: int
) -> None:
    prove(saved)
    store.rules.append(lie(then, after))
    assert fetched(saved, tmp_path)


def test_what_does_not_work_is_left_for_a_while(
    saved: DirectoryArtifact, store: LyingS3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prove(saved)
    store.rules.append(lie(refusal(403, "AccessDenied")))
    with caplog.at_level(logging.INFO, "xpstore"):
        assert fetched(saved, tmp_path / "first") and fetched(saved, tmp_path / "second")
    assert ways.way_down(saved._client) is None
    told = [record for record in caplog.records if "All bytes go through the server" in record.message]
    assert len(told) == 1 and "Signature" not in told[0].message


def test_a_host_that_is_not_there_costs_nothing(saved: DirectoryArtifact, tmp_path: Path) -> None:
    reads = direct.DirectReads(saved._client, saved.id, way := Way(pb.TRANSFER_WAY_URL))
    with pytest.raises(Broken, match="does not answer"):
        reads.open(pb.Extent(url="http://127.0.0.1:9/bucket/packs/one?X-Amz-Signature=1", size_bytes=1))
    way.failed(Broken("it does not answer"))
    assert not way.is_open


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/one", "one", ""])
def test_only_http_is_asked(saved: DirectoryArtifact, url: str) -> None:
    reads = direct.DirectReads(saved._client, saved.id, Way(pb.TRANSFER_WAY_URL))
    with pytest.raises(Broken, match="of the kind"):
        reads.open(pb.Extent(url=url, size_bytes=1))


def test_nothing_is_read_in_plaintext_where_the_server_has_tls(saved: DirectoryArtifact) -> None:
    reads = direct.DirectReads(saved._client, saved.id, Way(pb.TRANSFER_WAY_URL))
    reads._hosts._is_private = True
    with pytest.raises(Broken, match="without TLS"):
        reads.open(pb.Extent(url="http://192.0.2.1/bucket/one?a=b", size_bytes=1))


def test_paths_lead_to_files_alone(saved: DirectoryArtifact, tmp_path: Path) -> None:
    """What another server might name: pipes would hold a program for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    reads = direct.DirectReads(saved._client, saved.id, Way(pb.TRANSFER_WAY_PATH))
    for path in ("pipe", "link", "none", ".", "a\0b"):
        with pytest.raises(Broken):
            reads.open(pb.Extent(path=f"{tmp_path}/{path}", size_bytes=1))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("own") / "home") as home:
        yield home


def test_files_of_an_embedded_server_are_read_where_they_are(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_HOME", str(home.folder))
    (tmp_path / "whole.bin").write_bytes(WHOLE)
    with closing(xpstore.init()) as client, client.project("own", "own"):
        artifact = DirectoryArtifact.save(tmp_path / "whole.bin", "own")
        way = prove(artifact)
        assert way.kind == pb.TRANSFER_WAY_PATH
        artifact.download(tmp_path / "first")
        assert (tmp_path / "first" / "whole.bin").read_bytes() == WHOLE
        assert way.is_proven
        (pack, *_) = sorted((home.folder / "blobs").rglob("packs/*/*/*"))
        with open(pack, "r+b") as file:
            file.seek(1_000)
            byte = file.read(1)
            file.seek(1_000)
            file.write(bytes([byte[0] ^ 1]))
        with pytest.raises(xpstore.errors.DataLoss, match="chunk"):
            artifact.download(tmp_path / "second")
        assert not (tmp_path / "second" / "whole.bin").exists()
