"""Where the work of a worker process comes from: the server and the project of its parent, without any secret."""

import os
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any, Self

from xpstore._session.client import ClientBase
from xpstore._session.registry import handle
from xpstore._values.ids import new_id
from xpstore.errors import NotInitialized
from xpstore.v1 import project_pb2 as pb

# In the `_config` of multiprocessing's process objects, which each child gets from its parent however it is started.
# The environment would not do: programs that a program starts inherit it, and a fork server has that of when it began.
_CONFIG_KEY = "xpstore"


@dataclass(frozen=True, slots=True)
class Origin:
    """A session.

    Attributes:
        server: what tells the server from others on a machine; see `Connection.server`.
        api_url: its address.
        is_offline: whether nothing is sent to it.
        project: the current project as the server described it, serialized; None without one.
    """

    server: str
    api_url: str
    is_offline: bool
    project: bytes | None

    @classmethod
    def of(cls, client: ClientBase, project: Any) -> Self:
        """The session of a client with a project or None."""
        wire = None if project is None else (project._opened or pb.Project(id=project.id)).SerializeToString()
        return cls(client.server, client.api_url, client.offline is not None, wire)

    @classmethod
    def of_parent(cls) -> Self | None:
        """The session that the parent of this worker had when it started it; None without one."""
        process = sys.modules.get("multiprocessing.process")
        told = None if process is None else process.current_process()._config.get(_CONFIG_KEY)
        return cls(*told) if isinstance(told, tuple) and told else None

    def connect(self) -> ClientBase:
        """Connects this process to the same server.

        Raises:
            NotInitialized: the server wants a key, and the environment has none.
        """
        if self.server.startswith("embedded:"):
            if not os.environ.get("XPSTORE_API_URL"):
                client = _Joined(offline=self.is_offline)
                if client.server == self.server:
                    return client
                client.close()
        elif self.is_offline or os.environ.get("XPSTORE_API_KEY") or self._is_logged_in():
            return _Joined(api_url=self.api_url, offline=self.is_offline)
        raise NotInitialized(
            f"This worker process has work of {self.api_url} and no key for it: set XPSTORE_API_KEY before it starts, "
            "or give its pool initializer=xpstore.init, initargs=(api_key, api_url)."
        )

    def _is_logged_in(self) -> bool:
        from xpstore._machine.login import saved_login  # here, as most sessions have a key

        login = saved_login()
        return login is not None and login.api_url == self.api_url

    def project_on(self, client: ClientBase) -> Any:
        """Its project, None without one. On a server that this process chose by itself it is that of the same id."""
        if self.project is None:
            return None
        wire = pb.Project.FromString(self.project)
        if client.server != self.server or not wire.uid:
            request = pb.CreateProjectRequest(
                project_id=wire.id, name=wire.name or wire.id, creation_id=new_id(), allow_existing=True
            )
            wire = client.call(client.stubs.projects.CreateProject, request).project
        return handle(wire, client)


class _Joined(ClientBase):
    """A client of a worker."""

    def check(self) -> None:
        """Its parent proved address and key: where the server is away now, the work can go on without it."""


class _Told:
    """Pickled when a child is started, as the session is then; of plain types, so that it costs a child no import."""

    def __init__(self, here: Callable[[], Origin | None]) -> None:
        self._here = here

    def __reduce__(self) -> tuple[Any, ...]:
        origin = self._here()
        return tuple, (() if origin is None else astuple(origin),)


def tell_workers(here: Callable[[], Origin | None]) -> None:
    """Has the worker processes that this one starts find the session that it has then."""
    from multiprocessing import process  # here, as `import xpstore` need not wait for it

    vars(process.current_process())["_config"][_CONFIG_KEY] = _Told(here)
