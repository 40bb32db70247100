"""Where `Staged` stood in version 0.1: what was pickled by it is still read."""

from xpstore._artifacts.staging import Staged

__all__ = ["Staged"]
