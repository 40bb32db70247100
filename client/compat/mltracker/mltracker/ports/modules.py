"""Modules, and their collection."""

from xpstore.module import Module, Modules

__all__ = ["Module", "Modules"]
