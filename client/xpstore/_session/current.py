"""The session: one client, and the current project of each context.

The current project is that of the innermost block of the context, else that of `set_project`, else that of the only
open block of the process, else what this process inherited or was sent. What a process chose by itself, by `init()`,
`set_project` or a `with` block, goes before what it was sent or inherited.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from xpstore._session import blocks
from xpstore._session.blocks import Block
from xpstore._session.client import ClientBase, joining
from xpstore._session.origin import Origin, tell_workers
from xpstore.errors import NoProject, NotInitialized

_NOWHERE = Block()

_client: ClientBase | None = None
_client_chosen_by = 0
_joined: dict[str, ClientBase] = {}
_made: WeakSet[ClientBase] = WeakSet()
_lock = threading.Lock()
# Of `set_project`, for the whole process; and the block of a context that it was called in, which it hides there.
_chosen = _NOWHERE
_hidden: ContextVar[Block | None] = ContextVar("xpstore_hidden", default=None)
# Of the parent process.
_inherited = _NOWHERE


def set_client(client: ClientBase | None) -> ClientBase | None:
    """Makes a client the session's; another one than before starts without a project. Returns the one before."""
    global _client, _client_chosen_by, _chosen, _inherited
    previous, _client = _client, client
    _client_chosen_by = os.getpid()
    if client is None or client is not previous:
        _chosen = _inherited = _NOWHERE
        blocks.forget()
    if client is not None:
        tell_workers(_here_if_any)
    return previous


def set_made(made: ClientBase) -> ClientBase:
    """Makes a client that `init()` made the session's; or the one that it made before for the same server and key.

    So handles, open runs and, if that is the session's now, the project go on. One of another server or key goes on
    too, for its handles: there are no more connections than servers and keys.
    """
    known = next((client for client in _made if client.is_like(made)), None)
    if known is not None:
        known.take_options(made)
        made.close()
    _made.add(known or made)
    set_client(known or made)
    return known or made


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


def current_project() -> Any:
    """The current project, None if there is none.

    Raises:
        NoProject: this thread has no block, and others have blocks of several projects.
    """
    return _place().project


def _place() -> Block:
    block = blocks.innermost()
    if block is not None and (_chosen.project is None or block is not _hidden.get()):
        return block
    return _chosen if _chosen.project is not None else _place_of_others() or _inherited


def _place_of_others() -> Block | None:
    """The only open block of the process: worker threads have no context of whoever made them."""
    found = blocks.open_projects()
    if len(found) > 1:
        raise blocks.ambiguous(found, "this thread has none of its own")
    return Block(found[0]) if found else None


def set_current(project: Any) -> Block:
    """Enters a block of a project in this context; returns what `restore` needs to leave it."""
    return blocks.enter(project, chosen_by=os.getpid())


restore = blocks.leave


def choose(project: Any) -> None:
    """Sets the project of all that have no block for good, and of this block; None for none."""
    global _chosen
    _chosen = Block(project, os.getpid())
    _hidden.set(None if project is None else blocks.innermost())


def set_of_process(project: Any) -> None:
    """Sets the project of the process where nothing else did."""
    global _inherited
    _inherited = Block(project)


def here() -> Origin | None:
    """The session of this process and context, to be sent to another process; None without one.

    Raises:
        NoProject: as `current_project` does.
    """
    project = current_project()
    client = _client if project is None else project._client
    return None if client is None else Origin.of(client, project)


def _here_if_any() -> Origin | None:
    """The same for a child of whatever kind, which need not have to do with any project."""
    try:
        return here()
    except NoProject:
        return None if _client is None else Origin.of(_client, None)


@contextlib.contextmanager
def working_for(origin: Origin | None) -> Iterator[None]:
    """Has what runs meanwhile run in a session that was sent, unless this process chose a project by itself.

    Raises:
        NotInitialized: the server wants a key that is not there.
    """
    if origin is None or _has_chosen():
        yield
        return
    _join_parent()
    block = blocks.enter(project_of(origin), chosen_by=0)
    try:
        yield
    finally:
        blocks.leave(block)


def _has_chosen() -> bool:
    try:
        return _place().chosen_by == os.getpid()
    except NoProject:
        return False


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
            tell_workers(_here_if_any)
        return _client


def _join_server(server: str, api_url: str) -> ClientBase:
    """The client of this process for handles that were sent: the session's, else one that joins their server."""
    global _client
    _join_parent()
    with _lock:
        if _client is not None and _client.server == server and not _client.is_closed:
            return _client
        client = _joined.get(server)
        if client is None or client.is_closed:
            client = _joined[server] = Origin(server, api_url, False, None).connect()
        if _client is None:
            _client = client
            tell_workers(_here_if_any)
        return client


joining.append(_join_server)


def _begin_in_child() -> None:
    """A forked child inherits the project, and what it chooses by itself goes before that."""
    global _lock, _chosen, _inherited
    _lock = threading.Lock()
    with contextlib.suppress(NoProject):
        _inherited = Block(_place().project)
    _chosen = _NOWHERE
    if _hidden.get() is not None:
        blocks.forget()
    blocks.forget_others()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
