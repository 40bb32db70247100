"""Projects: the directory of a campaign, and all that is reached through it."""

from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from xpstore._service.paging import iterate
from xpstore._session import blocks, current
from xpstore._session.blocks import Block
from xpstore._session.client import ClientBase
from xpstore._session.project import ProjectBase
from xpstore._session.project import get_project as current_project
from xpstore._values.checks import to_tags
from xpstore._values.times import to_datetime, to_microseconds, to_timedelta
from xpstore.errors import InvalidArgument, NotFound
from xpstore.v1 import project_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from xpstore._notebook.frame import Frame
    from xpstore._session.statistics import ProjectStatistics
    from xpstore.alert import Alerts
    from xpstore.artifact_links import ProjectArtifacts
    from xpstore.cache import Cache
    from xpstore.experiment import Experiment, Experiments
    from xpstore.model import FoundModels

__all__ = ["Project", "get_all_projects", "get_project", "set_project"]


class Project(ProjectBase):
    """A project, known by an id of the caller's choice.

    Making the object does nothing yet: entering it, setting it, or using anything below it creates the project, or
    opens the one that has this id (the stored name wins).

    Args:
        id: 1 to 256 characters, spaces allowed, unique among the live projects of a server.
        name: display name; default the id.
        client: the connection; default that of `init()`.

    Example:
        ```python
        with Project(id="campaign 7", name="Seventh campaign") as project:
            project.experiments.list()
        ```
    """

    def __init__(self, id: str, name: str | None = None, *, client: ClientBase | None = None) -> None:
        super().__init__(id, name, client=client)
        self._entered: list[Block] = []

    @classmethod
    def get_by_id(cls, id: str, *, client: ClientBase | None = None) -> Self:
        """Returns the project that has this id.

        Raises:
            NotFound: there is none; nothing is created.
        """
        project = cls(id, client=client)
        client = project._client
        response = client.call(client.stubs.projects.GetProject, pb.GetProjectRequest(project_id=project._id))
        project._opened = response.project
        return project

    @classmethod
    def undelete(cls, uid: str, *, client: ClientBase | None = None) -> Self:
        """Brings a deleted project back, by the `uid` it had.

        Raises:
            NotFound: there is no such project, or its bytes are gone.
            AlreadyExists: its id has been taken by another project since.
        """
        client = client or current.get_client()
        request = pb.UndeleteProjectRequest(project_uid=uid)
        return cls._from_wire(client.call(client.stubs.projects.UndeleteProject, request).project, client)

    @property
    def cache_ttl(self) -> timedelta | None:
        """How long cached results are hits when they do not say themselves; None means for ever.

        May be assigned, also as seconds: what is computed from then on is kept that long.
        """
        return to_timedelta(self._wire, "cache_ttl_us")

    @cache_ttl.setter
    def cache_ttl(self, ttl: timedelta | float | None) -> None:
        self._set_duration("cache_ttl", ttl)

    @property
    def cache_max_age(self) -> timedelta | None:
        """Cached results older than this are no hits; None means that any age will do. May be assigned."""
        return to_timedelta(self._wire, "cache_max_age_us")

    @cache_max_age.setter
    def cache_max_age(self, max_age: timedelta | float | None) -> None:
        self._set_duration("cache_max_age", max_age)

    def _set_duration(self, name: str, duration: timedelta | float | None) -> None:
        request = pb.UpdateProjectRequest(project_uid=self.uid)
        request.update_mask.paths.append(f"{name}_us")
        if duration is not None:
            setattr(request, f"{name}_us", to_microseconds(name, duration, least_us=1))
        self._opened = self._client.call(self._client.stubs.projects.UpdateProject, request).project

    def update(
        self, *, name: str | None = None, description: str | None = None, tags: "Iterable[str] | None" = None
    ) -> None:
        """Changes what is given: the display name, the description, the tags (in place of all).

        Raises:
            InvalidArgument: nothing to change is given, or a value is malformed.
            NotFound: the project was deleted.
        """
        request = pb.UpdateProjectRequest(project_uid=self.uid)
        for field, value in (("name", name), ("description", description)):
            if value is not None:
                setattr(request, field, value)
                request.update_mask.paths.append(field)
        if tags is not None:
            request.tags.extend(to_tags(tags))
            request.update_mask.paths.append("tags")
        self._opened = self._client.call(self._client.stubs.projects.UpdateProject, request).project

    def delete(self) -> None:
        """Deletes the project with everything in it; its id is free at once. `Project.undelete(uid)` brings it back.

        Deleting what is gone does nothing.
        """
        if self._opened is None:
            try:
                self._opened = self.get_by_id(self._id, client=self._client)._opened
            except NotFound:
                return
        request = pb.DeleteProjectRequest(project_uid=self.uid)
        self._client.call(self._client.stubs.projects.DeleteProject, request)

    @property
    def experiments(self) -> "Experiments":
        """The project's experiments."""
        from xpstore.experiment import Experiments  # here, as `import xpstore` need not wait for it

        return Experiments(self)

    def experiment(self, name: str) -> "Experiment":
        """Returns the experiment of this name, creating it if there is none."""
        return self.experiments.get_or_create(name)

    @property
    def models(self) -> "FoundModels":
        """The models of all the project's experiments, to search and compare."""
        from xpstore.model import FoundModels  # here, as `import xpstore` need not wait for it

        return FoundModels(self._client, project_uid=self.uid)

    @property
    def artifacts(self) -> "ProjectArtifacts":
        """The project's artifacts."""
        from xpstore.artifact_links import ProjectArtifacts  # here, as `import xpstore` need not wait for it

        return ProjectArtifacts(self)

    @property
    def alerts(self) -> "Alerts":
        """The alerts of all models of the project, newest first."""
        from xpstore.alert import Alerts  # here, as `import xpstore` need not wait for it

        return Alerts(self._client, project_uid=self.uid)

    def statistics(self) -> "ProjectStatistics":
        """Returns what the project holds, and what sharing bytes and caching results have saved.

        Raises:
            NotFound: the project was deleted.
            Unimplemented: the server is older than this.
        """
        from xpstore._session.statistics import ProjectStatistics  # here, as `import xpstore` need not wait for it

        request = pb.GetProjectStatisticsRequest(project_uid=self.uid)
        return ProjectStatistics._from_wire(
            self._client.call(self._client.stubs.projects.GetProjectStatistics, request)
        )

    @property
    def deleted_at(self) -> datetime | None:
        """When it was deleted, UTC, of one that `get_all_projects(deleted=True)` returned; else None."""
        return to_datetime(self._wire.deleted_at_us) if self._wire.HasField("deleted_at_us") else None

    def _repr_html_(self) -> str:
        """What it holds, for notebooks: asks the server, briefly, if it is open."""
        from xpstore._notebook import html, project  # here, as `import xpstore` need not wait for them

        def parts() -> "Iterator[str]":
            if self._opened is None:
                yield html.line("not opened yet")
            else:
                yield from project.project_parts(self._client, self._opened)

        return html.shown(lambda: f"Project {self._id}", parts())

    def page(self, height: int = 700) -> "Frame":
        """The page of the project, shown below a cell of a notebook on this machine; see `docs/notebooks.md`.

        Args:
            height: in pixels.
        """
        from xpstore._notebook.frame import Frame  # here, as only notebooks show it

        self.open()
        return Frame(self._client, "p", self.id, height)

    @property
    def cache(self) -> "Cache":
        """The project's cache: what was computed, by what and of what."""
        from xpstore.cache import Cache  # here, as few programs look into it

        return Cache(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_entered": []}

    def __enter__(self) -> Self:
        self.open()
        self._entered.append(current.set_current(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The same object may be entered in several threads at once.
        block = blocks.of(list(self._entered))
        self._entered.remove(block)
        current.restore(block)


def get_project() -> Project:
    """Returns the current project: of the innermost block of this context, else that of `set_project`.

    Without either, as in a thread of a pool, it is that of the only open block of the process, else the one that
    `XPSTORE_PROJECT` names.

    Raises:
        NotInitialized: `init()` was not called.
        NoProject: there is none; or there is no block here, and there are blocks of several projects elsewhere.
    """
    project: Project = current_project()
    return project


@overload
def set_project(project: Project) -> Project: ...


@overload
def set_project(project: None) -> None: ...


def set_project(project: Project | None) -> Project | None:
    """Makes a project current for the whole session, creating it or opening the one that exists.

    It is that of every thread and task without a `with` block of its own. Called inside a block it counts there too,
    until the block is left.

    Args:
        project: which; None to have none any more.

    Raises:
        NotInitialized: `init()` was not called.
        InvalidArgument: it is no project.
    """
    if project is not None and not isinstance(project, Project):
        raise InvalidArgument(f"project = {project!r}: must be a Project, such as Project({str(project)!r})")
    current.choose(None if project is None else project.open())
    return project


def get_all_projects(*, deleted: bool = False, client: ClientBase | None = None) -> list[Project]:
    """Returns all projects, oldest first.

    Args:
        deleted: those that were deleted and that `Project.undelete(project.uid)` still brings back, instead.
        client: the connection; default that of `init()`.

    Raises:
        NotInitialized: `init()` was not called.
        Unimplemented: the server is older than lists of what is deleted.
    """
    client = client or current.get_client()
    if deleted:
        from xpstore._session.server_version import check_columns  # here, as `import xpstore` need not wait for it

        check_columns(client)
    request = pb.ListProjectsRequest(deleted=deleted)
    wires = iterate(client, client.stubs.projects.ListProjects, request, "projects")
    return [Project._from_wire(wire, client) for wire in wires]
