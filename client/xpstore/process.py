"""Which computation a function is, as the cache sees it."""

from xpstore._identity.process import Process, identify
from xpstore._identity.values import Part, PartKind

__all__ = ["Part", "PartKind", "Process", "identify"]
