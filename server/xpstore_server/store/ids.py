"""Ids that the server makes; clients make those of what they create."""

import os
import uuid

NIL = "00000000-0000-0000-0000-000000000000"  # sorts before every other id
MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # and this one after


def new_id() -> str:
    """A random UUID from the operating system."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def new_pack_id() -> str:
    """The id of a pack that a server writes: of another version than those that clients make of packs they write."""
    # Version 8 is what RFC 9562 leaves to everyone; `uuid` of Python 3.11 makes none.
    return str(uuid.UUID(int=uuid.UUID(new_id()).int & ~(0xF << 76) | 8 << 76))


def is_of_client(pack_id: str) -> bool:
    """Whether a client may have written this pack: of old ones nobody knows."""
    return uuid.UUID(pack_id).version != 8
