"""A file far larger than the server's memory goes up and down, and the server stays small.

256 MiB by default; 3 GiB with XPSTORE_TEST_LARGE=1.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from blake3 import blake3

import xpstore
from support.raw import MIB, Raw
from support.services import Server
from xpstore.artifact import DirectoryArtifact

SIZE_MIB = 3072 if os.environ.get("XPSTORE_TEST_LARGE") else 256
GROWTH_BYTES = 128 * MIB


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.bin"
    with open(path, "wb") as file:
        for _ in range(SIZE_MIB):
            file.write(os.urandom(MIB))
    return path


def b3sum(path: Path) -> bytes:
    return blake3(max_threads=blake3.AUTO).update_mmap(path).digest()


@contextmanager
def measured(server: Server, what: str) -> Iterator[None]:
    """Fails if the server's memory grows beyond the bound; prints growth and speed."""
    before = peak = server.rss_bytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, server.rss_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - began
        done.set()
        watcher.join()
    growth = (peak - before) / MIB
    print(f"{what}: {SIZE_MIB} MiB, {SIZE_MIB / seconds:.0f} MiB/s, server grew by {growth:.0f} MiB")
    assert peak - before < GROWTH_BYTES


def warm_up() -> None:
    """Threads, connections and imports are not what grows with a file."""
    saved = DirectoryArtifact.save(os.urandom(20 * MIB), "warm")
    assert len(saved.open().read()) == 20 * MIB


@pytest.mark.timeout(1500)
def test_large_file_is_saved_and_downloaded_while_the_server_stays_small(
    project: xpstore.Project, server: Server, large: Path, tmp_path: Path
) -> None:
    server.restart()
    warm_up()
    with measured(server, "save"):
        saved = DirectoryArtifact.save(large, "large")
    assert saved.files()[0].digest == b3sum(large).hex()
    with measured(server, "download"):
        saved.download(tmp_path)
    assert b3sum(tmp_path / "large.bin") == b3sum(large)
    (tmp_path / "large.bin").unlink()


@pytest.mark.timeout(1500)
def test_large_file_is_streamed_up_and_down_while_the_server_stays_small(
    project: xpstore.Project, server: Server, large: Path
) -> None:
    server.restart()
    warm_up()
    raw = Raw(project._client, project.uid)
    with measured(server, "UploadFile"), open(large, "rb") as file:
        answer = raw.upload_file(
            raw.header(blake3=b3sum(large), size_bytes=SIZE_MIB * MIB), iter(lambda: file.read(MIB), b""), timeout=1200
        )
    digest = blake3()
    with measured(server, "ReadFile"):
        for data in raw.read_pieces(answer.version.id, timeout=1200):
            digest.update(data)
    assert digest.digest() == b3sum(large)
