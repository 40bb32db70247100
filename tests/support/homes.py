"""Homes of embedded services for tests: servers started in them by hand or by a client, and stopped afterwards."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil


def without_settings() -> dict[str, str]:
    """The environment of this process without its `XPSTORE_*`, but for the tests' own folders."""
    kept = ("XPSTORE_CACHE", "XPSTORE_CONFIG", "XPSTORE_SPOOL")
    return {name: value for name, value in os.environ.items() if name in kept or not name.startswith("XPSTORE_")}


class Home:
    """A folder for `XPSTORE_HOME`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**without_settings(), "XPSTORE_HOME": str(folder)}

    @property
    def announced(self) -> dict[str, Any] | None:
        """What server.json says, None if there is none."""
        with contextlib.suppress(OSError):
            found: dict[str, Any] = json.loads((self.folder / "server.json").read_text())
            return found
        return None

    @property
    def pid(self) -> int:
        """Process id of the server that announced itself."""
        found = self.announced
        assert found is not None, "no server is announced"
        return int(found["pid"])

    @property
    def address(self) -> str:
        """Where the announced server listens."""
        found = self.announced
        assert found is not None, "no server is announced"
        return str(found["address"])

    @property
    def log(self) -> str:
        """The log of servers that clients started."""
        return (self.folder / "server.log").read_text()

    def servers(self) -> list[psutil.Process]:
        """Every server process of this home."""
        return [process for process in psutil.process_iter(["cmdline"]) if self._is_server(process)]

    def _is_server(self, process: psutil.Process) -> bool:
        command = process.info["cmdline"] or []
        return "xpstore_server" in command and str(self.folder) in command

    @contextlib.contextmanager
    def serving(self, *flags: str, **settings: str) -> "Iterator[subprocess.Popen[str]]":
        """Starts a server by hand and waits for its announcement."""
        command = [sys.executable, "-m", "xpstore_server", "serve", "--home", str(self.folder), *flags]
        pipe = subprocess.PIPE
        environment = {**self.environment, **settings}
        with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                self._wait_announced(process)
                yield process
            finally:
                process.terminate()

    def _wait_announced(self, process: "subprocess.Popen[str]") -> None:
        deadline = time.monotonic() + 30
        while (self.announced or {}).get("pid") != process.pid:
            assert time.monotonic() < deadline and process.poll() is None, process.communicate()
            time.sleep(0.02)

    def run(self, code: str, **settings: str) -> "subprocess.Popen[str]":
        """Starts a program that uses this home."""
        environment = {**self.environment, **settings}
        command = [sys.executable, "-c", code]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.servers():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(self.servers(), timeout=20)
        for process in alive:
            process.kill()
