"""The client of xpstore, the experiment and artifact store."""

import importlib
from typing import TYPE_CHECKING, Any

from xpstore._machine.log_text import escape_log
from xpstore.client import Client, init
from xpstore.errors import Error
from xpstore.project import Project, get_all_projects, get_project, set_project

if TYPE_CHECKING:
    from xpstore.artifact import (
        Artifact,
        DatasetArtifact,
        DirectoryArtifact,
        ExplanationArtifact,
        TrainedModelArtifact,
    )
    from xpstore.cached_function import cached
    from xpstore.model import Model

__all__ = [
    "Artifact",
    "Client",
    "DatasetArtifact",
    "DirectoryArtifact",
    "Error",
    "ExplanationArtifact",
    "Model",
    "Project",
    "TrainedModelArtifact",
    "cached",
    "get_all_projects",
    "get_project",
    "init",
    "set_project",
]
__version__ = "0.1.0"

# Loaded at their first use: `import xpstore` need not wait for what a program may never ask for.
_LATER = {
    "Artifact": "xpstore.artifact",
    "DatasetArtifact": "xpstore.artifact",
    "DirectoryArtifact": "xpstore.artifact",
    "ExplanationArtifact": "xpstore.artifact",
    "Model": "xpstore.model",
    "TrainedModelArtifact": "xpstore.artifact",
    "cached": "xpstore.cached_function",
}

escape_log()


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
