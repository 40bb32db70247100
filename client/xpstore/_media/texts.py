"""Texts."""

from typing import Any

from xpstore._media.content import Content
from xpstore._values.checks import invalid

MAX_TEXT_BYTES = 1 << 20


def to_text_file(text: Any) -> Content:
    """A text as a file.

    Raises:
        InvalidArgument: it is none, or too long.
    """
    if not isinstance(text, str):
        raise invalid("text", text, f"must be text, not {type(text).__name__}")
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise invalid("text", text, "must be valid Unicode") from None
    if len(data) > MAX_TEXT_BYTES:
        fix = f"must have at most {MAX_TEXT_BYTES} bytes, has {len(data)}: save it with DirectoryArtifact.save"
        raise invalid("text", text, fix)
    return Content("text", "text.txt", data)
