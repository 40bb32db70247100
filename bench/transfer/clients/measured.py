"""What all client processes have in common. The standard library alone: it also runs in MLflow's environment.

A client gets its task as JSON, makes everything ready, says so, waits for a line on its standard input, makes the one
call that is measured, and prints what that cost. So several start at once, and no interpreter's start is measured.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(prepare: Callable[[dict[str, Any]], Callable[[], object]]) -> None:
    """Runs a client; `prepare` takes the task and returns the call to measure."""
    call = prepare(json.loads(sys.argv[1]))
    print("ready", flush=True)
    if not sys.stdin.readline():
        sys.exit("who started this client has left")
    cpu_seconds, began = _cpu_seconds(), time.monotonic()
    call()
    ended = time.monotonic()
    report = {
        "began": began,
        "ended": ended,
        "cpu_seconds": _cpu_seconds() - cpu_seconds,
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(report), flush=True)


def files_below(folder: Path) -> list[tuple[Path, str]]:
    """Each file of a folder and its path in there; of a file, itself and its name."""
    if folder.is_file():
        return [(folder, folder.name)]
    return [(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if path.is_file()]


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_bytes() -> int:
    """Highest resident memory. Not `ru_maxrss` on Linux: a child that was forked there begins with its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
