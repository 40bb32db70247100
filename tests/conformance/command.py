"""A client under test: a command that answers a line for each line."""

import contextlib
import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LINE_BYTES = 8 << 20
ANSWER_SECONDS = 60.0
END_SECONDS = 20.0
SHOWN_BYTES = 2_000


class Fault(Exception):
    """A client did what it must not do, or not what it must."""


class Refused(Exception):
    """A client answered an error.

    Attributes:
        reason: of the error.
        metadata: what it is about.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.reason = str(error.get("reason", ""))
        self.metadata: dict[str, Any] = dict(error.get("metadata") or {})
        super().__init__(f"{self.reason} {self.metadata or ''} {error.get('message', '')}".strip())


class Command:
    """A running command, in a process group of its own.

    Args:
        words: what a shell would run, without a shell.
        settings: `XPSTORE_*` that it gets beside the environment of this process; it gets no others.
        folder: for what it writes, and its standard error.
    """

    def __init__(self, words: str, settings: Mapping[str, str], folder: Path) -> None:
        self._words = words
        self._log = folder / "stderr.log"
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._number = 0
        work = folder / "work"
        work.mkdir(parents=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("XPSTORE_")}
        # The Python that this runs on is what a command finds by that name.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        environment = {**inherited, "PATH": path, **settings, "CONFORMANCE_DIR": str(work)}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                shlex.split(words),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            while line := self._process.stdout.readline(LINE_BYTES + 1):
                self._lines.put(line)
        self._lines.put(b"")

    def ask(self, do: str, parameters: Mapping[str, Any], within: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Asks for one thing and returns what was answered.

        Raises:
            Refused: the answer is an error.
            Fault: it is none, or comes too late.
        """
        self.begin(do, parameters)
        return self.finish(within)

    def begin(self, do: str, parameters: Mapping[str, Any]) -> None:
        """Asks, and does not wait."""
        self._number += 1
        line = json.dumps({"id": self._number, "do": do, "with": parameters}).encode() + b"\n"
        assert len(line) <= LINE_BYTES and self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:
            raise Fault(f"ended before {do!r}, status {self._process.poll()}: {self.said()}") from None

    def finish(self, within: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Waits for the answer to what was asked last; raises as `ask` does."""
        try:
            line = self._lines.get(timeout=within)
        except queue.Empty:
            raise Fault(f"no answer within {within:g} s: {self.said()}") from None
        if not line:
            raise Fault(f"ended without an answer, status {self._ended()}: {self.said()}")
        return self._answer(line)

    @property
    def has_answered(self) -> bool:
        """Whether an answer waits to be read."""
        return not self._lines.empty()

    def _answer(self, line: bytes) -> dict[str, Any]:
        shown = line[:300].decode(errors="replace").rstrip()
        try:
            answer = json.loads(line)
        except ValueError:
            raise Fault(f"wrote what is no answer: {shown}") from None
        if not isinstance(answer, dict) or answer.get("id") != self._number:
            raise Fault(f"answered something else than request {self._number}: {shown}")
        if isinstance(answer.get("ok"), dict) and "error" not in answer:
            found: dict[str, Any] = answer["ok"]
            return found
        if isinstance(answer.get("error"), dict) and "ok" not in answer:
            raise Refused(answer["error"])
        raise Fault(f"answered neither `ok` nor `error`: {shown}")

    def _ended(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return None

    def bye(self) -> None:
        """Lets it end by itself.

        Raises:
            Fault: it does not, or with another status than 0.
        """
        try:
            self.ask("bye", {}, END_SECONDS)
            status = self._ended()
            if status != 0:
                raise Fault(f"bye: status {status}, 0 was expected: {self.said()}")
        except Refused as error:
            raise Fault(f"bye: {error}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """Kills it and all that it started (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def said(self) -> str:
        """The end of its standard error."""
        time.sleep(0.05)  # what it writes at its end is under way
        text = self._log.read_bytes()[-SHOWN_BYTES:].decode(errors="replace").strip()
        return f"stderr: {text}" if text else "nothing on stderr"
