"""Tags: words to find a model by."""

from xpstore._session.client import ClientBase
from xpstore._spool.record import Target
from xpstore._values.checks import to_name
from xpstore.v1 import ingest_pb2
from xpstore.v1 import model_pb2 as pb

__all__ = ["Tags"]


class Tags:
    """The tags of a model, in the order they were added."""

    def __init__(self, client: ClientBase, target: Target) -> None:
        self._client = client
        self._target = target

    def add(self, *tags: str) -> None:
        """Adds tags; one that is there already stays where it is.

        It is in the spool when this returns, and goes to the server in the background.

        Raises:
            InvalidArgument: a tag is empty, longer than 256 characters, or has control characters.
        """
        self._log(ingest_pb2.TagsEvent(add=[to_name("add", tag) for tag in tags]))

    def remove(self, *tags: str) -> None:
        """Removes tags; one that is not there changes nothing."""
        self._log(ingest_pb2.TagsEvent(remove=[to_name("remove", tag) for tag in tags]))

    def _log(self, event: ingest_pb2.TagsEvent) -> None:
        self._client.recorder.event(self._target, ingest_pb2.EventRecord(tags=event))

    def list(self) -> list[str]:
        """Returns all tags.

        Raises:
            NotFound: the model was deleted.
            Unavailable: the server is away, or the client is offline.
        """
        if self._client.offline is not None:  # whose records say it, and they are not read
            raise self._client.offline.unavailable()
        request = pb.GetModelRequest(model_id=self._target.model_id)
        return list(self._client.call(self._client.stubs.models.GetModel, request).model.tags)

    def __repr__(self) -> str:
        return f"Tags(model_id={self._target.model_id!r})"
