"""The session: one client and one current project, seen by every thread, overridden by context."""

from contextvars import ContextVar
from typing import Any

from xpstore._session.client import ClientBase
from xpstore.errors import NotInitialized

# Projects are `ProjectBase`s of `project.py`, which finds its client here.
_client: ClientBase | None = None
_process_project: Any = None
_context_project: ContextVar[Any] = ContextVar("xpstore_project", default=None)


def set_client(client: ClientBase | None) -> ClientBase | None:
    """Makes a client the session's, without a current project. Returns the one before."""
    global _client
    previous, _client = _client, client
    set_current(None)
    return previous


def get_client() -> ClientBase:
    """Returns the session's client.

    Raises:
        NotInitialized: `init()` was not called.
    """
    if _client is None:
        raise NotInitialized("Call xpstore.init() first: init() for the embedded service, or init(api_key, api_url).")
    return _client


def find_client() -> ClientBase | None:
    """The session's client, None without one."""
    return _client


def current_project() -> Any:
    """The current project, None if there is none."""
    return _context_project.get() or _process_project


def set_current(project: Any) -> tuple[Any, Any]:
    """Sets the project of this context and of the process; returns what they were, for `restore`."""
    global _process_project
    before = (_context_project.get(), _process_project)
    _context_project.set(project)
    _process_project = project
    return before


def set_of_process(project: Any) -> None:
    """Sets the project of the process alone."""
    global _process_project
    _process_project = project


def restore(before: tuple[Any, Any]) -> None:
    """Undoes `set_current`."""
    global _process_project
    _context_project.set(before[0])
    _process_project = before[1]
