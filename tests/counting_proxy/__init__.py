"""The old name of `support.counting_proxy`, for bench/ until its imports say the new one."""

from support.counting_proxy import CountingProxy

__all__ = ["CountingProxy"]
