"""Permissions of files that are laid down."""

import stat


def executable_too(mode: int) -> int:
    """Permissions with the executable bit, for those who may read it."""
    return stat.S_IMODE(mode) | (mode & 0o444) >> 2
