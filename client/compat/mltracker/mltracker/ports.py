"""The collections, under the names of mltracker."""

from xpstore.experiment import Experiments
from xpstore.model import Models

__all__ = ["Experiments", "Models"]
