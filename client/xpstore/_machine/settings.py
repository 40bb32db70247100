"""What the environment says: numbers, and the folders of this user."""

import math
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
    if not 0 <= number < math.inf:
        raise InvalidArgument(f"{name} = {text!r}: must be a number, not negative")
    return number


def cache_folder() -> Path | None:
    """The folder of what may be deleted at any time; None if this user has none."""
    try:
        return _folder("XPSTORE_CACHE", "XDG_CACHE_HOME", "~/.cache", "xpstore")
    except InvalidArgument:
        return None


def spool_folder() -> Path:
    """The folder of all spools of this user.

    Raises:
        InvalidArgument: this user has none; the message says which setting cures that.
    """
    return _folder("XPSTORE_SPOOL", "XDG_STATE_HOME", "~/.local/state", "xpstore/spool")


def config_folder() -> Path | None:
    """The folder of what this user has set; None if this user has none."""
    try:
        return _folder("XPSTORE_CONFIG", "XDG_CONFIG_HOME", "~/.config", "xpstore")
    except InvalidArgument:
        return None


def home_folder() -> Path:
    """The folder of this user's embedded service.

    Raises:
        InvalidArgument: as `spool_folder` does.
    """
    # Its path is part of addresses.
    return _folder("XPSTORE_HOME", "XDG_DATA_HOME", "~/.local/share", "xpstore", is_text=True)


def _folder(setting: str, variable: str, default: str, name: str, *, is_text: bool = False) -> Path:
    given = os.environ.get(setting)
    try:
        path = Path(given).expanduser().absolute() if given else _base(variable, default) / name
        if is_text:
            path.as_posix().encode()
        os.fsencode(path).decode()  # where the locale has no umlauts the text of a sound name has none either
        if not path.is_absolute():
            raise RuntimeError  # as without one
    except RuntimeError:  # a container may run under a number that has no home
        reason = f"{setting} = {given!r}: there is no such home" if given else "This user has no home folder"
    except UnicodeError:
        reason = f"{setting} = {given!r}: must be text in UTF-8"
    except OSError as error:  # it is relative, and the working folder is gone
        reason = f"{setting} = {given!r}: {error.strerror}"
    else:
        return path
    raise InvalidArgument(f"{reason}: set {setting} to the path of a folder.")


def _base(variable: str, default: str) -> Path:
    """The folder that a variable names; a relative one does not count, by its specification: it would move."""
    base = Path(os.environ.get(variable, "")).expanduser()
    return base if base.is_absolute() else Path(default).expanduser()
