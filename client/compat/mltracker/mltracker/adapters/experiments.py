"""The experiments of the current project, made the way mltracker makes them."""

import xpstore
from xpstore import experiment
from xpstore.errors import NoProject, NotInitialized
from xpstore.project import Project

__all__ = ["Experiments"]

PROJECT = "mltracker"


class Experiments(experiment.Experiments):
    """The experiments of the current project.

    Without `xpstore.init()` the embedded service is used, and without a current project one named "mltracker".

    Args:
        storage: ignored: the service knows where its data is.
    """

    def __init__(self, storage: object = None) -> None:
        super().__init__(_current_project())


def _current_project() -> Project:
    try:
        return xpstore.get_project()
    except NotInitialized:
        xpstore.init()
    except NoProject:
        pass
    return xpstore.set_project(Project(PROJECT))
