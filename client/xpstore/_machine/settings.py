"""What the environment says: numbers, and the folders of this user."""

import os
from pathlib import Path

from xpstore.errors import InvalidArgument


def setting(name: str, default: float) -> float:
    """A number in the environment.

    Raises:
        InvalidArgument: it is no number, or negative.
    """
    text = os.environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not number >= 0:
        raise InvalidArgument(f"{name} = {text!r}: must be a number, not negative")
    return number


def cache_folder() -> Path | None:
    """The folder of what may be deleted at any time; None if this user has no home."""
    given, caches = os.environ.get("XPSTORE_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(given or Path(caches or "~/.cache") / "xpstore").expanduser()
    except (OSError, RuntimeError):  # the latter: this user has no home
        return None


def spool_folder() -> Path:
    """The folder of all spools of this user."""
    given = os.environ.get("XPSTORE_SPOOL")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(given or Path(state) / "xpstore" / "spool").expanduser().absolute()
