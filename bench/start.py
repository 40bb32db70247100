"""What a user waits for before anything happens: the import, and the server's first answer."""

import subprocess
import sys
import time
from pathlib import Path

from bench.figure import Figure, median_seconds
from services import Server

IMPORTS = 7
STARTS = 5


def measure(folder: Path) -> list[Figure]:
    """Import time of the client, start to first answer of the server, and its memory when idle."""
    seconds, rss = [], []
    for number in range(STARTS):
        home = folder / f"start-{number}"
        home.mkdir()
        server = Server(f"sqlite:///{home}/xpstore.db", (home / "blobs").as_uri(), home)
        began = time.perf_counter()
        with server:
            seconds.append(time.perf_counter() - began)
            rss.append(server.rss_bytes() / (1 << 20))
    return [
        Figure("import xpstore", "s", _import("xpstore"), _import("grpc"), "import grpc", "< 0.2 s"),
        Figure("server start to first answer", "s", sorted(seconds)[STARTS // 2], goal="< 1.5 s"),
        Figure("server memory when idle", "MiB", sorted(rss)[STARTS // 2], goal="< 130 MiB"),
    ]


def _import(module: str) -> float:
    """Median time of an import in a fresh process, the interpreter's own start taken off."""
    bare = median_seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), IMPORTS)
    loaded = median_seconds(lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True), IMPORTS)
    return loaded - bare
