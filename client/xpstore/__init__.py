"""The client of xpstore, the experiment and artifact store."""

from xpstore.cached import cached
from xpstore.client import Client
from xpstore.errors import Error
from xpstore.project import Project, get_all_projects
from xpstore.session import get_project, init, set_project

__all__ = [
    "Client",
    "Error",
    "Project",
    "cached",
    "get_all_projects",
    "get_project",
    "init",
    "set_project",
]
__version__ = "0.1.0"
