"""The old name of `support.cached_program`, for bench/ until its imports say the new one."""

from support.cached_program import storm

__all__ = ["storm"]
