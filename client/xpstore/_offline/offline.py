"""What stands in for the server of an offline client: models to log through, artifacts, and the cache."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xpstore._files.scan import Source
from xpstore._offline.models import OfflineModels
from xpstore._offline.room import check_room
from xpstore._offline.stand_in import StandIn
from xpstore._offline.store import ArtifactStore
from xpstore._service.connection import Connection
from xpstore._spool.record import Target
from xpstore.v1 import project_pb2

if TYPE_CHECKING:
    from xpstore._service.connection import Connection
from xpstore._spool.recorder import Recorder


class Offline:
    """Answers in the server's place.

    Args:
        recorder: what the client logs through.
        iteration_steps: the steps of iterations that links name, by their ids.

    Attributes:
        set_step: keeps the step of a model.
        unavailable: the error of what only a server can answer.
    """

    def __init__(self, recorder: "Recorder", iteration_steps: dict[str, int]) -> None:
        self._recorder = recorder
        self._models = OfflineModels()
        self._artifacts = StandIn(self)
        self.iteration_steps = iteration_steps
        self.set_step = self._models.set_step
        self.unavailable = self._artifacts.unavailable

    def answer(self, request: Any) -> Any:
        """Answers a unary call.

        Raises:
            Unavailable: this only a server can answer.
            Error: as the server would raise it.
        """
        if self._models.knows(request):
            return self._models.answer(request)
        return self._artifacts.answer(request)

    def stream(self, request: Any) -> Iterator[Any]:
        """Yields the messages of a streaming answer; raises as `answer` does."""
        return self._artifacts.stream(request)

    def sending(self, messages: Iterable[bytes]) -> AbstractContextManager[Any]:
        """Takes a stream of chunks, as `Connection.sending` does."""
        return self._artifacts.sending(messages)

    def check_room(self, connection: Connection, name: str, sources: Iterable[Source]) -> None:
        """Refuses files that have no room, before a byte of them is copied.

        Raises:
            ResourceExhausted: the bound would be met.
        """
        check_room(connection, self.store, name, sources)

    # What `StandIn` asks.

    @property
    def writer(self) -> tuple[str, str]:
        """Id of the writer in the spool, and that it has no key."""
        return self._recorder.spool.writer_id, ""

    @cached_property
    def store(self) -> ArtifactStore:
        """Where artifacts wait."""
        return ArtifactStore(self._recorder.folder)

    def project_of(self, project_uid: str) -> tuple[str, project_pb2.CreateProjectRequest | None]:
        """What tells a project from others: the caller's id, as each program makes a uid of its own."""
        creation = self._models.creation_of(project_uid)
        return f"id:{creation.project_id}", creation

    def project_uid_of(self, project_id: str) -> str:
        """The uid of a project by the caller's id."""
        return self._models.uid_of(project_id)

    def target(self, model_id: str, project_uid: str = "") -> Target:
        """What records of a model name; raises NotFound."""
        return self._models.target(model_id)
