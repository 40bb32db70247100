"""One save: sent to the server, or kept in the spool while there is none."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from xpstore._artifacts.background import Promise, Saves
from xpstore._artifacts.options import OfModel
from xpstore._files.publish import publish
from xpstore._files.scan import Source
from xpstore._session.project import ProjectBase
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore.v1 import artifact_pb2 as pb

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Save:
    """What is to be saved.

    Attributes:
        project: where to.
        draft: what it shall be.
        sources: its files, gone through more than once.
        reread: whether files are read that the index of files knows.
        iteration: what the draft links it to.
    """

    project: ProjectBase
    draft: pb.ArtifactDraft
    sources: Iterable[Source]
    reread: bool
    iteration: OfModel | None = None

    def publish(self) -> pb.ArtifactVersion:
        """Publishes it; offline it waits in the spool.

        Raises:
            Unavailable: the server is away, or does not have yet what it was made from.
        """
        client, draft = self.project._client, self.draft
        if client.offline is not None:
            client.offline.check_room(client, draft.name, self.sources)
        else:
            for place, made in enumerate(draft.used_version_ids):
                draft.used_version_ids[place] = client.sent_id(made)
            if self.iteration is not None:
                draft.links[0].iteration_id = str(self.iteration.id)
        version, _ = publish(client, self.project.uid, draft, self.sources, self.reread)
        return version

    def publish_or_keep(self) -> pb.ArtifactVersion:
        """The same, but that it waits in the spool if the server is away."""
        client = self.project._client
        try:
            return self.publish()
        except (Unavailable, DeadlineExceeded):
            if client.offline is not None or client.is_closed:
                raise
        if self.iteration is not None:
            self.draft.links[0].iteration_id = str(recorded_id(self.iteration))
        version: pb.ArtifactVersion = client.keeper.keep(self.project.uid, self.draft, self.sources, self.reread)
        return version


def promised(save: Save, made: Callable[[pb.ArtifactVersion], T]) -> Promise[T]:
    """Does it in the background; the result is what is made of the version."""
    what = f"The artifact {save.draft.name!r} of project {save.project.id!r}"
    return save.project._client.kept(Saves).promise(what, lambda: made(save.publish_or_keep()))


@dataclass(frozen=True, slots=True)
class Recorded:
    """An iteration by the id that it was recorded with: which one it has, only the server knows.

    Attributes:
        id: that id.
        model_id: the id of its model.
    """

    id: Any
    model_id: Any


def recorded(iteration: Any) -> OfModel | None:
    """An iteration as it is known without asking the server."""
    return None if iteration is None else Recorded(recorded_id(iteration), getattr(iteration, "model_id", None))


def recorded_id(iteration: Any) -> Any:
    """The id that an iteration was recorded with."""
    return getattr(iteration, "recorded_id", None) or getattr(iteration, "id", None)
