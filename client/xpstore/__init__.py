"""The client of xpstore, the experiment and artifact store."""

from typing import TYPE_CHECKING, Any

from xpstore._machine.log_text import escape_log
from xpstore.client import Client, init
from xpstore.errors import Error
from xpstore.project import Project, get_all_projects, get_project, set_project

if TYPE_CHECKING:
    from xpstore.cached_function import cached

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

escape_log()


def __getattr__(name: str) -> Any:
    """`cached` is loaded at its first use: most programs compute nothing twice."""
    if name != "cached":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from xpstore.cached_function import cached  # here, as `import xpstore` need not wait for it

    globals()[name] = cached
    return cached
