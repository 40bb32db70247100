"""Paths in URLs and out of them: each path that the system takes, byte for byte."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

FILE, SQLITE, UNIX = "file://", "sqlite:///", "unix:"

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


def url_of(prefix: str, path: Path) -> str:
    """The URL of a path. What is behind the prefix has no `?`, `#`, `%` or control character of the path's own."""
    return prefix + quote(os.fsencode(path))


def path_in(prefix: str, url: str) -> str:
    """The path in a URL, as a person may have written it.

    Raises:
        ValueError: it has no path, or one that ends at a `?` or `#`, or a `%` that says nothing; the message says the
            cure and does not show the URL.
    """
    rest = url.removeprefix(prefix)
    if not url.startswith(prefix) or not rest:
        raise ValueError("has no path")
    if "?" in rest or "#" in rest:
        raise ValueError("write %3F for a ? and %23 for a # in a path")
    if _BAD_ESCAPE.search(rest):
        raise ValueError("write %25 for a % in a path")
    path = os.fsdecode(unquote_to_bytes(os.fsencode(rest)))
    if "\0" in path:
        raise ValueError("no path has %00")
    return path


def shown(path: object) -> str:
    """A path in a message of one line, whatever characters it has."""
    text = str(path)
    return text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode()
