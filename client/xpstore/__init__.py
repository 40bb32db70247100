"""The client of xpstore, the experiment and artifact store."""

from xpstore._caching.decorator import cached
from xpstore._session.current import get_project, init, set_project
from xpstore.client import Client
from xpstore.errors import Error
from xpstore.project import Project, get_all_projects

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
