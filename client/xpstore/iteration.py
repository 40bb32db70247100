"""Iterations: discrete steps of training or evaluation, with modules of their own."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._spool.record import Target
from xpstore._values.checks import to_int64, to_step
from xpstore._values.ids import ordered_id, sent_id
from xpstore._values.times import now_us, to_datetime
from xpstore.errors import NotFound
from xpstore.module import Modules
from xpstore.v1 import ingest_pb2
from xpstore.v1 import iteration_pb2 as pb

if TYPE_CHECKING:
    from xpstore.artifact_links import IterationArtifacts

__all__ = ["Iteration", "Iterations"]


class Iteration:
    """One step of a model. Made by `model.iterations.create(step)`.

    One that was just created does not know yet whether the model had one of its step: asking for `id` or `created_at`
    asks the server.
    """

    def __init__(self, client: ClientBase, wire: pb.Iteration, target: Target, *, is_known: bool = True) -> None:
        self._client = client
        self._wire = wire
        self._target = target
        self._is_known = is_known

    def _read(self) -> pb.Iteration:
        if not self._is_known and self._client.offline is None:
            key = pb.IterationStep(model_id=self._wire.model_id, step=self._wire.step)
            request = pb.GetIterationRequest(iteration_step=key)
            self._wire = self._client.call(self._client.stubs.iterations.GetIteration, request).iteration
            self._is_known = True
        return self._wire

    @property
    def id(self) -> UUID:
        """Its id, unique over all projects."""
        return sent_id(self._read().id) if self._client.offline is None else self.recorded_id

    @property
    def recorded_id(self) -> UUID:
        """The id that it was recorded with, known without asking; the model's may have another."""
        self._client.iteration_steps[self._wire.id] = self.step
        return UUID(self._wire.id)

    def _id(self) -> str:
        return str(self.id)

    @property
    def model_id(self) -> UUID:
        """The id of its model."""
        return sent_id(self._wire.model_id)

    @property
    def project_uid(self) -> str:
        """The `uid` of its project."""
        return self._target.project

    @property
    def step(self) -> int:
        """The step, unique in the model."""
        return self._wire.step

    @property
    def created_at(self) -> datetime:
        """When it was recorded, UTC."""
        return to_datetime(self._read().created_at_us)

    @property
    def modules(self) -> Modules:
        """The iteration's modules."""
        return Modules(self._client, self._target, step=self._wire.step, iteration_id=self._id)

    @property
    def artifacts(self) -> "IterationArtifacts":
        """The artifacts linked to the iteration."""
        from xpstore.artifact_links import IterationArtifacts  # here, as many programs only log

        return IterationArtifacts(
            self._client, self._target.project, model_id=self._wire.model_id, iteration_id=str(self.id)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iteration) and self.id == other.id

    def __hash__(self) -> int:
        return self.id.int

    def __repr__(self) -> str:
        id_ = f", id={self._wire.id!r}" if self._is_known else ""
        return f"Iteration(step={self.step}{id_})"


class Iterations:
    """The iterations of a model."""

    def __init__(self, client: ClientBase, target: Target) -> None:
        self._client = client
        self._target = target

    def create(self, step: int) -> Iteration:
        """Records an iteration, or returns the one of this step: a model has at most one of each.

        It is in the spool when this returns, and goes to the server in the background. That of a model that was deleted
        is dropped, with a warning.

        Raises:
            InvalidArgument: the step is negative.
        """
        target = self._target
        event = ingest_pb2.IterationEvent(iteration_id=ordered_id(), step=to_step("step", step))
        self._client.recorder.event(target, ingest_pb2.EventRecord(iteration=event))
        now = now_us()
        wire = pb.Iteration(id=event.iteration_id, model_id=target.model_id, step=event.step, created_at_us=now)
        return Iteration(self._client, wire, target, is_known=False)

    def get(self, step: int) -> Iteration | None:
        """Returns the iteration of this step, None if there is none."""
        key = pb.IterationStep(model_id=self._target.model_id, step=to_int64("step", step))
        request = pb.GetIterationRequest(iteration_step=key)
        try:
            return self._made(self._client.call(self._client.stubs.iterations.GetIteration, request).iteration)
        except NotFound:
            return None

    def remove(self, iteration: Iteration) -> None:
        """Deletes an iteration with its modules; its artifacts stay. Does nothing when it is gone."""
        try:
            request = pb.DeleteIterationRequest(iteration_id=str(iteration.id))
        except NotFound:
            return
        self._client.call(self._client.stubs.iterations.DeleteIteration, request)

    def clear(self) -> None:
        """Deletes all iterations of the model."""
        request = pb.ClearIterationsRequest(model_id=self._target.model_id)
        self._client.call(self._client.stubs.iterations.ClearIterations, request)

    def list(self) -> list[Iteration]:
        """Returns all iterations of the model in the order they were recorded.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.ListIterationsRequest(model_id=self._target.model_id)
        method = self._client.stubs.iterations.ListIterations
        return [self._made(wire) for wire in iterate(self._client, method, request, "iterations")]

    def _made(self, wire: pb.Iteration) -> Iteration:
        return Iteration(self._client, wire, self._target)

    def __repr__(self) -> str:
        return f"Iterations(model_id={self._target.model_id!r})"
