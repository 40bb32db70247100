"""Batches of one writer and one project in one call, each made while those before it are under way."""

import threading
import time
from collections.abc import Iterator

from xpstore._spool.backlog import Backlog
from xpstore._spool.made_offline import MadeOffline
from xpstore._spool.request import Writer, delimited, request_of
from xpstore._spool.slice import Slice
from xpstore.v1 import ingest_pb2 as pb

# How long batches join: a fork waits about as long for the call, and what a broken call has to repeat is bounded.
JOIN_SECONDS = 0.1


class BatchStream:
    """Requests of one IngestStream. gRPC asks for them in a thread of its own.

    Args:
        first: the slice of the backlog that is next.
        limit_bytes: how large slices are.
        takes_console: whether the server takes what runs print.
    """

    def __init__(
        self,
        backlog: Backlog,
        made_offline: MadeOffline,
        first: Slice,
        limit_bytes: int,
        *,
        takes_console: bool = True,
    ) -> None:
        self._backlog = backlog
        self._made_offline = made_offline
        self._limit_bytes = limit_bytes
        self._takes_console = takes_console
        self._until = time.monotonic() + JOIN_SECONDS
        self._lock = threading.Lock()
        self._project = first.shares[0].project if first.shares else ""
        self._read_bytes = 0
        self._sent: list[Slice] = []
        self._next = first if self._fits(first) else None
        self._second = self._after(self._next)

    @property
    def is_worth_it(self) -> bool:
        """Whether there are several batches."""
        return self._second is not None

    def _fits(self, slice_: Slice) -> bool:
        """Whether a slice has records of the one project alone, of models that are known to be there."""
        if len(slice_.shares) != 1 or slice_.call is not None or slice_.shares[0].project != self._project:
            return False
        if not slice_.shares[0].targets or (slice_.has_console and not self._takes_console):
            return False
        return all(self._made_offline.known(target) for target in slice_.shares[0].targets)

    def _after(self, slice_: Slice | None) -> Slice | None:
        if slice_ is None or time.monotonic() >= self._until:
            return None
        self._read_bytes += slice_.size_bytes
        try:
            found = self._backlog.read_on(self._read_bytes, self._limit_bytes)
        except (OSError, LookupError, ValueError):
            return None  # told when its turn comes: what is before it goes out first
        return found if found is not None and self._fits(found) else None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._lock:
            if self._next is None:
                raise StopIteration
            request = self._request(self._next)
            self._sent.append(self._next)
            self._next, self._second = self._second, self._after(self._second)
            return request

    def _request(self, slice_: Slice) -> bytes:
        (share,) = slice_.shares
        model_ids = {target: self._made_offline.known(target) for target in share.targets}
        uid, first = self._made_offline.project(share.targets[0]), self._backlog.expanded(share.project, share.first)
        batch = request_of(slice_, share, model_ids, Writer(uid, self._backlog.writer_id, first))
        return b"".join(delimited(pb.IngestStreamRequest.BATCH_FIELD_NUMBER, *batch))

    def stop(self) -> list[Slice]:
        """Ends it, when the call is over: whatever gRPC still asks for. Returns what went out."""
        with self._lock:
            self._next = self._second = None
            return self._sent
