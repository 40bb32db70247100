"""The end of a program: what ends it, what is said of things that it leaves undone, and its exit status."""

import contextlib
import os
import sys
from typing import Any

from xpstore.format.text import printable

# How long something may take that Ctrl-C waits for.
INTERRUPTED_SECONDS = 0.25


def ending_error() -> BaseException | None:
    """What ends the program, or the block at whose end this is called; None if nothing was raised."""
    return sys.exc_info()[1] or _uncaught()


def _uncaught() -> BaseException | None:
    if hasattr(sys, "ps1"):  # an interactive session goes on after an error
        return None
    error: BaseException | None = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error


def is_interrupted() -> bool:
    """Whether Ctrl-C ends the program, or the block at whose end this is called: nothing may take long then."""
    return isinstance(ending_error(), KeyboardInterrupt)


def is_child() -> bool:
    """Whether this is a child of multiprocessing."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def leaves_early() -> bool:
    """Whether it is one that flushes its streams and leaves by `os._exit`, without the end of an interpreter."""
    context = sys.modules.get("multiprocessing.context")
    return is_child() and context is not None and context._default_context.get_start_method(allow_none=True) != "spawn"


def say(text: str) -> None:
    """Writes one line to standard error, whatever is set for logging."""
    line = f"xpstore: {printable(' '.join(text.split()))}\n"
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except Exception:  # there is none, it is closed, or a signal came while something was written
        with contextlib.suppress(OSError):
            os.write(2, line.encode(errors="backslashreplace"))


class _Unflushable:
    """Standard error that cannot be flushed at the very end, which Python answers with an exit status of its own.

    Nothing else changes the status and lets the rest of the program end as it would: `os._exit` would skip what other
    packages do at the end, and objects that still log.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        """Flushes, and fails once the interpreter ends."""
        if self._stream is not None:
            self._stream.flush()
        if sys.is_finalizing() or leaves_early():
            raise OSError("Something that was promised is not done.")


def end_with_failure() -> None:
    """At the end: has the program exit with 120, as Python does that cannot finish something, or 1 after an error."""
    if _uncaught() is None and not isinstance(sys.stderr, _Unflushable):
        sys.stderr = _Unflushable(sys.stderr)
