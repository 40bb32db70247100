"""Models, and their collection."""

from mltracker.ports.iterations import Iterations
from mltracker.ports.metrics import Metrics
from mltracker.ports.modules import Modules
from xpstore.model import Model, Models

__all__ = ["Iterations", "Metrics", "Model", "Models", "Modules"]
