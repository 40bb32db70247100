"""What one run prints, gathered into pieces: two a second at most, so that a line costs next to nothing.

A piece is recorded by a thread of its own, a moment after the first line and then every half second. So of a program
that is killed the last half second may be missing. Of a program that prints more than is kept the newest lines are
recorded.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from xpstore._machine.masking import masked_lines, secrets

log = logging.getLogger("xpstore")

PIECE_SECONDS = 0.5
# How long the rest of a first line is waited for: `print` writes its end by itself.
LINE_SECONDS = 0.01
# As the server takes it.
TEXT_BYTES = 64 << 10
# Characters that wait for the next piece at most.
WAITING = 256 << 10
# In the long run a run records so much a second, and before that what the server keeps of a run. It would drop what is
# more, and the spool of a machine that is offline is for other records too.
BURST = 2 << 20
STEADY = 8 << 10
LEAST = int(STEADY * PIECE_SECONDS)
# How long the end of a run waits for the thread, which may stand still at the end of a program.
CLOSE_SECONDS = 2.0

Record = Callable[[int, str], None]


class Printout:
    """Gathers what a run prints.

    Args:
        record: takes a piece: its offset in all that was printed, in bytes of UTF-8, and its text.
        key: the API key, which is masked beside the secrets of the environment.
    """

    def __init__(self, record: Record, key: str) -> None:
        self._record = record
        self._key = key
        self._waiting = deque[str]()
        self._waiting_length = 0
        self._trimming = threading.Lock()
        self._recording = threading.Lock()
        self._left_out_bytes = 0
        self._is_in_line = False
        self._offset = 0
        self._allowed, self._allowed_at = float(BURST), time.monotonic()
        self._is_idle = True
        self._wake = SimpleQueue[None]()
        self._over = threading.Event()
        self._has_failed = False
        threading.Thread(target=self._run, name="xpstore-console", daemon=True).start()

    def add(self, text: str) -> None:
        """Takes what was printed. Never waits: a handler of a signal may call it in the middle of another call."""
        self._waiting.append(text)
        self._waiting_length += len(text)  # threads may miscount: it is counted anew with each piece
        if self._waiting_length > WAITING:
            self._trim()
        if self._is_idle:
            self._is_idle = False
            self._wake.put(None)

    def close(self) -> None:
        """Records what is left. What is added later is not."""
        self._over.set()
        self._wake.put(None)
        self._record_waiting(CLOSE_SECONDS)

    def _trim(self) -> None:
        """Leaves out the oldest, unless somebody is about it."""
        if self._trimming.acquire(blocking=False):
            try:
                while self._waiting_length > WAITING and len(self._waiting) > 1:
                    text = self._waiting.popleft()
                    self._waiting_length -= len(text)
                    self._leave_out(text)
            finally:
                self._trimming.release()

    def _leave_out(self, text: str) -> None:
        if text:
            self._left_out_bytes += _size_bytes(text)
            self._is_in_line = not text.endswith("\n")

    def _run(self) -> None:
        while True:
            self._is_idle = True
            if not self._waiting:
                self._wake.get()
                self._over.wait(LINE_SECONDS)
            self._is_idle = False
            if self._over.is_set():
                return
            self._record_waiting(CLOSE_SECONDS)
            self._over.wait(PIECE_SECONDS)

    def _record_waiting(self, timeout_seconds: float) -> None:
        if not self._recording.acquire(timeout=timeout_seconds):
            return
        try:
            text = _sound(masked_lines(collapsed(self._take()), secrets(self._key)))
            self._offset += self._left_out_bytes
            self._left_out_bytes = 0
            for part in _parts(text):
                offset, self._offset = self._offset, self._offset + _size_bytes(part)
                self._record(offset, part)
        except Exception as error:  # whatever it is, the program goes on; what is missing is a gap
            if not self._has_failed:
                self._has_failed = True
                log.warning("What a run prints is not recorded, or not all of it: %s", error)
        finally:
            self._recording.release()

    def _take(self) -> str:
        """All that waits; of too much the newest, from the start of a line."""
        with self._trimming:
            text = "".join([self._waiting.popleft() for _ in range(len(self._waiting))])
            self._waiting_length = sum(map(len, self._waiting.copy()))
            most = self._most()
            if len(text) > most:
                self._leave_out(text[:-most])
                text = text[-most:]
            if self._left_out_bytes and self._is_in_line and 0 < (end := text.find("\n") + 1) < len(text):
                self._leave_out(text[:end])
                text = text[end:]
            self._is_in_line = False
            self._allowed -= len(text)
            return text

    def _most(self) -> int:
        """How many characters this piece may have."""
        now = time.monotonic()
        self._allowed = min(self._allowed + (now - self._allowed_at) * STEADY, BURST)
        self._allowed_at = now
        return min(max(int(self._allowed), LEAST), WAITING)


def collapsed(text: str) -> str:
    """Without what a line had before a carriage return that it went on after: states of a progress bar but the last."""
    if "\r" not in text:
        return text
    return "\n".join(_last_state(line) for line in text.split("\n"))


def _last_state(line: str) -> str:
    states = line.rstrip("\r")  # before the end of a line it is part of that, and a bar may write it after each state
    before, sign, last = states.rpartition("\r")
    return sign + last + line[len(states) :] if before else line


def _sound(text: str) -> str:
    """Text as UTF-8 has it: halves of pairs, as names of files have them, become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _size_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "backslashreplace"))


def _parts(text: str) -> Iterator[str]:
    """Pieces that the server takes, cut between characters."""
    data, start = text.encode(), 0
    while start < len(data):
        part = data[start : start + TEXT_BYTES].decode("utf-8", "ignore")  # of a character that is cut nothing
        yield part
        start += _size_bytes(part)
