"""xpstore under the module names of mltracker: the same classes, over the current project."""

from importlib.metadata import PackageNotFoundError, distribution

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


def getallExperiments(path: object = None) -> list[Experiment]:
    """Returns all experiments, oldest first.

    Args:
        path: ignored.
    """
    return Experiments().list()


def _refuse_beside_real_package() -> None:
    try:
        real = distribution("mltracker")
    except PackageNotFoundError:
        return
    raise ImportError(
        f"The real package mltracker {real.version} is installed, and xpstore-mltracker takes its place under the same "
        "name: run `pip uninstall mltracker`, or `pip uninstall xpstore-mltracker` and import xpstore instead."
    )


_refuse_beside_real_package()
