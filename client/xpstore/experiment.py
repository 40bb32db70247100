"""Experiments: namespaces for models inside a project."""

import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xpstore._notebook.html import shown
from xpstore._search.shown import models_table
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.project import ProjectBase
from xpstore._session.server_version import check_columns
from xpstore._session.stamped import Stamped
from xpstore._values.checks import to_free_text, to_name, to_tags
from xpstore._values.ids import new_id, sent_id
from xpstore._values.times import to_datetime
from xpstore.errors import NotFound
from xpstore.model import Model, Models, config_hash
from xpstore.v1 import experiment_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

__all__ = ["Experiment", "Experiments"]


class Experiment(Stamped):
    """A namespace for models inside a project. Made by `project.experiment(name)`.

    Example:
        ```python
        model = project.experiment("mnist").model(config={"lr": 0.1, "layers": 3})
        ```
    """

    def __init__(self, client: ClientBase, wire: pb.Experiment) -> None:
        self._client = client
        self._wire = wire

    @property
    def id(self) -> UUID:
        """Its id, unique over all projects."""
        return sent_id(self._wire.id)

    @property
    def name(self) -> str:
        """Its name, unique in the project, as it was when this object was read."""
        return self._wire.name

    @property
    def project_uid(self) -> str:
        """The `uid` of its project."""
        return self._wire.project_uid

    @property
    def description(self) -> str:
        """Free text, "" if none, as it was when this object was read."""
        return self._wire.description

    @property
    def tags(self) -> "list[str]":
        """Words to find it by, as they were when this object was read."""
        return list(self._wire.tags)

    @property
    def model_count(self) -> int:
        """How many models it had when this object was read."""
        return self._wire.model_count

    @property
    def deleted_at(self) -> "datetime | None":
        """When it was deleted, UTC, of one that `experiments.deleted()` returned; else None."""
        return to_datetime(self._wire.deleted_at_us) if self._wire.HasField("deleted_at_us") else None

    @property
    def models(self) -> Models:
        """The experiment's models."""
        return Models(self._client, self._wire.id)

    def model(
        self,
        hash: Any = None,
        name: str | None = None,
        description: str | None = None,
        *,
        config: "Mapping[Any, Any] | None" = None,
        tags: "Iterable[str]" = (),
    ) -> Model:
        """Returns the model of this hash, or creates it, in one atomic step: eight ranks get one model.

        A model that is there stays as it is, whatever else is given; another config is told in a warning.

        Args:
            hash: its identity in the experiment, kept as `str(hash)`. Default: the fingerprint of `config`; without
                that either, a random one.
            name: display name, not unique.
            description: free text.
            config: JSON-like dictionary of what the model was made with. Keys that are numbers, True, False or None
                become text, tuples lists.
            tags: words to find it by.

        Raises:
            InvalidArgument: a value is malformed, or `config` has what JSON cannot say.
            NotFound: the experiment was deleted.
        """
        if hash is None:
            hash = os.urandom(16).hex() if config is None else config_hash(config)
        return self.models._create(hash, name, description, config, tags, allow_existing=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Experiment) and self.id == other.id

    def __hash__(self) -> int:
        return self.id.int

    def __repr__(self) -> str:
        return f"Experiment(name={self.name!r}, id={str(self.id)!r})"

    def _repr_html_(self) -> str:
        """Its newest models as a table, for notebooks: asks the server, briefly."""
        return shown(lambda: f"Experiment {self.name}", models_table(self.models._query(order_by="created_at desc")))


class Experiments:
    """The experiments of a project."""

    def __init__(self, project: ProjectBase) -> None:
        self._project = project

    @property
    def _client(self) -> ClientBase:
        return self._project._client

    def create(self, name: str, *, description: str = "", tags: "Iterable[str]" = ()) -> Experiment:
        """Creates an experiment.

        Args:
            name: unique in the project.
            description: free text.
            tags: words to find it by, up to 1,000.

        Raises:
            AlreadyExists: the project has one of this name.
            InvalidArgument: the name or a tag is empty, longer than 256 characters, or has control characters; or the
                description is longer than 16,384.
            NotFound: the project was deleted.
        """
        description = to_free_text("description", description)
        return self._create(name, allow_existing=False, description=description, tags=to_tags(tags))

    def get_or_create(self, name: str) -> Experiment:
        """Returns the experiment of this name, creating it if there is none."""
        return self._create(name, allow_existing=True)

    def _create(self, name: str, *, allow_existing: bool, **more: Any) -> Experiment:
        name = to_name("name", name)
        request = pb.CreateExperimentRequest(
            project_uid=self._project.uid, experiment_id=new_id(), name=name, allow_existing=allow_existing, **more
        )
        response = self._client.call(self._client.stubs.experiments.CreateExperiment, request)
        return Experiment(self._client, response.experiment)

    def read(self, name: str) -> Experiment | None:
        """Returns the experiment of this name, None if there is none."""
        request = pb.GetExperimentRequest(
            experiment_name=pb.ExperimentName(project_uid=self._project.uid, name=to_name("name", name)),
        )
        try:
            response = self._client.call(self._client.stubs.experiments.GetExperiment, request)
        except NotFound:
            return None
        return Experiment(self._client, response.experiment)

    def update(
        self,
        id: UUID | str,
        name: str | None = None,
        *,
        description: str | None = None,
        tags: "Iterable[str] | None" = None,
    ) -> None:
        """Changes what is given of the experiment of this id. Does nothing when there is none.

        Args:
            id: which.
            name: its new name.
            description: its new description.
            tags: its tags from now on, in place of all.

        Raises:
            AlreadyExists: the project has another one of this name.
            InvalidArgument: nothing to change is given, or a value is malformed.
        """
        request = pb.UpdateExperimentRequest(experiment_id=str(id))
        if name is not None:
            request.name = to_name("name", name)
            request.update_mask.paths.append("name")
        if description is not None:
            request.description = to_free_text("description", description)
            request.update_mask.paths.append("description")
        if tags is not None:
            request.tags.extend(to_tags(tags))
            request.update_mask.paths.append("tags")
        try:
            self._client.call(self._client.stubs.experiments.UpdateExperiment, request)
        except NotFound:
            return

    def delete(self, id: UUID | str) -> None:
        """Deletes the experiment of this id with all its models; their artifacts stay. None there: does nothing.

        `undelete` brings it back.
        """
        request = pb.DeleteExperimentRequest(experiment_id=str(id))
        self._client.call(self._client.stubs.experiments.DeleteExperiment, request)

    def undelete(self, id: UUID | str | Experiment) -> Experiment:
        """Brings a deleted experiment back with the models that it had, until it is purged, and returns it.

        One that is there stays as it is.

        Raises:
            AlreadyExists: its name has been taken by another experiment of the project since.
            NotFound: there is no such experiment, or it was purged.
            Unimplemented: the server is older than this.
        """
        request = pb.UndeleteExperimentRequest(experiment_id=str(id.id if isinstance(id, Experiment) else id))
        response = self._client.call(self._client.stubs.experiments.UndeleteExperiment, request)
        return Experiment(self._client, response.experiment)

    def deleted(self) -> "list[Experiment]":
        """Returns the experiments that were deleted and that `undelete(experiment)` still brings back.

        Each is as it was then, oldest deletion (`experiment.deleted_at`) first.

        Raises:
            Unavailable: the client is offline.
            Unimplemented: the server is older than lists of what is deleted.
        """
        check_columns(self._client)
        return self._list(deleted=True)

    def _list(self, *, deleted: bool = False) -> "list[Experiment]":
        request = pb.ListExperimentsRequest(project_uid=self._project.uid, deleted=deleted)
        method = self._client.stubs.experiments.ListExperiments
        return [Experiment(self._client, wire) for wire in iterate(self._client, method, request, "experiments")]

    def list(self) -> list[Experiment]:
        """Returns all experiments of the project, oldest first."""
        return self._list()

    def __repr__(self) -> str:
        return f"Experiments({self._project!r})"
