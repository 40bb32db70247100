"""Lines that are long or thin: what is sent fills them, and what takes long is not taken for a fault."""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy
import pytest
from blake3 import blake3

import xpstore
from support.between.relay import Relay
from support.services import Server
from xpstore._files import upload
from xpstore._spool import shipper
from xpstore.artifact import DirectoryArtifact
from xpstore.format.messages import WireChunk, encode_chunks
from xpstore.v1 import artifact_pb2 as pb

pytestmark = pytest.mark.client

MIB = 1 << 20


@pytest.fixture
def relay(server: Server) -> Iterator[Relay]:
    with Relay(server.address) as relay:
        yield relay


@pytest.fixture
def far(server: Server, relay: Relay) -> Iterator[xpstore.Client]:
    """A client beyond the relay."""
    client = xpstore.Client(server.api_key, relay.address)
    yield client
    relay.delay(0)
    relay.limit(0)
    client.close()


@pytest.fixture
def project(far: xpstore.Client) -> xpstore.Project:
    return far.project(f"lines {secrets.token_hex(6)}").open()


def saved(project: xpstore.Project, folder: Path, size_bytes: int) -> tuple[bytes, Any]:
    data = os.urandom(size_bytes)
    (folder / "f").write_bytes(data)
    return data, DirectoryArtifact.save(folder / "f", "f", project=project)


def test_streams_of_a_save_have_connections_of_their_own_on_a_long_line(
    project: xpstore.Project, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LONG_SECONDS", (0.02, 60))  # however loaded this machine is
    assert relay.accepted == 1
    relay.delay(0.15)
    data, artifact = saved(project, tmp_path, 48 * MIB)
    assert 3 <= relay.accepted <= upload.LONG_STREAMS
    relay.delay(0)
    assert artifact.download(tmp_path / "out").joinpath("f").read_bytes() == data


def test_what_is_sent_ahead_and_not_read_stays_small(server: Server, project: xpstore.Project) -> None:
    """Streams that wait for their turn: the server has memory for less than twenty."""
    count = 60
    piece = os.urandom(1000 << 10)
    wire = WireChunk(blake3(piece).digest(), pb.CODEC_NONE, len(piece), piece)
    head = pb.UploadChunksRequest(project_uid=project.uid).SerializeToString()
    message = encode_chunks(pb.UploadChunksRequest.CHUNKS_FIELD_NUMBER, [wire], head)
    sent, done, lock = 0, threading.Event(), threading.Lock()

    def ahead() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(9):  # less than a pack
            with lock:
                sent += 1
            yield message
        done.wait(60)

    before = server.rss_bytes()
    with grpc.insecure_channel(server.address, [("grpc.enable_http_proxy", 0)]) as channel:
        method: Any = channel.stream_unary("/xpstore.v1.ArtifactService/UploadChunks")
        metadata = project._client.metadata
        calls = [method.future(ahead(), metadata=metadata, timeout=60) for _ in range(count)]
        most, quiet, seen = before, 0, 0
        while quiet < 20:  # nothing moves for a second
            time.sleep(0.05)
            most = max(most, server.rss_bytes())
            quiet, seen = (quiet + 1, seen) if seen == sent else (0, sent)
        done.set()
        for call in calls:
            call.cancel()
    assert sent > count
    # Its pack's buffer or 1 message, 2 MiB ahead, and what is passed on.
    assert (most - before) / count < 10 * MIB


def test_question_waits_behind_bytes_on_a_thin_line(
    server: Server, project: xpstore.Project, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "WINDOW_BYTES", MIB)
    relay.limit(2 * MIB)
    project._client.timeout_seconds = 1.0
    data, artifact = saved(project, tmp_path, 20 * MIB)
    relay.limit(0)
    project._client.timeout_seconds = 30.0
    assert artifact.download(tmp_path / "out").joinpath("f").read_bytes() == data


def test_points_that_take_longer_than_a_call_cross_a_thin_line_once(project: xpstore.Project, relay: Relay) -> None:
    model, count = project.experiment("e").model("h"), 30_000
    before = relay.ways[0].carried_bytes
    relay.limit(64 << 10)  # one record of eleven seconds
    numbers: Any = numpy.arange(count)
    model.metrics.log_arrays("loss", numbers, numbers / 2)
    project._client.flush(120)
    relay.limit(0)
    assert relay.ways[0].carried_bytes - before < 1.3 * count * 24, "24 bytes a point"
    read = model.metrics.read("loss")
    assert (read.steps == numbers).all() and (read.values == numbers / 2).all()


def test_batches_are_what_the_line_carries_in_a_few_seconds() -> None:
    fitted = shipper.Shipper(None)  # type: ignore[arg-type]  # without a server
    whole = shipper.BATCH_BYTES
    fitted._fit(whole, 12.0)
    assert fitted._limit_bytes == whole // 4 // 40 * 40 and not fitted._is_line_wide
    fitted._fit(400, 0.3)  # says little of the line
    assert fitted._limit_bytes == whole // 4 // 40 * 40
    fitted._fit(whole // 4, 3.0)
    assert fitted._limit_bytes == pytest.approx(whole // 4, rel=0.01)
    fitted._fit(whole // 4, 600.0)
    assert fitted._limit_bytes == shipper.LEAST_BYTES
    for _ in range(10):
        fitted._fit(fitted._limit_bytes, 0.01)
    assert fitted._limit_bytes == whole and fitted._is_line_wide


def test_stream_that_breaks_after_longer_than_a_call_may_take_goes_on(
    project: xpstore.Project, relay: Relay, tmp_path: Path
) -> None:
    relay.limit(MIB)
    project._client.timeout_seconds = 2.0
    with ThreadPoolExecutor(1) as pool:
        save = pool.submit(saved, project, tmp_path, 9 * MIB)
        while relay.ways[0].carried_bytes < 5 * MIB:
            time.sleep(0.05)
            assert not save.done()
        relay.cut()
        data, artifact = save.result(120)
    relay.limit(0)
    project._client.timeout_seconds = 30.0
    assert artifact.download(tmp_path / "out").joinpath("f").read_bytes() == data


def test_what_waits_offline_opens_no_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    monkeypatch.setattr(upload, "LONG_SECONDS", (0, 60))  # as on a disk that is slow to answer
    client = xpstore.Client(api_url="unix:/nobody/there", offline=True)
    data, artifact = saved(client.project("p").open(), tmp_path, 24 * MIB)
    assert artifact.size_bytes == len(data)
    client.close()
