"""Commands of the server as forks of a process that has imported all they need: mostly that is what they take.

    python -m support.operation.warm_server

It reads a JSON object a line from its standard input and answers with a number. `{"module": ..., ...}` starts a command
and gives its process id; `{"wait": PID}` waits for the end of one and gives its status.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from s3_server import spawn

# Without threads of numpy: a fork has none of them.
QUIET = {"OPENBLAS_NUM_THREADS": "1"}
FREE = ("PYTHONPATH", "PYTEST_CURRENT_TEST")  # the first is as it is here, the second nobody reads
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class WarmProcess:
    """A command that the warm process has forked, to be used as a `subprocess.Popen`."""

    def __init__(self, warm: "WarmServers", pid: int) -> None:
        self._warm = warm
        self.pid = pid
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)
        self._lock = threading.Lock()

    def __del__(self) -> None:
        os.close(self._handle)  # not before: another thread may wait for it

    def poll(self) -> int | None:
        """Its status, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end and returns its status; raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            if not select.select([self._handle], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("xpstore_server", timeout or 0)
            with self._lock:  # it is told once
                if self.returncode is None:
                    self.returncode = self._warm.status_of(self.pid)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it has not ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        """Asks it to leave."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kills it on the spot."""
        self.send_signal(signal.SIGKILL)


class WarmServers:
    """The warm process, started when it is first needed; with it all its forks end."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "warm.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._environment = dict(os.environ)

    @staticmethod
    def are_possible() -> bool:
        """Whether this system lets a process be waited for that is no child."""
        return hasattr(os, "pidfd_open")

    def take(self, environment: dict[str, str]) -> bool:
        """Whether this is an environment for forks: others are for what a program reads before its first line."""
        changed = {name for name, value in environment.items() if self._environment.get(name) != value}
        return all(name.startswith("XPSTORE_") or name in FREE for name in changed)

    def start(
        self,
        module: str,
        arguments: list[str],
        environment: dict[str, str],
        output: Path,
        error: Path | None = None,
        folder: Path | None = None,
    ) -> WarmProcess:
        """Starts `python -m MODULE ARGUMENTS` in a folder, by default this process's.

        Both outputs are appended to a file, errors to another if there is one.
        """
        output.touch()  # it is there before the fork is
        os.umask(umask := os.umask(0o077))
        files = {"output": str(output), "error": str(error or output)}
        place = {"environment": environment, "folder": str(folder or Path.cwd()), "umask": umask}
        return WarmProcess(self, self._ask({"module": module, "arguments": arguments, **files, **place}))

    def status_of(self, pid: int) -> int:
        """The exit status of a command, or minus the signal that ended it."""
        return self._ask({"wait": pid})

    def _ask(self, request: dict[str, Any]) -> int:
        with self._lock:
            if self._process is None:
                self._process = self._launch()
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                raise RuntimeError(f"the warm process ended:\n{self._log.read_text(errors='replace')[-3000:]}")
            return int(answer)

    def _launch(self) -> "subprocess.Popen[bytes]":
        environment = {**self._environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **QUIET}
        command = [sys.executable, "-m", __name__]
        return spawn(command, log=self._log, environment=environment, is_asked=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(60)
            self._process.stdout.close()


def _become(request: dict[str, Any], warm: int) -> int:
    """Makes this fork what `python -m MODULE ARGUMENTS` would be, and runs it to its end."""
    os.setsid()
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != warm:
        return 1
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "output"), (2, "error")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), number)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    os.umask(request["umask"])
    sys.argv = [request["module"], *request["arguments"]]
    try:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return _leave(end.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return _leave(1)
    return _leave(0)


def _leave(code: object) -> int:
    """What an interpreter does at its end, but for taking down every module."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def _serve() -> None:
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warm = os.getpid()
    gc.collect()
    gc.freeze()  # else each fork copies all of it when it collects
    for line in asked:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        elif not (answer := os.fork()):
            asked.close()
            answers.close()
            os._exit(_become(request, warm))
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    for name in ("__main__", "app", "commands"):
        importlib.import_module(f"xpstore_server.{name}")
    importlib.import_module("alembic.command")  # for databases that are new
    del sys.modules["xpstore_server.__main__"]  # each fork runs it anew, and would warn that it is there
    _serve()
