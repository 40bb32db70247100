"""The session: one client and one current project, seen by every thread, overridden by context.

What a process chose by itself, by `init()`, `set_project` or a `with` block, goes before what it was sent or inherited.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from xpstore._session.client import ClientBase
from xpstore._session.origin import Origin, tell_workers
from xpstore.errors import NotInitialized


@dataclass(slots=True, eq=False)
class _Place:
    """A project, and the process that chose it by itself, 0 if none did: a forked child has it of its parent."""

    project: Any = None  # a `ProjectBase` of `project.py`, which finds its client here
    chosen_by: int = 0


_NOWHERE = _Place()

_client: ClientBase | None = None
_client_chosen_by = 0
_joined: dict[str, ClientBase] = {}
_lock = threading.Lock()
_of_context: ContextVar[_Place] = ContextVar("xpstore_project", default=_NOWHERE)
# Of the process the last one. Not one alone: of two tasks that enter in turn and leave in turn, the second would bring
# back what the first has left.
_of_process: list[_Place] = []


def set_client(client: ClientBase | None) -> ClientBase | None:
    """Makes a client the session's, without a current project. Returns the one before."""
    global _client, _client_chosen_by
    previous, _client = _client, client
    _client_chosen_by = os.getpid()
    _of_process.clear()
    _of_context.set(_NOWHERE)
    if client is not None:
        tell_workers(here)
    return previous


def get_client() -> ClientBase:
    """Returns the session's client; in a worker process that has none, its parent's is joined, with its project.

    Raises:
        NotInitialized: `init()` was not called, or the parent's server wants a key that is not there.
    """
    _join_parent()
    if _client is None:
        raise NotInitialized(
            "Call xpstore.init() first: init() for the embedded service, or init(api_key, api_url). A pool of workers "
            "that began before it needs initializer=xpstore.init."
        )
    return _client


def find_client() -> ClientBase | None:
    """The session's client, None without one."""
    return _client


def _place() -> _Place:
    place = _of_context.get()
    return place if place.project is not None else (_of_process[-1:] or [_NOWHERE])[0]


def current_project() -> Any:
    """The current project, None if there is none."""
    return _place().project


def set_current(project: Any) -> tuple[_Place, _Place]:
    """Sets the project of this context and of the process; returns what `restore` needs to undo it."""
    return _enter(_Place(project, os.getpid()))


def _enter(place: _Place) -> tuple[_Place, _Place]:
    before = _of_context.get()
    _of_context.set(place)
    _of_process.append(place)
    return before, place


def restore(entered: tuple[_Place, _Place]) -> None:
    """Undoes `set_current`."""
    before, place = entered
    _of_context.set(before)
    with contextlib.suppress(ValueError):  # `init()` was called meanwhile
        _of_process.remove(place)


def choose(project: Any) -> None:
    """Sets the project of this context and of the process for good."""
    _of_process[:] = [_Place(project, os.getpid())]
    _of_context.set(_of_process[0])


def set_of_process(project: Any) -> None:
    """Sets the project of the process where nothing else did."""
    _of_process.insert(0, _Place(project))


def here() -> Origin | None:
    """The session of this process and context, to be sent to another process; None without one."""
    project = current_project()
    client = _client if project is None else project._client
    return None if client is None else Origin.of(client, project)


@contextlib.contextmanager
def working_for(origin: Origin | None) -> Iterator[None]:
    """Has what runs meanwhile run in a session that was sent, unless this process chose a project by itself.

    Raises:
        NotInitialized: the server wants a key that is not there.
    """
    if origin is None or _place().chosen_by == os.getpid():
        yield
        return
    _join_parent()
    entered = _enter(_Place(project_of(origin)))
    try:
        yield
    finally:
        restore(entered)


def project_of(origin: Origin) -> Any:
    """The project of a session that was sent, None if it had none."""
    return origin.project_on(_join(origin))


def _join_parent() -> None:
    if _client is None and (origin := Origin.of_parent()) is not None:
        set_of_process(origin.project_on(_join(origin)))


def _join(origin: Origin) -> ClientBase:
    """The client for what was sent: the one that this process made by itself, or else one of the same server."""
    global _client
    with _lock:
        is_own = _client is not None and _client_chosen_by == os.getpid()
        if _client is None or (_client.server != origin.server and not is_own):
            _client = _joined[origin.server] = _joined.get(origin.server) or origin.connect()
            tell_workers(here)
        return _client
