"""Ids: those that this client makes, so that a repeated call finds what it made the first time, and the server's."""

import os
import time
import uuid

from xpstore.errors import DataLoss


def new_id() -> str:
    """A random UUID from the operating system: unmoved by `random.seed` and by forks."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def ordered_id() -> str:
    """The id of one of many rows: of version 7 (RFC 9562), so it begins with the time and ends in 62 random bits.

    Those that are made together stand together in the indexes of a database. With random ones each row of a model is
    on another page: on SQLite it took three times as long, and ever longer.
    """
    milliseconds, rest_ns = divmod(time.time_ns(), 1_000_000)
    fraction = (rest_ns << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    # By hand: `uuid` makes none of this version, and takes twice as long.
    digits = f"{milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def sent_id(text: str) -> uuid.UUID:
    """An id that the server sent.

    Raises:
        DataLoss: it is none.
    """
    try:
        return uuid.UUID(text)
    except ValueError:
        raise DataLoss(f"The server sent the id {text!r}, which is no UUID.") from None
