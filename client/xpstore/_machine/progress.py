"""Progress bars of long transfers: only for a person at a terminal who has `rich`, silent otherwise."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from xpstore.format.text import printable

# Below this a transfer is over before a bar is read.
SHOWN_FROM_BYTES = 32 << 20

Advance = Callable[[int], None]


@contextlib.contextmanager
def progress(description: str, total_bytes: int) -> Iterator[Advance]:
    """Shows a bar on standard error while the block runs, and yields what moves it.

    Args:
        description: what is under way, such as "Uploading weights".
        total_bytes: how many bytes there are in all.

    Yields:
        A function that takes how many bytes more are done. Any thread may call it.
    """
    if total_bytes < SHOWN_FROM_BYTES or not _is_terminal():
        yield unseen
        return
    with _bar(description, total_bytes) as advance:
        yield advance


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
