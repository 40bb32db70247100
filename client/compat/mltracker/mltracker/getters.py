"""The two ways in."""

from mltracker.adapters.experiments import Experiments
from xpstore.experiment import Experiment

__all__ = ["getExperiment", "getallExperiments"]


def getExperiment(name: str, path: object = None) -> Experiment:
    """Returns the experiment of this name, creating it if there is none.

    Args:
        name: unique in the project.
        path: ignored: the service knows where its data is.
    """
    return Experiments().get_or_create(name)


def getallExperiments(path: object = None) -> Experiments:
    """Returns the experiments of the current project: to create, read, update, delete and list them.

    Args:
        path: ignored.
    """
    return Experiments()
