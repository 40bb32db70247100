"""Projects, under the name of xpdeep."""

from xpstore.project import Project, get_all_projects

__all__ = ["Project", "get_all_projects"]
