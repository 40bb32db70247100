"""Ids: those that this client makes, so that a repeated call finds what it made the first time, and the server's."""

import os
import uuid

from xpstore.errors import DataLoss


def new_id() -> str:
    """A random UUID from the operating system: unmoved by `random.seed` and by forks."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def sent_id(text: str) -> uuid.UUID:
    """An id that the server sent.

    Raises:
        DataLoss: it is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise DataLoss(f"The server sent the id {text!r}, which is no UUID.") from None
