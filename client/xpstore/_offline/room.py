"""Whether there is room for files in the spool, before a byte of them is copied."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from xpstore._files.scan import Source
from xpstore._files.upload import Uploader
from xpstore._machine.progress import unseen
from xpstore._offline.contents import find_missing
from xpstore._offline.stand_in import LIMITS, Sent
from xpstore._offline.store import ArtifactStore
from xpstore._service.connection import Connection
from xpstore._service.retry import Attempts
from xpstore.v1 import artifact_pb2 as pb


def check_room(connection: Connection, store: ArtifactStore, name: str, sources: Iterable[Source]) -> None:
    """Refuses what has no room. Files are read for that only if they all together are more than there is room for.

    Raises:
        ResourceExhausted: the bound would be met.
    """
    room_bytes = store.room_bytes
    if sum(source.size_bytes for source in sources) <= room_bytes:
        return
    measure = _Measure(connection, store)
    with Uploader(measure, "", unseen) as uploader:  # type: ignore[arg-type]  # what it needs of a connection
        for source in sources:
            if source.location is not None:
                uploader.add(source)
        uploader.finish()
    if measure.new_bytes > room_bytes:
        raise store.full(f"{name!r}, which has {measure.new_bytes / (1 << 20):.1f} MiB that are not there yet,")


class _Measure:
    """A connection for an upload that stores nothing: it counts what would be new."""

    def __init__(self, connection: Connection, store: ArtifactStore) -> None:
        self.stubs = connection.stubs
        self.timeout_seconds = connection.timeout_seconds
        self.limits = LIMITS
        self.is_embedded = True  # no line to it is long
        self.new_bytes = 0
        self._connection = connection
        self._store = store

    def call(
        self, method: Callable[..., Any], request: pb.FindMissingChunksRequest, **_: Any
    ) -> pb.FindMissingChunksResponse:
        return find_missing(self._store, request)

    def another(self) -> "_Measure":
        return self

    @contextmanager
    def sending(self, method: Any, messages: Iterable[bytes]) -> Iterator[Sent]:
        self.new_bytes += sum(map(len, messages))
        yield Sent()

    def attempts(self, is_wanted: Callable[[], bool] = lambda: True) -> Attempts:
        return Attempts(self._connection, 0.0, (), is_wanted)
