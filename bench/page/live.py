"""Models that run, and what it costs the server that somebody watches them."""

import math
import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psutil

from bench.page.rows import names_of
from bench.page.visitor import ROW, Visitor
from xpstore.experiment import Experiment

MODELS, METRICS = 50, 10
EVERY_SECONDS = 1.0
SETTLE_SECONDS = 15


class Training:
    """Models that log a step of each of their metrics a second while this lasts."""

    def __init__(self, experiment: Experiment) -> None:
        stamp = time.time_ns()
        self.models = [experiment.model(f"live {stamp} {number}") for number in range(MODELS)]
        self._stopped = threading.Event()
        self._runs = ExitStack()
        self._thread = threading.Thread(target=self._log)

    def _log(self) -> None:
        step = 0
        while not self._stopped.wait(EVERY_SECONDS):
            for number, model in enumerate(self.models):
                for place, (name, phase) in enumerate(names_of(METRICS)):
                    value = math.exp(-step / 100) + number / 50 + place / 10
                    model.metrics.log(name, value, step=step, phase=phase or None)
            step += 1

    def __enter__(self) -> Self:
        for model in self.models:
            self._runs.enter_context(model.run())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._runs.close()


def cores(pid: int, seconds: float) -> float:
    """Which share of a core a process takes for so long."""
    process = psutil.Process(pid)
    began, before = time.perf_counter(), process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return float(after.user - before.user + after.system - before.system) / (time.perf_counter() - began)


def watched(visitor: Visitor, project: str, experiment: Experiment, pid: int, seconds: float) -> tuple[float, float]:
    """Which share of a core the server takes while models run: without a page, and with one that shows them all."""
    with Training(experiment) as training:
        time.sleep(SETTLE_SECONDS)
        before = cores(pid, seconds / 2)
        with visitor.page() as page:
            page.goto(f"/p/{quote(project)}?s={','.join(str(model.id) for model in training.models)}")
            page.locator(ROW).first.wait_for()
            time.sleep(SETTLE_SECONDS)  # all fields are known by then
            beside = cores(pid, seconds)
        without = (before + cores(pid, seconds / 2)) / 2
    for model in training.models:
        experiment.models.delete(model.id)
    return without, beside
