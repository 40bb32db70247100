"""What another caller sees meanwhile: a program of its own, so that this one's work does not count."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

KINDS = ("limits", "read", "write")


@dataclass(frozen=True)
class Seen:
    """Times of one kind of call in milliseconds."""

    times: list[float]
    failed: int

    def at(self, share: float) -> float:
        """The time that so large a share of the calls did not exceed."""
        return sorted(self.times)[min(int(len(self.times) * share), len(self.times) - 1)]

    def __str__(self) -> str:
        return (
            f"p50 {self.at(0.5):.1f}, p99 {self.at(0.99):.1f}, worst {max(self.times):.1f} ms ({len(self.times)} calls)"
        )


class Probe:
    """A program that calls again and again, each kind on a thread of its own, until it is told to stop."""

    def __init__(self, address: str, key: str, model_id: str) -> None:
        arguments = [sys.executable, __file__, address, key, model_id]
        self._process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "begun\n"

    @property
    def pid(self) -> int:
        return self._process.pid

    def take(self) -> dict[str, Seen]:
        """What was seen since it began, or since the last time."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print("take", file=self._process.stdin, flush=True)
        return {kind: Seen(**seen) for kind, seen in json.loads(self._process.stdout.readline()).items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("stop\n")


def main(address: str, key: str, model_id: str) -> None:
    """Calls until standard input says stop."""
    import xpstore  # here, as this is the program's part
    from xpstore._values.ids import new_id
    from xpstore.v1 import limits_pb2, metric_pb2, model_pb2

    client = xpstore.Client(key, address)
    seen: dict[str, list[float]] = {kind: [] for kind in KINDS}
    failed = dict.fromkeys(KINDS, 0)
    stopped: list[bool] = []

    def write() -> Any:
        point = metric_pb2.MetricPoint(name="probe", float_value=1)
        request = metric_pb2.LogMetricsRequest(model_id=model_id, writer_id=new_id(), points=[point])
        return client.stubs.metrics.LogMetrics(request, metadata=client.metadata, timeout=30)

    calls: dict[str, Callable[[], Any]] = {
        "limits": lambda: client.stubs.limits.GetLimits(
            limits_pb2.GetLimitsRequest(), metadata=client.metadata, timeout=30
        ),
        "read": lambda: client.stubs.models.GetModel(
            model_pb2.GetModelRequest(model_id=model_id), metadata=client.metadata, timeout=30
        ),
        "write": write,
    }

    def run(kind: str) -> None:
        while not stopped:
            began = time.perf_counter()
            try:
                calls[kind]()
            except Exception:
                failed[kind] += 1
            seen[kind].append((time.perf_counter() - began) * 1000)
            time.sleep(0.01)

    for call in calls.values():
        call()
    print("begun", flush=True)
    with ThreadPoolExecutor(len(KINDS)) as pool:
        for kind in KINDS:
            pool.submit(run, kind)
        for line in sys.stdin:
            if line == "stop\n":
                break
            taken = {kind: {"times": seen[kind][:], "failed": failed[kind]} for kind in KINDS}
            for kind in KINDS:
                del seen[kind][: len(taken[kind]["times"])]  # type: ignore[arg-type]
                failed[kind] = 0
            print(json.dumps(taken), flush=True)
        stopped.append(True)
    client.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
