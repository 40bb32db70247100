"""A large file up and down, against copying it on the same disk; and how much memory the server takes for it."""

import os
import shutil
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.figure import Figure
from s3_server import SeaweedFS
from services import Server
from xpstore import Client
from xpstore.artifact import DirectoryArtifact

MIB = 1 << 20
FILE_MIB = 512
TIMES = 3


def measure(folder: Path) -> list[Figure]:
    """Throughput and memory on local disk and on SeaweedFS; the order of ours and the reference alternates."""
    source = folder / "source.bin"
    figures = _measure_on("disk", folder, source, lambda name: (folder / name).as_uri())
    with SeaweedFS() as s3:
        return figures + _measure_on("SeaweedFS", folder, source, lambda name: s3.create_bucket(name))


def _measure_on(name: str, folder: Path, source: Path, blob_url: Callable[[str], str]) -> list[Figure]:
    up, again, down, copies, growth = [], [], [], [], []
    for number in range(TIMES):
        home = folder / f"transfer-{name}-{number}"
        home.mkdir()
        _write_random(source)
        copies.append(_seconds(partial(_copy, source, folder / "copy.bin")))
        url = blob_url(f"bench-{number}")
        with Server(f"sqlite:///{home}/xpstore.db", url, home) as server, _Peak(server) as peak:
            client = Client(server.api_key, server.address)
            project = client.project("bench")
            save = partial(DirectoryArtifact.save, source, "big", project=project)
            up.append(_seconds(save))
            again.append(_seconds(save))
            down.append(_seconds(partial(save().download, home / "out")))
            client.close()
        growth.append(peak.growth_bytes / MIB)
        shutil.rmtree(home)
    copy = _rate(copies)
    return [
        Figure(f"{name}: new {FILE_MIB} MiB file up", "MiB/s", _rate(up), copy, "copy + fdatasync"),
        Figure(f"{name}: the same file again", "MiB/s", _rate(again), copy, "copy + fdatasync"),
        Figure(f"{name}: down, verified", "MiB/s", _rate(down), copy, "copy + fdatasync"),
        Figure(f"{name}: server memory growth, one stream", "MiB", max(growth), goal="< 128 MiB"),
    ]


class _Peak:
    """Watches how far a server's resident memory rises above its start."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.growth_bytes = 0

    def _watch(self) -> None:
        start = self._server.rss_bytes()
        while not self._stop.wait(0.02):
            self.growth_bytes = max(self.growth_bytes, self._server.rss_bytes() - start)

    def __enter__(self) -> "_Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _write_random(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(FILE_MIB):
            file.write(os.urandom(MIB))


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, MIB)
        writer.flush()
        os.fdatasync(writer.fileno())


def _rate(seconds: list[float]) -> float:
    return FILE_MIB / statistics.median(seconds)


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
