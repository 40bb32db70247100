"""What we send and how many calls we make, counted by runs of their own: counting costs time."""

import contextlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.transfer.contest import Step, Store
from bench.transfer.contestants import Ours
from bench.transfer.processes import race, ready_clients
from bench.transfer.progress import say
from bench.transfer.run import check_equal
from bench.transfer.steps import INDEX
from bench.transfer.workload import Sources, size_of
from counting_proxy import CountingProxy

# The server logs a call after it was answered.
LOG_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one step needs on the wire: bytes as TCP carries them, and calls as the server logs them."""

    size_bytes: int
    sent_bytes: int
    received_bytes: int
    calls: int

    @property
    def sent_percent(self) -> float:
        return 100 * self.sent_bytes / self.size_bytes


def count(sources: Sources, folder: Path) -> dict[str, Traffic]:
    """Traffic of each step, by its name; what was sent is fetched again and compared."""
    folder.mkdir()
    ours = Ours(folder, Store("disk", folder / "blobs"), {"XPSTORE_LOG_LEVEL": "DEBUG"})
    ours.open(0)
    traffic = {}
    try:
        with CountingProxy(ours.address) as proxy:
            ours.address = proxy.address
            for step in _steps(sources):
                traffic[step.name] = _count_step(step, ours, proxy, folder)
                say(
                    f"wire: {step.name}: {traffic[step.name].sent_percent:.2f} % sent, {traffic[step.name].calls} calls"
                )
    finally:
        ours.close()
    return traffic


def _steps(sources: Sources) -> list[Step]:
    """Everything that is timed, and a download of everything that was sent."""

    def pair(name: str, source: Path) -> tuple[Step, Step]:
        index = INDEX if name == "large" else ""
        up = Step(name=f"{name} up", action="up", sources=(source,), key=name, runs={}, index=index)
        return up, Step(name=f"{name} down", action="down", sources=(source,), key=name, runs={})

    large = (sources.large,)
    return [
        *pair("large", sources.large),
        Step(name="large again", action="up", sources=large, key="large", runs={}, reread=True),
        Step(name="large indexed", action="up", sources=large, key="large", runs={}, index=INDEX),
        *pair("changed", sources.changed),
        *pair("inserted", sources.inserted),
        *pair("few", sources.few),
        *pair("many", sources.many),
    ]


def _count_step(step: Step, ours: Ours, proxy: CountingProxy, folder: Path) -> Traffic:
    source, target = step.sources[0], folder / "down"
    command = ours.command(step, 0, source if step.action == "up" else target)
    with ready_clients([command], folder / "clients.log") as clients:
        time.sleep(LOG_SECONDS)
        sent, received, calls = proxy.sent_bytes, proxy.received_bytes, _calls(ours.server.log)
        race(clients)
    time.sleep(LOG_SECONDS)
    if step.action == "down":
        check_equal(source, target)
        shutil.rmtree(target)
    return Traffic(
        size_of(source), proxy.sent_bytes - sent, proxy.received_bytes - received, _calls(ours.server.log) - calls
    )


def _calls(log: Path) -> int:
    """How many calls the server has logged."""
    total = 0
    for line in log.read_text().splitlines():
        with contextlib.suppress(ValueError):
            total += json.loads(line).get("message") == "call"
    return total
