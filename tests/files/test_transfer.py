"""Files up and down as a pipeline: what moves, what does not move again, and what is read at all."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import xpstore
import xpstore._files.scan
import xpstore._files.upload
from support.raw import KIB, MIB, Raw, digest_of
from support.services import Server
from xpstore import errors
from xpstore._files.download import read_manifest
from xpstore._files.scan import Source
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb


class Meter:
    """Counts the calls of a client and the raw bytes of the chunks it asks for or sends."""

    def __init__(self, client: xpstore.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.asked: list[bytes] = []
        stubs = client.stubs
        reading, sending, calling = stubs.read_chunks, stubs.upload_chunks, client.call

        class Sending:
            @staticmethod
            def future(messages: Iterator[bytes], **options: Any) -> Any:
                self.calls["UploadChunks"] += 1
                return sending.future(messages, **options)

        def read(request: pb.ReadChunksRequest, **options: Any) -> Any:
            self.calls["ReadChunks"] += 1
            self.asked.extend(request.digests)
            return reading(request, **options)

        def call(method: Any, request: Any, **options: Any) -> Any:
            self.calls[type(request).__name__] += 1
            return calling(method, request, **options)

        monkeypatch.setattr(stubs, "upload_chunks", Sending)
        monkeypatch.setattr(stubs, "read_chunks", read)
        monkeypatch.setattr(client, "call", call)


@pytest.fixture
def meter(client: xpstore.Client, project: xpstore.Project, monkeypatch: pytest.MonkeyPatch) -> Meter:
    project.open()
    return Meter(client, monkeypatch)


@pytest.fixture
def raw(project: xpstore.Project) -> Raw:
    return Raw(project.open()._client, project.uid)


def write(path: Path, data: bytes | bytearray) -> Path:
    """Writes a file that is old enough for the local index to trust."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def settle() -> None:
    """Waits until files just written may be remembered: their times must be past."""
    time.sleep(0.15)


def read_chunks(raw: Raw, version_id: str, digests: list[bytes]) -> list[pb.Chunk]:
    request = pb.ReadChunksRequest(version_id=version_id, digests=digests)
    return [
        chunk
        for response in raw.stream(lambda _, **options: list(raw.stub.ReadChunks(request, **options)), [])
        for chunk in response.chunks
    ]


def test_manifest_and_chunks_are_all_that_a_client_needs(raw: Raw) -> None:
    files: dict[str, bytes | None] = {"a": os.urandom(3 * MIB), "a.b": b"x", "a/": None, "d/e": b"text " * 9999}
    files.pop("a/")
    version = raw.publish(files, size=300 * KIB)
    entries = list(read_manifest(raw.client, version.id))
    assert [entry.path for entry in entries] == sorted(files)
    for entry in entries:
        digests = [entry.chunk_digests[start : start + 32] for start in range(0, len(entry.chunk_digests), 32)]
        chunks = {chunk.digest: chunk for chunk in read_chunks(raw, version.id, digests)}
        assert b"".join(chunks[digest].data for digest in digests) == files[entry.path]
        assert [chunks[digest].raw_size_bytes for digest in digests] == list(entry.chunk_sizes)


def test_each_chunk_comes_once_however_often_it_is_asked_for(raw: Raw) -> None:
    version = raw.publish({"a": b"one", "b": b"two"})
    digests = [digest_of(b"two"), digest_of(b"one"), digest_of(b"two")]
    assert sorted(chunk.data for chunk in read_chunks(raw, version.id, digests)) == [b"one", b"two"]
    assert read_chunks(raw, version.id, []) == []


def test_manifest_of_a_path_has_what_is_at_or_below_it(raw: Raw) -> None:
    paths = ["a", "b.c", "b/1", "b/2/3", "b0", "c"]
    version = raw.publish({path: path.encode() for path in paths})

    def below(prefix: str) -> list[str]:
        return [entry.path for entry in read_manifest(raw.client, version.id, prefix)]

    assert below("b") == ["b/1", "b/2/3"] and below("b/2") == ["b/2/3"] and below("b/2/3") == ["b/2/3"]
    assert below("a") == ["a"] and below("nothing") == []
    with pytest.raises(errors.InvalidArgument) as caught:
        below("../b")
    assert caught.value.metadata["field"] == "path_prefix"


def test_chunks_of_other_projects_and_deleted_versions_are_not_given(raw: Raw, client: xpstore.Client) -> None:
    version = raw.publish({"a": b"mine"})
    other = Raw(client, client.project(f"other {os.urandom(4).hex()}").open().uid)
    foreign = other.publish({"a": os.urandom(50)})
    (entry,) = read_manifest(client, foreign.id)
    with pytest.raises(errors.NotFound, match="no chunk"):
        read_chunks(raw, version.id, [entry.chunk_digests])
    Artifact.get_by_id(version.id).delete()
    for read in (
        lambda: read_chunks(raw, version.id, [digest_of(b"mine")]),
        lambda: [*read_manifest(client, version.id)],
    ):
        with pytest.raises(errors.NotFound):
            read()


@pytest.mark.parametrize("digests", [[b"short"], [bytes(32)] * 16_385], ids=["short", "too many"])
@pytest.mark.client
def test_bad_requests_for_chunks_are_refused(digests: list[bytes], raw: Raw) -> None:
    version = raw.publish({"a": b"mine"})
    with pytest.raises(errors.InvalidArgument) as caught:
        read_chunks(raw, version.id, digests)
    assert caught.value.metadata["field"] == "digests"


@pytest.mark.store
def test_text_is_compressed_on_the_wire_and_at_rest(raw: Raw, tmp_path: Path) -> None:
    lines = (f"step {number} loss {number / 7:.5f}\n" for number in range(200_000))
    source = write(tmp_path / "log.txt", "".join(lines).encode())
    saved = DirectoryArtifact.save(source, "text")
    (entry,) = read_manifest(raw.client, saved.id)
    digests = [entry.chunk_digests[start : start + 32] for start in range(0, len(entry.chunk_digests), 32)]
    chunks = read_chunks(raw, saved.id, digests)
    assert {chunk.codec for chunk in chunks} == {pb.CODEC_ZSTD}
    assert sum(len(chunk.data) for chunk in chunks) < source.stat().st_size / 2
    assert (saved.download(tmp_path / "out") / "log.txt").read_bytes() == source.read_bytes()
    assert raw.read(saved.id, offset=1_234_567, length=100) == source.read_bytes()[1_234_567:][:100]
    assert saved.open().read() == source.read_bytes()


@pytest.mark.store
def test_small_change_of_a_large_file_sends_little(meter: Meter, project: xpstore.Project, tmp_path: Path) -> None:
    data = bytearray(random.Random(1).randbytes(40 * MIB))
    source = write(tmp_path / "weights.bin", data)
    DirectoryArtifact.save(source, "weights")
    for change in ("in place", "in front"):
        if change == "in place":
            data[20 * MIB : 21 * MIB] = os.urandom(MIB)
        else:
            data[:0] = os.urandom(MIB)
        source.write_bytes(data)
        with xpstore._files.upload.Uploader(project._client, project.uid, lambda size_bytes: None) as uploader:
            uploader.add(xpstore._files.scan.scan(source)[0])
            uploader.finish()
        assert MIB <= uploader.sent_bytes < 4 * MIB
    saved = DirectoryArtifact.save(source, "weights")
    assert (saved.version, saved.open().read()) == (2, bytes(data))


def test_what_repeats_in_a_file_is_sent_once(project: xpstore.Project, tmp_path: Path) -> None:
    block = os.urandom(5 * MIB)
    source = write(tmp_path / "repeats.bin", block * 12)
    project.open()
    with xpstore._files.upload.Uploader(project._client, project.uid, lambda size_bytes: None) as uploader:
        uploader.add(xpstore._files.scan.scan(source)[0])
        uploader.finish()
    assert uploader.sent_bytes < 3 * len(block)
    assert DirectoryArtifact.save(source, "repeats").open().read() == block * 12


@pytest.mark.store
def test_many_small_files_take_few_calls_both_ways(meter: Meter, tmp_path: Path) -> None:
    files = {f"{number % 40:02}/{number}.bin": os.urandom(200) + bytes([number % 251]) for number in range(3_000)}
    for path, data in files.items():
        write(tmp_path / "in" / path, data)
    saved = DirectoryArtifact.save(tmp_path / "in", "many")
    up = meter.calls.total()
    assert up < 15, meter.calls
    target = saved.download(tmp_path / "out")
    assert meter.calls.total() - up < 15, meter.calls
    found = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*.bin")}
    assert found == files


@pytest.mark.client
def test_unchanged_file_is_not_read_again(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [write(tmp_path / "in" / f"{number}.bin", os.urandom(3 * MIB)) for number in range(3)]
    settle()
    first = DirectoryArtifact.save(tmp_path / "in", "indexed")
    opened: list[str] = []
    real = Source.read

    def noted(self: Source) -> Any:
        opened.append(self.path)
        return real(self)

    monkeypatch.setattr(Source, "read", noted)
    assert DirectoryArtifact.save(tmp_path / "in", "indexed").id == first.id
    assert opened == []
    assert DirectoryArtifact.save(tmp_path / "in", "indexed", reread=True).id == first.id
    assert opened == ["0.bin", "1.bin", "2.bin"]
    opened.clear()
    sources[1].write_bytes(os.urandom(3 * MIB))
    second = DirectoryArtifact.save(tmp_path / "in", "indexed")
    assert opened == ["1.bin"] and second.version == 2
    assert second.open("1.bin").read() == sources[1].read_bytes()
    opened.clear()
    # Another project has nothing of it: everything is read and sent.
    with xpstore.Project(f"elsewhere {os.urandom(4).hex()}", client=project._client):
        elsewhere = DirectoryArtifact.save(tmp_path / "in", "indexed")
    assert set(opened) == {"0.bin", "1.bin", "2.bin"} and elsewhere.digest == second.digest


@pytest.mark.client
def test_file_that_changes_while_it_is_read_is_not_remembered(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "moving.bin", bytes(2 * MIB))
    settle()
    real = Source.read

    def read_and_change(self: Source) -> bytes | None:
        data = real(self)
        source.write_bytes(b"\x01" * 2 * MIB)
        return data

    with monkeypatch.context() as patch:
        patch.setattr(Source, "read", read_and_change)
        DirectoryArtifact.save(source, "moving")
    saved = DirectoryArtifact.save(source, "moving")
    assert saved.open().read() == b"\x01" * 2 * MIB


@pytest.mark.store
def test_download_fetches_only_what_is_not_there(meter: Meter, tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "in" / f"{number}.bin", os.urandom(3 * MIB))
    write(tmp_path / "in" / "run.sh", b"#!/bin/sh\n").chmod(0o755)
    saved = DirectoryArtifact.save(tmp_path / "in", "whole")
    target = saved.download(tmp_path / "out")
    everything = len(meter.asked)
    meter.asked.clear()
    (target / "run.sh").chmod(0o644)
    saved.download(target)
    assert meter.asked == [] and os.access(target / "run.sh", os.X_OK)
    (target / "2.bin").write_bytes(os.urandom(3 * MIB))  # the same size, other bytes
    (target / "3.bin").unlink()
    saved.download(target)
    assert 0 < len(meter.asked) <= everything / 2 + 2
    assert all((target / f"{n}.bin").read_bytes() == (tmp_path / "in" / f"{n}.bin").read_bytes() for n in range(4))
    meter.asked.clear()
    saved.download(tmp_path / "alone", "1.bin")
    assert len(meter.asked) <= everything / 4 + 2


DOWNLOAD = """
import os, signal, sys, xpstore
from xpstore._files.partial import PartialFile
from xpstore.artifact import Artifact

written, write = [], PartialFile.write

def write_until_killed(partial, data):
    write(partial, data)
    written.append(len(data))
    if sum(written) > 20 << 20:
        os.kill(os.getpid(), signal.SIGKILL)

PartialFile.write = write_until_killed
xpstore.init(sys.argv[1], sys.argv[2])
Artifact.get_by_id(sys.argv[3]).download(sys.argv[4])
"""


@pytest.mark.store
def test_killed_download_goes_on_where_it_was(meter: Meter, server: Server, tmp_path: Path) -> None:
    source = write(tmp_path / "large.bin", os.urandom(100 * MIB))
    saved, out = DirectoryArtifact.save(source, "large"), tmp_path / "out"
    program = [sys.executable, "-c", DOWNLOAD, server.api_key, server.address, saved.id, str(out)]
    assert subprocess.run(program, timeout=60).returncode == -signal.SIGKILL
    (draft,) = out.glob(".*.part")
    durable = draft.stat().st_size
    with draft.open("r+b") as file:  # a torn write at its end must not be believed
        file.seek(-1000, os.SEEK_END)
        file.write(bytes(1000))
    saved.download(out)
    (entry,) = read_manifest(saved._client, saved.id)
    sizes = dict(zip(_digests(entry), entry.chunk_sizes, strict=True))
    assert sum(sizes[digest] for digest in meter.asked) <= 100 * MIB - durable + 2 * MIB
    assert (out / "large.bin").read_bytes() == source.read_bytes()
    assert [path.name for path in out.iterdir()] == ["large.bin"]


def _digests(entry: pb.ManifestEntry) -> list[bytes]:
    return [entry.chunk_digests[start : start + 32] for start in range(0, len(entry.chunk_digests), 32)]


@pytest.mark.client
def test_two_downloads_into_one_folder_do_not_disturb_each_other(project: xpstore.Project, tmp_path: Path) -> None:
    source = write(tmp_path / "shared.bin", os.urandom(24 * MIB))
    saved = DirectoryArtifact.save(source, "shared")
    with ThreadPoolExecutor(4) as pool:
        for target in pool.map(lambda _: saved.download(tmp_path / "out"), range(4)):
            assert (target / "shared.bin").read_bytes() == source.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shared.bin"]


@pytest.mark.client
def test_interrupted_save_leaves_no_thread_behind(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "large.bin", os.urandom(64 * MIB))
    real, reads = xpstore._files.upload.Uploader._ask_window, 0

    def interrupted(self: xpstore._files.upload.Uploader) -> None:
        nonlocal reads
        reads += 1
        if reads == 6:
            raise KeyboardInterrupt
        real(self)

    with monkeypatch.context() as patch:
        patch.setattr(xpstore._files.upload.Uploader, "_ask_window", interrupted)
        with pytest.raises(KeyboardInterrupt):
            DirectoryArtifact.save(source, "interrupted")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("xpstore-send", "xpstore-hash"))]
    assert Artifact.load_all(project=project) == []
    assert DirectoryArtifact.save(source, "interrupted").version == 1


@pytest.mark.client
def test_acknowledgement_of_other_content_is_data_loss(
    project: xpstore.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = project._client.call

    def answered(method: Any, request: Any, **options: Any) -> Any:
        answer = call(method, request, **options)
        if isinstance(answer, pb.CommitArtifactResponse):
            answer.version.digest = bytes(32)
        return answer

    monkeypatch.setattr(project._client, "call", answered)
    with pytest.raises(errors.DataLoss, match="other content"):
        DirectoryArtifact.save(b"x", "a")
