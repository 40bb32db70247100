"""Where what is sent to a worker process comes from: its server and its project, without any secret."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from xpstore._session import current
from xpstore._session.client import ClientBase
from xpstore.errors import NotInitialized

_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Origin:
    """A session.

    Attributes:
        server: what tells the server from others on a machine; see `Connection.server`.
        api_url: its address.
        project: the caller's id of the current project, None without one.
    """

    server: str
    api_url: str
    project: str | None

    @classmethod
    def here(cls) -> Self | None:
        """The session of this process, None without one."""
        client, project = current.find_client(), current.current_project()
        return None if client is None else cls(client.server, client.api_url, None if project is None else project.id)

    def join(self, connect: Callable[..., ClientBase]) -> None:
        """Connects this process to the same server, and makes the project current, unless it did so itself.

        Args:
            connect: makes a client.

        Raises:
            NotInitialized: the server wants a key, and the environment has none.
        """
        with _lock:
            if current.find_client() is None:
                current.set_client(self._client(connect))
            if self.project:
                os.environ.setdefault("XPSTORE_PROJECT", self.project)

    def _client(self, connect: Callable[..., ClientBase]) -> ClientBase:
        if self.server.startswith("embedded:"):
            if not os.environ.get("XPSTORE_API_URL"):
                client = connect()
                if client.server == self.server:
                    return client
                client.close()
        elif os.environ.get("XPSTORE_API_KEY"):
            return connect(api_url=self.api_url)
        raise NotInitialized(
            f"This process was sent work of {self.api_url} and has no key for it: set XPSTORE_API_KEY before it is "
            "started, or call xpstore.init(api_key, api_url) in it."
        )
