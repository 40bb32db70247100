"""Iterations, and their collection."""

from mltracker.ports.modules import Modules
from xpstore.iteration import Iteration, Iterations

__all__ = ["Iteration", "Iterations", "Modules"]
