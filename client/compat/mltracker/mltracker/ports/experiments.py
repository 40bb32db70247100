"""Experiments, and their collection."""

from mltracker.ports.models import Models
from xpstore.experiment import Experiment, Experiments

__all__ = ["Experiment", "Experiments", "Models"]
