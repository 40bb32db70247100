"""The command `xpstore` in processes that begin as forks of one, which has imported it already.

Told by lines of JSON on standard input; answers the exit status of each on standard output.
"""

import contextlib
import gc
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import xpstore


def _serve() -> None:
    """Forks for each command; it is the child that returns, and ends as a program of its own does."""
    for line in iter(sys.stdin.readline, ""):
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return _become(told)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    raise SystemExit


def _become(told: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    for number, (name, flags) in enumerate((("stdin", os.O_RDONLY), ("stdout", os.O_WRONLY), ("stderr", os.O_WRONLY))):
        os.dup2(os.open(told[name], flags), number)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding=told["encoding"])
    sys.argv = ["xpstore", *told["words"]]


class WarmCommands:
    """The process that forks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        line = [sys.executable, "-m", "support.commands"]
        pipe = subprocess.PIPE
        paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            line, cwd=folder, env={**os.environ, **paths}, stdin=pipe, stdout=pipe, text=True
        )

    def run(
        self,
        words: tuple[str, ...],
        environment: dict[str, str],
        folder: Path,
        input: str = "",
        encoding: str = "utf-8",
    ) -> "subprocess.CompletedProcess[str]":
        """Runs one command line in a folder."""
        files = {name: self._folder / name for name in ("stdin", "stdout", "stderr")}
        for name, file in files.items():
            file.write_text(input if name == "stdin" else "")
        told = {"words": words, "environment": environment, "folder": str(folder), "encoding": encoding}
        assert self._process.stdin is not None and self._process.stdout is not None
        print(
            json.dumps(told | {name: str(file) for name, file in files.items()}), file=self._process.stdin, flush=True
        )
        status = int(self._process.stdout.readline())
        shown, errors = (files[name].read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(["xpstore", *words], status, shown, errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)


def _warm_up(app: Any) -> None:
    """Loads what commands load when they need it."""
    for path in Path(xpstore.__file__).parent.glob("v1/*_pb2_grpc.py"):
        importlib.import_module(f"xpstore.v1.{path.stem}")
    for name in ("numpy", "xpstore._offline.sync", "xpstore._spool.recorder", "xpstore._files.download"):
        importlib.import_module(name)
    with contextlib.redirect_stdout(io.StringIO()):
        app(["help", "ls"], standalone_mode=False)
    gc.freeze()  # else each child looks through all of it, and copies the memory that this is in


if __name__ == "__main__":
    from xpstore import cli

    _warm_up(cli.app)
    _serve()
    cli.main()
