"""Who a project is: its ids, how it is opened, and which one is current."""

import os
from typing import Any, Self

from xpstore._session import current
from xpstore._session.client import ClientBase
from xpstore._session.registry import handle
from xpstore._session.stamped import Stamped
from xpstore._values.ids import new_id
from xpstore.errors import NoProject
from xpstore.v1 import project_pb2 as pb


class ProjectBase(Stamped):
    """A project without what is reached through it, which `xpstore.Project` adds. See there for the arguments."""

    def __init__(self, id: str, name: str | None = None, *, client: ClientBase | None = None) -> None:
        self._id = str(id)
        self._name = name
        self._given_client = client
        self._opened: pb.Project | None = None

    @classmethod
    def _from_wire(cls, wire: pb.Project, client: ClientBase) -> Self:
        project = cls(wire.id, wire.name, client=client)
        project._opened = wire
        return project

    @property
    def _client(self) -> ClientBase:
        return self._given_client or current.get_client()

    def __getstate__(self) -> dict[str, Any]:
        """Pickled with the client that it has here, as `ClientBase` says."""
        return {**vars(self), "_given_client": self._given_client or current.find_client()}

    def open(self) -> Self:
        """Creates the project or opens the one that has this id. Does nothing when it is open."""
        if self._opened is None:
            client = self._client
            request = pb.CreateProjectRequest(
                project_id=self._id, name=self._name or self._id, creation_id=new_id(), allow_existing=True
            )
            self._opened = client.call(client.stubs.projects.CreateProject, request).project
            self._given_client = client
        return self

    @property
    def _wire(self) -> pb.Project:
        self.open()
        assert self._opened is not None
        return self._opened

    @property
    def id(self) -> str:
        """The caller's id."""
        return self._id

    @property
    def uid(self) -> str:
        """The server's UUID of this project, never used again."""
        return self._wire.uid

    @property
    def name(self) -> str:
        """The stored display name."""
        return self._wire.name

    @property
    def description(self) -> str:
        """Free text, "" if none."""
        return self._wire.description

    @property
    def tags(self) -> list[str]:
        """Words to find it by, as they were when this object was opened."""
        return list(self._wire.tags)

    @property
    def experiment_count(self) -> int:
        """How many experiments it had when this object was opened."""
        return self._wire.experiment_count

    @property
    def model_count(self) -> int:
        """How many models all its experiments had when this object was opened."""
        return self._wire.model_count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProjectBase) and self._id == other._id and self.uid == other.uid

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        name = self._opened.name if self._opened else self._name
        return f"Project(id={self._id!r}, name={name!r})"


# What `XPSTORE_PROJECT` named, and the session that it was opened in.
_named: tuple[str, ClientBase, Any] | None = None


def get_project() -> Any:
    """Returns the current project: of this context, else of the process, else the one `XPSTORE_PROJECT` names.

    Raises:
        NotInitialized: `init()` was not called.
        NoProject: there is none, or there are several and it is none of this thread's.
    """
    project = current.current_project()
    if project is None:
        client = current.get_client()
        project = current.current_project()  # in a worker process that of its parent came with the client
    return project if project is not None else _of_environment(client)


def _of_environment(client: ClientBase) -> Any:
    global _named
    name = os.environ.get("XPSTORE_PROJECT")
    if not name:
        raise NoProject(
            "There is no current project: use `with Project(id, name):`, set_project(Project(id, name)), which lasts "
            "for the whole session, or the variable XPSTORE_PROJECT."
        )
    named = _named
    if named is None or named[:2] != (name, client):
        named = _named = name, client, handle(ProjectBase(name, client=client)._wire, client)
    return named[2]
