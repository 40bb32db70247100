"""Ids that the server makes; clients make those of what they create."""

import os
import uuid


def new_id() -> str:
    """A random UUID from the operating system."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))
