"""What was logged: read from the server, left in a spool, or logged by a program."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from support.homes import without_settings
from xpstore.model import Model


def values(model: Model, name: str | None = None) -> list[Any]:
    return [metric.value for metric in model.metrics.list(name)]


def left_in(spool: Path) -> list[str]:
    return [str(path.relative_to(spool)) for path in spool.glob("*/*")]


def run(code: str, **settings: str) -> str:
    environment = {**without_settings(), **settings}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout
