"""Ids that the server makes; clients make those of what they create."""

import os
import time
import uuid

NIL = "00000000-0000-0000-0000-000000000000"  # sorts before every other id
MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # and this one after


def new_id() -> str:
    """A random UUID from the operating system."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def ordered_id(at_ns: int | None = None) -> str:
    """A UUID of version 7, which begins with the time: rows that come together stand together in each index of ids.

    Args:
        at_ns: the time, since the epoch; None: now.
    """
    milliseconds, rest_ns = divmod(time.time_ns() if at_ns is None else at_ns, 1_000_000)
    fraction = (rest_ns << 12) // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return dashed(f"{milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random:032x}")


def dashed(digits: str) -> str:
    """An id as it is written, of its 32 digits: `uuid` takes several times as long."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_pack_id() -> str:
    """The id of a pack that a server writes: of another version than those that clients make of packs they write."""
    # Version 8 is what RFC 9562 leaves to everyone; `uuid` of Python 3.11 makes none.
    return str(uuid.UUID(int=uuid.UUID(new_id()).int & ~(0xF << 76) | 8 << 76))


def is_of_client(pack_id: str) -> bool:
    """Whether a client may have written this pack: of old ones nobody knows."""
    return uuid.UUID(pack_id).version != 8
