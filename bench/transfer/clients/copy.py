"""A client of nothing: copies on the same disk, and makes durable what it copied there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.transfer.clients.measured import files_below, main

BLOCK_BYTES = 1 << 20


def prepare(task: dict[str, Any]) -> Callable[[], object]:
    path, kept = Path(task["path"]), Path(task["folder"], task["name"])
    if task["action"] == "down":
        return lambda: shutil.copytree(kept, path, dirs_exist_ok=True)

    def up() -> None:
        for source, name in files_below(path):
            copy(source, kept / name)
        if path.is_dir():
            os.sync()  # faster than one call for each of many files

    return up


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("wb") as writer:
        shutil.copyfileobj(reader, writer, BLOCK_BYTES)
        if source.stat().st_size >= BLOCK_BYTES:
            writer.flush()
            os.fdatasync(writer.fileno())


if __name__ == "__main__":
    main(prepare)
