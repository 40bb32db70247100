"""Progress of long transfers: for a person at a terminal who has `rich`, or in a notebook; silent otherwise."""

import contextlib
import html
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from xpstore.format.text import printable

# Below this a transfer is over before a bar is read.
SHOWN_FROM_BYTES = 32 << 20

Advance = Callable[[int], None]


@contextlib.contextmanager
def progress(description: str, total_bytes: int) -> Iterator[Advance]:
    """Shows how far it is, how fast and how long it will take while the block runs, and yields what moves it.

    At a terminal that is a bar on standard error, in a notebook a line below the cell, which stays.

    Args:
        description: what is under way, such as "Uploading weights".
        total_bytes: how many bytes there are in all.

    Yields:
        A function that takes how many bytes more are done. Any thread may call it.
    """
    if total_bytes < SHOWN_FROM_BYTES:
        yield unseen
    elif _is_notebook():
        line = _Line(description, total_bytes)
        yield line.advance
        line.end()
    elif _is_terminal():
        with _bar(description, total_bytes) as advance:
            yield advance
    else:
        yield unseen


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")  # loaded where there is one
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # standard error may be None or closed
        return False


def unseen(size_bytes: int) -> None:
    """Takes progress that nobody sees."""


@contextlib.contextmanager
def _bar(description: str, total_bytes: int) -> Iterator[Advance]:
    try:
        # Imported here: it takes longer than the whole client.
        from rich.console import Console  # here: it may be missing
        from rich.errors import LiveError  # here: it may be missing
        from rich.markup import escape  # here: it may be missing

        # Here: it may be missing.
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
    except ImportError:
        yield unseen
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    display = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    try:
        display.start()
    except (LiveError, OSError):  # another transfer of this process shows its bar, or the terminal is gone
        yield unseen
        return
    try:
        task = display.add_task(escape(printable(description)), total=total_bytes)
        yield lambda size_bytes: display.advance(task, size_bytes)
    finally:
        with contextlib.suppress(OSError):
            display.stop()


class _Line:
    """A line below a cell of a notebook. Where it cannot be shown it is not."""

    # A notebook draws each anew, and keeps none but the last.
    SECONDS = 0.5

    def __init__(self, description: str, total_bytes: int) -> None:
        self._what = printable(description)
        self._total = total_bytes
        self._done = 0
        self._lock = threading.Lock()
        self._began = self._shown_at = time.monotonic()
        self._handle: Any = None
        with contextlib.suppress(Exception):
            from IPython.display import display  # here: only notebooks have it

            self._handle = display(self._bundle(""), raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def advance(self, size_bytes: int) -> None:
        with self._lock:
            # A message is a little more than the bytes of files in it.
            self._done = min(self._done + size_bytes, self._total)
            now = time.monotonic()
            if now - self._shown_at < self.SECONDS:
                return
            self._shown_at = now
            speed = self._done / (now - self._began)
            left = f", {(self._total - self._done) / speed:,.0f} s left" if speed else ""
            self._update(f"{size_text(speed)}/s{left}")

    def end(self) -> None:
        """Says how it went. It is not called where it failed: the line stays as it was."""
        with self._lock:
            seconds = time.monotonic() - self._began
            self._update(f"{size_text(self._done / max(seconds, 1e-9))}/s, took {seconds:,.1f} s")

    def _update(self, told: str) -> None:
        with contextlib.suppress(Exception):
            self._handle.update(self._bundle(told), raw=True)

    def _bundle(self, told: str) -> dict[str, str]:
        line = ", ".join(filter(None, (f"{self._what}: {size_text(self._done)} of {size_text(self._total)}", told)))
        bar = f'<progress max="{self._total}" value="{self._done}"></progress>'
        return {"text/plain": line, "text/html": f"{bar} {html.escape(line)}"}


def size_text(size_bytes: float) -> str:
    """A size as bars at a terminal have it, such as "1.2 GB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:,.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} TB"
