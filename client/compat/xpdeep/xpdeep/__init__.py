"""xpstore under the module names of xpdeep: the same objects, nothing of its own."""

from importlib.metadata import PackageNotFoundError, distribution

from xpstore import Client, Error, get_project, init, set_project
from xpstore.artifact import Artifact, DatasetArtifact, DirectoryArtifact, ExplanationArtifact, TrainedModelArtifact
from xpstore.project import Project, get_all_projects

__all__ = [
    "Artifact",
    "Client",
    "DatasetArtifact",
    "DirectoryArtifact",
    "Error",
    "ExplanationArtifact",
    "Project",
    "TrainedModelArtifact",
    "get_all_projects",
    "get_project",
    "init",
    "set_project",
]


def _refuse_beside_real_package() -> None:
    try:
        real = distribution("xpdeep")
    except PackageNotFoundError:
        return
    raise ImportError(
        f"The real package xpdeep {real.version} is installed, and xpstore-xpdeep takes its place under the same "
        "name: run `pip uninstall xpdeep`, or `pip uninstall xpstore-xpdeep` and import xpstore instead."
    )


_refuse_beside_real_package()
