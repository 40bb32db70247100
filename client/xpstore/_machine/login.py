"""What `xpstore login` saved: an address and its key, in a file that is its user's alone."""

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from xpstore._machine.settings import config_folder
from xpstore.errors import InvalidArgument

FILE_NAME = "login.json"
_AGAIN = "`xpstore login URL` writes it anew"


@dataclass(frozen=True, slots=True)
class Login:
    """A server and a key of it."""

    api_url: str
    api_key: str = field(repr=False)


def login_file() -> Path | None:
    """Where it is, or would be: in `XPSTORE_CONFIG`, else `$XDG_CONFIG_HOME/xpstore`, else `~/.config/xpstore`."""
    folder = config_folder()
    return None if folder is None else folder / FILE_NAME


def saved_login() -> Login | None:
    """What was saved, None if nothing was.

    Raises:
        InvalidArgument: others may read or write the file, or it is damaged; the message has the cure.
    """
    path = login_file()
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeError) as error:
        raise InvalidArgument(f"{path} cannot be read ({error}): mend it, or {_AGAIN}") from None
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o077):
        raise InvalidArgument(f"{path} has an API key and is not yours alone: chmod 600 it, or {_AGAIN}")
    try:
        told = json.loads(text)
        api_url, api_key = told["api_url"], told["api_key"]
    except (ValueError, KeyError, TypeError):
        api_url = api_key = None
    if not isinstance(api_url, str) or not isinstance(api_key, str):
        raise InvalidArgument(f"{path} is damaged: {_AGAIN}")
    return Login(api_url, api_key)


def save_login(login: Login) -> Path:
    """Saves it in place of another one. Returns where.

    Raises:
        InvalidArgument: this user has no folder for it.
        OSError: it cannot be written.
    """
    path = login_file()
    if path is None:
        raise InvalidArgument("This user has no home folder: set XPSTORE_CONFIG to the path of a folder.")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made for this user alone, and whole or not at all.
    descriptor, name = tempfile.mkstemp(prefix=f".{FILE_NAME}", dir=path.parent)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump({"api_url": login.api_url, "api_key": login.api_key}, file)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return path


def forget_login() -> Path | None:
    """Removes it. Returns where it was, None if there was none."""
    path = login_file()
    if path is None:
        return None
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return path
