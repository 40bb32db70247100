"""The old name of `support.services`, for bench/ until its imports say the new one."""

from support.services import Postgres, Server

__all__ = ["Postgres", "Server"]
