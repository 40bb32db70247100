"""What a user waits for before anything happens: the import, and the server's first answer."""

import subprocess
import sys
import time
from pathlib import Path

from bench.figure import Figure, Goal, Spread, seconds_of
from support.backends import sqlite_url
from support.services import Server

IMPORTS = 7
STARTS = 5


def measure(folder: Path) -> list[Figure]:
    """Import time of the client, start to first answer of the server, and its memory when idle."""
    seconds, rss = [], []
    for number in range(STARTS):
        home = folder / f"start-{number}"
        home.mkdir()
        server = Server(sqlite_url(home / "xpstore.db"), (home / "blobs").as_uri(), home)
        began = time.perf_counter()
        with server:
            seconds.append(time.perf_counter() - began)
            rss.append(server.rss_bytes() / (1 << 20))
    return [
        Figure("import xpstore", "s", _import("xpstore"), {"import grpc": _import("grpc")}, (Goal("<", 0.2),)),
        Figure("server start to first answer", "s", Spread.of(seconds), goals=(Goal("<", 1.5),)),
        Figure("server memory when idle", "MiB", Spread.of(rss), goals=(Goal("<", 130),)),
    ]


def _import(module: str) -> Spread:
    """Duration of an import in a fresh process, the interpreter's own start taken off."""
    bare = seconds_of(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True), IMPORTS).median
    loaded = seconds_of(lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True), IMPORTS)
    return Spread(loaded.median - bare, loaded.lowest - bare, loaded.highest - bare, IMPORTS)
