"""xpstore under the module names of mltracker: the same classes, over the current project."""

from importlib.metadata import PackageNotFoundError, distribution

from mltracker.getters import getallExperiments, getExperiment

__all__ = ["getExperiment", "getallExperiments"]


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
