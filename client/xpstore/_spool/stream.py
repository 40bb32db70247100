"""A convoy: batches of one writer and one project in one call, each made while those before it are under way."""

import threading
import time
from collections.abc import Iterator

from xpstore._spool.backlog import Backlog
from xpstore._spool.made_offline import Bindings
from xpstore._spool.request import Writer, delimited, request_of
from xpstore._spool.slice import Stretch
from xpstore.v1 import ingest_pb2 as pb

# How long batches join: a fork waits about as long for the call, and what a broken call has to repeat is bounded.
CONVOY_SECONDS = 0.1


class Convoy:
    """Requests of one IngestStream. gRPC asks for them in a thread of its own.

    Args:
        first: the stretch of the backlog that is next.
        limit_bytes: how large stretches are.
    """

    def __init__(self, backlog: Backlog, bindings: Bindings, first: Stretch, limit_bytes: int) -> None:
        self._backlog = backlog
        self._bindings = bindings
        self._limit_bytes = limit_bytes
        self._until = time.monotonic() + CONVOY_SECONDS
        self._lock = threading.Lock()
        self._project = first.shares[0].project if first.shares else ""
        self._read_bytes = 0
        self._sent: list[Stretch] = []
        self._next = first if self._fits(first) else None
        self._second = self._after(self._next)

    @property
    def is_worth_it(self) -> bool:
        """Whether there are several batches."""
        return self._second is not None

    def _fits(self, stretch: Stretch) -> bool:
        """Whether a stretch has records of the one project alone, of models that are known to be there."""
        if len(stretch.shares) != 1 or stretch.call is not None or stretch.shares[0].project != self._project:
            return False
        return all(self._bindings.known(target) for target in stretch.shares[0].targets)

    def _after(self, stretch: Stretch | None) -> Stretch | None:
        if stretch is None or time.monotonic() >= self._until:
            return None
        self._read_bytes += stretch.size_bytes
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

    def _request(self, stretch: Stretch) -> bytes:
        (share,) = stretch.shares
        model_ids = {target: self._bindings.known(target) for target in share.targets}
        uid, first = self._bindings.project(share.targets[0]), self._backlog.expanded(share.project, share.first)
        batch = request_of(stretch, share, model_ids, Writer(uid, self._backlog.writer_id, first))
        return b"".join(delimited(pb.IngestStreamRequest.BATCH_FIELD_NUMBER, *batch))

    def stop(self) -> list[Stretch]:
        """Ends it, when the call is over: whatever gRPC still asks for. Returns what went out."""
        with self._lock:
            self._next = self._second = None
            return self._sent
