"""Ids that this client makes, so that a repeated call finds what it made the first time."""

import os
import uuid


def new_id() -> str:
    """A random UUID from the operating system: unmoved by `random.seed` and by forks."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))
