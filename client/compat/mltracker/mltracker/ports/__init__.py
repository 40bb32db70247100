"""The collections and what is in them, under the names of mltracker."""

from mltracker.ports.experiments import Experiments
from mltracker.ports.models import Models

__all__ = ["Experiments", "Models"]
