"""Ids that the server makes; clients make those of what they create."""

import os
import uuid

NIL = "00000000-0000-0000-0000-000000000000"  # sorts before every other id
MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # and this one after


def new_id() -> str:
    """A random UUID from the operating system."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))
