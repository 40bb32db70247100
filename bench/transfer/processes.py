"""The processes of a measured call: clients that go at the same moment, and servers that are watched meanwhile."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[2]
CLIENTS = "bench.transfer.clients"
ANSWER_SECONDS = 900
# Short beside any transfer that could fill memory, and about 0.1 % of a core.
SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Command:
    """A client: its name in `clients.py`, what it is told, its environment beside ours, and who interprets it."""

    client: str
    task: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable


class ClientProcess:
    """One client. It waits until `go`."""

    def __init__(self, command: Command, log: Path) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XPSTORE_", "MLFLOW_"))}
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [command.python, "-m", CLIENTS, command.client, json.dumps(command.task)],
                cwd=ROOT,
                env={**inherited, "NO_PROXY": "127.0.0.1", **command.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def wait_ready(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == "ready\n":
                return
        raise self._failure()

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def report(self) -> dict[str, float]:
        output, _ = self._process.communicate(timeout=ANSWER_SECONDS)
        if self._process.returncode != 0:
            raise self._failure()
        report: dict[str, float] = json.loads(output.splitlines()[-1])
        return report

    def _failure(self) -> RuntimeError:
        return RuntimeError(f"a client failed: {self._log.read_text(errors='replace')[-3000:]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        with contextlib.suppress(ValueError):  # its pipes are closed
            self._process.communicate()


@contextlib.contextmanager
def ready_clients(commands: list[Command], log: Path) -> Iterator[list[ClientProcess]]:
    """Starts clients; they wait until `race`."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ClientProcess(command, log)) for command in commands]
        for client in clients:
            client.wait_ready()
        yield clients


def race(clients: list[ClientProcess]) -> list[dict[str, float]]:
    """Lets all go at once; returns their reports."""
    for client in clients:
        client.go()
    return [client.report() for client in clients]


class Usage:
    """Watches processes and the children they have at its start."""

    def __init__(self, roots: Iterable[psutil.Process]) -> None:
        self._processes = family(roots)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._started_seconds = self._cpu_seconds()
        self.cpu_seconds = 0.0
        self.peak_bytes = 0

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, rss_bytes(self._processes))
            if self._stop.wait(SAMPLE_SECONDS):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.cpu_seconds = self._cpu_seconds() - self._started_seconds


def family(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Processes and all their children."""
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def rss_bytes(processes: Iterable[psutil.Process]) -> int:
    """The sum of what is resident now."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += int(process.memory_info().rss)
    return total
