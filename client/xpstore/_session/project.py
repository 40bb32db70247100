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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProjectBase) and self._id == other._id and self.uid == other.uid

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        name = self._opened.name if self._opened else self._name
        return f"Project(id={self._id!r}, name={name!r})"


def get_project() -> Any:
    """Returns the current project: of this context, else of the process, else the one `XPSTORE_PROJECT` names.

    Raises:
        NotInitialized: `init()` was not called.
        NoProject: there is none.
    """
    project = current.current_project()
    if project is None:
        client = current.get_client()
        project = current.current_project()  # in a worker process that of its parent came with the client
    if project is None:
        named = os.environ.get("XPSTORE_PROJECT")
        if not named:
            raise NoProject(
                "There is no current project: use `with Project(id, name):`, set_project(Project(id, name)), or the "
                "variable XPSTORE_PROJECT."
            )
        project = handle(ProjectBase(named, client=client)._wire, client)
        current.set_of_process(project)
    return project
