"""CPU seconds and resident memory of servers, seen from outside while a call is under way."""

import contextlib
import threading
from collections.abc import Iterable
from typing import Self

import psutil

# Short beside any transfer that could fill memory, and about 0.1 % of a core.
SAMPLE_SECONDS = 0.02


class Usage:
    """Watches processes and the children they have at its start."""

    def __init__(self, roots: Iterable[psutil.Process]) -> None:
        self._processes = [process for root in roots for process in (root, *root.children(recursive=True))]
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


def rss_bytes(processes: Iterable[psutil.Process]) -> int:
    """The sum of what is resident now."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += int(process.memory_info().rss)
    return total
