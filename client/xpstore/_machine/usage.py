"""What this program and its machine are busy with, as a run logs it: processor, memory, disk, network, GPUs."""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any

import psutil

_RATE = "bytes_per_second"


class Usage:
    """Readings since the reading before; the first is since this was made.

    Of the whole machine, in a container too where the kernel tells no other, but for what begins with "process".

    Args:
        process_id: the process that this is of; default this one.
    """

    def __init__(self, process_id: int | None = None) -> None:
        self._process = psutil.Process(process_id)
        self._folder = os.getcwd()
        self._gpus = _gpus()
        self._at = time.monotonic()
        self._moved = _moved()
        # Both say 0 when they are first asked.
        psutil.cpu_percent()
        self._process.cpu_percent()

    def read(self) -> dict[str, float]:
        """Names and values; what this machine does not tell is left out.

        Percents are of all that there is, but for `process_cpu_percent`: 100 is one processor. Rates are bytes a
        second, over all disks and all network interfaces but loopback.
        """
        now, moved = time.monotonic(), _moved()
        seconds = max(now - self._at, 1e-3)
        rates = {name: max(count - self._moved.get(name, count), 0) / seconds for name, count in moved.items()}
        self._at, self._moved = now, moved
        with self._process.oneshot():
            own = {
                "process_cpu_percent": self._process.cpu_percent(),
                "process_memory_bytes": float(self._process.memory_info().rss),
            }
        return {
            "cpu_percent": psutil.cpu_percent(),
            "memory_percent": psutil.virtual_memory().percent,
            "disk_percent": psutil.disk_usage(self._folder).percent,
            **own,
            **rates,
            **{name: value for gpu in self._gpus for name, value in gpu.read().items()},
        }


def _moved() -> dict[str, int]:
    """Bytes moved so far, by the name of their rate."""
    disks = psutil.disk_io_counters()
    links = [link for name, link in psutil.net_io_counters(pernic=True).items() if name != "lo"]
    return {
        **({f"disk_read_{_RATE}": disks.read_bytes, f"disk_written_{_RATE}": disks.write_bytes} if disks else {}),
        f"network_sent_{_RATE}": sum(link.bytes_sent for link in links),
        f"network_received_{_RATE}": sum(link.bytes_recv for link in links),
    }


class _Gpu:
    """One GPU of NVIDIA, by its own library (`pip install nvidia-ml-py`)."""

    def __init__(self, library: Any, number: int) -> None:
        self._library = library
        self._handle = library.nvmlDeviceGetHandleByIndex(number)
        self._name = f"gpu_{number}"

    def read(self) -> dict[str, float]:
        nvml = self._library
        asked: tuple[tuple[str, Callable[[Any], Any]], ...] = (
            ("percent", lambda gpu: nvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
            ("memory_bytes", lambda gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used),
            ("watts", lambda gpu: nvml.nvmlDeviceGetPowerUsage(gpu) / 1000),  # it tells milliwatts
            ("celsius", lambda gpu: nvml.nvmlDeviceGetTemperature(gpu, nvml.NVML_TEMPERATURE_GPU)),
        )
        found: dict[str, float] = {}
        for name, ask in asked:
            with contextlib.suppress(nvml.NVMLError):  # not every device tells everything
                found[f"{self._name}_{name}"] = float(ask(self._handle))
        return found


def _gpus() -> list[_Gpu]:
    try:
        import pynvml  # here: it may be missing

        pynvml.nvmlInit()
        return [_Gpu(pynvml, number) for number in range(pynvml.nvmlDeviceGetCount())]
    except Exception:  # no library, no driver, no device, or no right to ask
        return []
