"""Models: what is trained, known by a hash inside its experiment."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from xpstore._identity.nodes import Branch, NodeType
from xpstore._notebook.html import shown
from xpstore._search.frame import last_step
from xpstore._search.model_search import ModelSearch
from xpstore._search.model_shown import model_parts
from xpstore._service.paging import iterate
from xpstore._session import current
from xpstore._session.client import ClientBase
from xpstore._session.server_version import check_columns
from xpstore._session.step_reads import reads
from xpstore._values.checks import MAX_HASH_LENGTH, to_free_text, to_int64, to_name, to_step, to_tags
from xpstore._values.configs import config_hash, tell_difference
from xpstore._values.ids import new_id, ordered_id
from xpstore._values.json_text import to_json_object
from xpstore._values.times import to_epoch_us
from xpstore.alert import LogsAlerts
from xpstore.errors import NotFound
from xpstore.iteration import Iterations
from xpstore.media import LogsMedia
from xpstore.metric import Metrics
from xpstore.module import Modules
from xpstore.run import STATUS, Attempt, Run, list_runs
from xpstore.tags import Tags
from xpstore.v1 import ingest_pb2
from xpstore.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from xpstore._notebook.frame import Frame
    from xpstore.artifact_links import ModelArtifacts

__all__ = ["FoundModels", "Model", "Models", "Tags", "config_hash", "fingerprint"]

log = logging.getLogger("xpstore")


fingerprint = config_hash  # the name it had first


class Model(LogsMedia, LogsAlerts):
    """A model: a handle whose `step`, `status`, `runs`, metrics, modules, iterations and tags are the server's.

    Made by `experiment.model(...)`; `Model.get_by_id(id)` finds it without its experiment.

    Example:
        ```python
        model = experiment.model("resnet-1", tags=["baseline"])
        with model.run():
            for batch in data:
                model.metrics.log("loss", train(batch), model.step, "train")
                model.step += 1
        ```
    """

    @classmethod
    def get_by_id(cls, id: UUID | str, *, client: ClientBase | None = None) -> Self:
        """Returns the model of this id, whatever its experiment.

        Raises:
            NotFound: there is none.
            NotInitialized: `init()` was not called.
        """
        client = client or current.get_client()
        return cls(client, client.call(client.stubs.models.GetModel, pb.GetModelRequest(model_id=str(id))).model)

    # Made once for each model: `model.metrics.log(...)` is what training loops do most.

    @cached_property
    def _metrics(self) -> Metrics:
        return Metrics(self._client, self._target)

    @cached_property
    def _modules(self) -> Modules:
        return Modules(self._client, self._target)

    @cached_property
    def _iterations(self) -> Iterations:
        return Iterations(self._client, self._target)

    @property
    def step(self) -> int:
        """The live counter of training steps, 0 at first. Every read asks the server, every assignment tells it.

        An assignment is in the spool when it returns, and goes to the server in the background. A read sends what is
        pending first. Offline it is what this program assigned. `step += 1` reads, then assigns: where several threads
        or processes do so one is lost, with a warning if it is within a process; `advance()` counts them all.
        """
        reads.read(self._wire.id)
        return reads.know(self._wire.id, self._read().step)

    @step.setter
    def step(self, step: int) -> None:
        step = to_step("step", step)
        if reads.assign(self._wire.id):
            lost = "step = %d replaces what another thread assigned since this one read it: use model.advance()"
            log.warning(f"Model %r: {lost}. This is said once.", self.hash, step)
        self._client.recorder.event(self._target, ingest_pb2.EventRecord(step=step))
        reads.know(self._wire.id, step)
        if self._client.offline is not None:
            self._client.offline.set_step(self._wire.id, step)

    @property
    def last_step(self) -> int | None:
        """The greatest step among the newest points of its metrics, None if none has one: how far it has been logged.

        `metrics.log(..., step=)` does not move `step`.
        """
        return last_step(self._client, self._wire.id)

    def advance(self, delta: int = 1) -> int:
        """Adds to the step in one atomic step, so that many may do it at once, and returns the result.

        Raises:
            InvalidArgument: the result would be negative.
            NotFound: the model was deleted.
        """
        request = pb.AdvanceModelRequest(model_id=self._wire.id, advance_id=new_id(), delta=to_int64("delta", delta))
        return reads.know(self._wire.id, self._client.call(self._client.stubs.models.AdvanceModel, request).step)

    def rewind(self, step: int) -> None:
        """Sets the step and removes points and iterations after it, to resume from a checkpoint.

        Points without a step stay.

        Raises:
            InvalidArgument: the step is negative.
            NotFound: the model was deleted.
        """
        request = pb.RewindModelRequest(model_id=self._wire.id, step=to_int64("step", step))
        self._wire = self._client.call(self._client.stubs.models.RewindModel, request).model
        reads.know(self._wire.id, self._wire.step)

    @property
    def status(self) -> str | None:
        """State of its newest run: "running", "finished", "failed" or "lost"; None if it never ran."""
        if self._client.offline is not None:  # whose records say it, and they are not read
            raise self._client.offline.unavailable()
        return STATUS.get(self._read().status)

    @property
    def runs(self) -> list[Run]:
        """All its runs, oldest first."""
        return list_runs(self._client, self._wire.id)

    def run(self) -> AbstractContextManager[Run]:
        """Records one attempt at training: who, where, from what, and how it ended.

        Used in a `with` block. An exception that leaves the block makes the run "failed" and keeps its traceback; the
        exception goes on. Without a heartbeat for five minutes the run is shown as "lost".
        """
        return Attempt(self._client, self._target)

    @property
    def tags(self) -> Tags:
        """The model's tags."""
        return Tags(self._client, self._target)

    @property
    def metrics(self) -> Metrics:
        """The model's metric points."""
        return self._metrics

    @property
    def modules(self) -> Modules:
        """The model's modules, without those of its iterations."""
        return self._modules

    @property
    def iterations(self) -> Iterations:
        """The model's iterations."""
        return self._iterations

    @property
    def artifacts(self) -> "ModelArtifacts":
        """The artifacts linked to the model."""
        from xpstore.artifact_links import ModelArtifacts  # here, as many programs only log

        return ModelArtifacts(self._client, self._wire.project_uid, model_id=self._wire.id)

    def delete(self) -> None:
        """Deletes the model with all below it, until `undelete`; its artifacts stay. Does nothing when it is gone."""
        self._client.call(self._client.stubs.models.DeleteModel, pb.DeleteModelRequest(model_id=self._wire.id))

    def undelete(self) -> None:
        """Brings the model back after `delete`, until it is purged; raises as `experiment.models.undelete`."""
        request = pb.UndeleteModelRequest(model_id=self._wire.id)
        self._wire = self._client.call(self._client.stubs.models.UndeleteModel, request).model

    def page(self, height: int = 700) -> "Frame":
        """The page of the model, shown below a cell of a notebook on this machine, so many pixels high."""
        from xpstore._notebook.frame import Frame  # here, as only notebooks show it

        return Frame(self._client, "m", str(self.id), height)

    def _fingerprint_node(self) -> Branch:
        """To the cache a model is its hash."""
        return Branch(NodeType.MODEL, [("hash", self.hash)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and self.id == other.id

    def __hash__(self) -> int:
        return self.id.int

    def __repr__(self) -> str:
        hash_, name = (text if len(text) <= 40 else f"{text[:37]}..." for text in (self.hash, self.display_name))
        return f"Model(display_name={name!r}, hash={hash_!r}, id={str(self.id)!r})"

    def _repr_html_(self) -> str:
        """What it is and what was logged of it, for notebooks: asks the server, briefly."""
        return shown(lambda: f"Model {self.display_name}", model_parts(self._client, self._wire))


class FoundModels(ModelSearch[Model]):
    """The models of a project or of an experiment, found by what they hold (`docs/search.md` has the language)."""

    def _made(self, wire: pb.Model) -> Model:
        return Model(self._client, wire)

    def deleted(self) -> "list[Model]":
        """Returns the models that were deleted and that `experiment.models.undelete(model)` still brings back.

        Each is as it was then, oldest deletion (`deleted_at`) first. Those that were deleted with their experiment come
        back with it: `project.experiments.deleted()` has that.

        Raises:
            NotFound: the project or experiment was deleted.
            Unavailable: the client is offline.
            Unimplemented: the server is older than lists of what is deleted.
        """
        check_columns(self._client)
        scope: dict[str, Any] = self._scope
        request = pb.ListModelsRequest(deleted=True, **scope)
        wires = iterate(self._client, self._client.stubs.models.ListModels, request, "models")
        return [Model(self._client, wire) for wire in wires]


class Models(FoundModels):
    """The models of an experiment."""

    def __init__(self, client: ClientBase, experiment_id: str) -> None:
        super().__init__(client, experiment_id=experiment_id)
        self._experiment_id = experiment_id

    def create(
        self,
        hash: Any,
        name: str | None = None,
        description: str | None = None,
        *,
        config: Mapping[Any, Any] | None = None,
        tags: Iterable[str] = (),
        created_at: datetime | None = None,
    ) -> Model:
        """Creates a model.

        Args:
            hash: its identity in the experiment, kept as `str(hash)`: 1 to 1,024 characters.
            name: display name, not unique.
            description: free text.
            config: JSON-like dictionary of what the model was made with. Keys that are numbers, True, False or None
                become text, tuples lists.
            tags: words to find it by.
            created_at: when it was created, for one that is brought from elsewhere; lists are in this order.

        Raises:
            AlreadyExists: the experiment has one of this hash.
            InvalidArgument: a value is malformed.
            NotFound: the experiment was deleted.
        """
        return self._create(hash, name, description, config, tags, allow_existing=False, created_at=created_at)

    def _create(
        self,
        hash: Any,
        name: str | None,
        description: str | None,
        config: Mapping[Any, Any] | None,
        tags: Iterable[str],
        *,
        allow_existing: bool,
        created_at: datetime | None = None,
    ) -> Model:
        request = pb.CreateModelRequest(
            experiment_id=self._experiment_id,
            model_id=ordered_id(),
            hash=to_name("hash", str(hash), MAX_HASH_LENGTH),
            name=to_name("name", name) if name is not None else None,
            description=to_free_text("description", description) if description is not None else None,
            config_json=to_json_object("config", config),
            tags=to_tags(tags),
            allow_existing=allow_existing,
            created_at_us=None if created_at is None else to_epoch_us("created_at", created_at),
        )
        response = self._client.call(self._client.stubs.models.CreateModel, request)
        if config is not None:
            tell_difference(request.hash, response.model.config_json, request.config_json)
        return Model(self._client, response.model)

    def create_many(self, models: Iterable[Mapping[str, object]], *, allow_existing: bool = False) -> "list[Model]":
        """Creates models with all that is known of them, a hundred in a call, and returns them in this order.

        What is too much for a call (more than 100 modules, 1,000 series or about a megabyte of a model) is recorded
        after it, as `modules.log` and `metrics.log_arrays` do; so is all of it offline.

        Args:
            models: a dictionary for each, all of whose keys may be left out: `hash`, which is then as in
                `experiment.model`; `name`, `description`, `config`, `tags` and `created_at` as in `create`;
                `modules`, a dictionary of names and attributes; `metrics`, a list of `(name, steps, values)` or
                `(name, steps, values, phase)` as in `metrics.log_arrays`.
            allow_existing: a hash that is taken returns its model as it is, and nothing of the dictionary is
                recorded; another config is told in a warning.

        Raises:
            AlreadyExists: the experiment has one of such a hash. Those of the calls before are made then.
            InvalidArgument: a value is malformed, as `models[3].config`; nothing was sent.
            NotFound: the experiment was deleted.
            Unimplemented: the server is older than this.

        Example:
            ```python
            experiment.models.create_many(
                {"config": {"lr": lr}, "metrics": [("loss", range(3), [0.3, 0.2, 0.1], "train")]} for lr in rates
            )
            ```
        """
        from xpstore._session import many_models  # here, as few programs make many at once

        made = []
        for asked, wire in many_models.create(self._client, self._experiment_id, models, allow_existing=allow_existing):
            model = Model(self._client, wire)
            made.append(model)
            if wire.id != asked.wire.model_id:
                tell_difference(wire.hash, wire.config_json, asked.config_json or wire.config_json)
                continue
            for module in asked.modules:
                model.modules.log(*module)
            for series in asked.metrics:
                model.metrics.log_arrays(*series)
        return made

    def read(self, hash: Any) -> Model | None:
        """Returns the model of this hash, None if there is none."""
        key = pb.ModelHash(experiment_id=self._experiment_id, hash=str(hash))
        try:
            response = self._client.call(self._client.stubs.models.GetModel, pb.GetModelRequest(model_hash=key))
        except NotFound:
            return None
        return Model(self._client, response.model)

    def update(self, hash: Any, name: str | None) -> None:
        """Gives the model of this hash another display name, or none. Does nothing when there is no such model."""
        model = self.read(hash)
        if model is not None:
            with suppress(NotFound):
                model.name = name

    def delete(self, id: UUID | str) -> None:
        """Deletes the model of this id with all below it; its artifacts stay. Does nothing when there is none.

        `undelete` brings it back.
        """
        self._client.call(self._client.stubs.models.DeleteModel, pb.DeleteModelRequest(model_id=str(id)))

    def undelete(self, id: UUID | str | Model) -> Model:
        """Brings a deleted model back with all it had, until it is purged, and returns it; one that is there stays.

        What was logged of it while it was deleted was dropped. Its links to artifacts that are still there are back.

        Raises:
            AlreadyExists: its hash has been taken by another model of the experiment since.
            NotFound: there is no such model, it was purged, or its experiment is deleted: bring that back first.
            Unimplemented: the server is older than this.
        """
        model = Model(self._client, pb.Model(id=str(id.id if isinstance(id, Model) else id)))
        model.undelete()
        return model

    def list(self) -> list[Model]:
        """Returns all models of the experiment, oldest first."""
        request = pb.ListModelsRequest(experiment_id=self._experiment_id)
        wires = iterate(self._client, self._client.stubs.models.ListModels, request, "models")
        return [Model(self._client, wire) for wire in wires]
