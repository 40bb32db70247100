"""The session: one client and one current project, seen by every thread, overridden by context."""

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING

from xpstore.client import TIMEOUT_SECONDS, Client
from xpstore.errors import NoProject, NotInitialized

if TYPE_CHECKING:
    from xpstore.project import Project

_client: Client | None = None
_process_project: "Project | None" = None
_context_project: "ContextVar[Project | None]" = ContextVar("xpstore_project", default=None)


def init(
    api_key: str | None = None,
    api_url: str | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    offline: bool = False,
    strict: bool = False,
) -> Client:
    """Connects the session to a server, and proves address and key by one call.

    Without arguments: `XPSTORE_API_KEY` and `XPSTORE_API_URL`, else the embedded service, found or started. Called
    again, it replaces the client and forgets the current project.

    Args:
        api_key: the API key; never sent in plaintext beyond loopback.
        api_url: "host:50051", "http(s)://...", "grpc(s)://..." or "unix:...".
        timeout_seconds: how long a call may take in all, repetitions while the server is away included.
        offline: log into the spool only, without any server: `xpstore sync` sends it later.
        strict: raise ResourceExhausted when the spool is full, instead of dropping what is logged.

    Raises:
        Unavailable: the server does not answer.
        Unauthenticated: the server does not know the key.
        InvalidArgument: an argument is malformed.
    """
    global _client
    client = Client(api_key, api_url, timeout_seconds=timeout_seconds, offline=offline, strict=strict)
    previous, _client = _client, client
    set_current(None)
    if previous is not None:
        previous.close()
    return client


def get_client() -> Client:
    """Returns the session's client.

    Raises:
        NotInitialized: `init()` was not called.
    """
    if _client is None:
        raise NotInitialized("Call xpstore.init() first: init() for the embedded service, or init(api_key, api_url).")
    return _client


def set_project(project: "Project") -> "Project":
    """Makes a project current for the whole session, creating it or opening the one that exists.

    Raises:
        NotInitialized: `init()` was not called.
    """
    project.open()
    set_current(project)
    return project


def get_project() -> "Project":
    """Returns the current project: of this context, else of the process, else the one `XPSTORE_PROJECT` names.

    Raises:
        NotInitialized: `init()` was not called.
        NoProject: there is none.
    """
    project = current_project()
    if project is None:
        get_client()
        if named := os.environ.get("XPSTORE_PROJECT"):
            return _named(named)
        raise NoProject(
            "There is no current project: use `with Project(id, name):`, set_project(Project(id, name)), or the "
            "variable XPSTORE_PROJECT."
        )
    return project


def _named(id_: str) -> "Project":
    global _process_project
    from xpstore.project import Project

    _process_project = Project(id_).open()
    return _process_project


def current_project() -> "Project | None":
    """The current project, None if there is none."""
    return _context_project.get() or _process_project


def set_current(project: "Project | None") -> "tuple[Project | None, Project | None]":
    """Sets the project of this context and of the process; returns what they were, for `restore`."""
    global _process_project
    before = (_context_project.get(), _process_project)
    _context_project.set(project)
    _process_project = project
    return before


def restore(before: "tuple[Project | None, Project | None]") -> None:
    """Undoes `set_current`."""
    global _process_project
    _context_project.set(before[0])
    _process_project = before[1]
