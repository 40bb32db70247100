"""Shipping: what a writer has logged goes to the server in order, each record once."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message

from xpstore._service.connection import Connection, line_seconds
from xpstore._spool.backlog import Backlog
from xpstore._spool.made_offline import MadeOffline
from xpstore._spool.record import SLOT_BYTES, RecordType, Target
from xpstore._spool.request import Writer, request_of
from xpstore._spool.slice import Other, Share, Slice
from xpstore._spool.stream import BatchStream
from xpstore.errors import (
    HTTP_STATUS,
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    Error,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Stale,
    Unauthenticated,
    Unavailable,
)
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import run_pb2

log = logging.getLogger("xpstore")

# 26,000 points of the spool, 0.7 MiB on the wire. One record more may be as large again.
BATCH_BYTES = 26_214 * SLOT_BYTES
CALL_SECONDS = 10.0
# A batch is what the line carries in so long; on the thinnest this much, as less would only be more calls.
LINE_SECONDS = 3.0
LEAST_BYTES = 1_638 * SLOT_BYTES
# Several batches go out together where a whole one takes no longer: they share the time of one call.
TOGETHER_SECONDS = 1.0
# How many calls have one batch each after several in one call failed.
CAREFUL_CALLS = 16
# A record that the server will never take; all other errors may pass.
REFUSALS = (InvalidArgument, AlreadyExists, Conflict)
# Errors that waiting will not mend.
KEY_ERRORS = (Unauthenticated, PermissionDenied)


class Shipper:
    """Ships records of any writers, one batch at a time.

    Args:
        connection: to the server.
        call_seconds: how long one call may take, beside what its bytes take on a thin line.

    Attributes:
        shipped_count: records that the server has, or refused for good.
        dropped_count: those of them that it will never have.
    """

    def __init__(self, connection: Connection, call_seconds: float = CALL_SECONDS) -> None:
        self._connection = connection
        self._call_seconds = call_seconds
        self._made_offline: dict[str, MadeOffline] = {}
        self._limit_bytes = self._most_bytes = BATCH_BYTES
        self._careful_calls = 0
        self._is_line_wide = False
        self._takes_console = False
        self._is_console_told = False
        self._gone: set[str] = set()
        self.dropped_count = 0
        self.shipped_count = 0

    @property
    def batch_bytes(self) -> int:
        """How much of a spool goes out together when all goes well."""
        return BATCH_BYTES

    def ship(self, backlog: Backlog) -> bool:
        """Ships the next records of a writer; False if there are none."""
        slice_ = backlog.read(self._limit_bytes)
        if slice_ is None:
            return False
        if slice_.has_console:
            self._suit_console(slice_)
        made_offline = self._made_offline.setdefault(
            backlog.writer_id, MadeOffline(self._connection, backlog, self._call)
        )
        if self._careful_calls or self._limit_bytes < BATCH_BYTES:
            self._careful_calls = max(self._careful_calls - 1, 0)
        elif self._is_line_wide:
            batches = BatchStream(backlog, made_offline, slice_, BATCH_BYTES, takes_console=self._takes_console)
            if batches.is_worth_it:
                self._ship_together(backlog, batches)
                return True
        began = time.monotonic()
        try:
            for share in slice_.shares:
                if share.targets:
                    self._ingest(backlog, made_offline, slice_, share)
            if slice_.call is not None:
                self._call_run(made_offline, slice_.call)
        except REFUSALS as error:
            self._refused(backlog, slice_, error)
            return True
        except ResourceExhausted as error:
            if HTTP_STATUS not in error.metadata or not _is_divisible(slice_):
                raise
            self._limit_bytes = self._most_bytes = _whole_slots(slice_.size_bytes / 2)  # a proxy takes no more
            return True
        except DeadlineExceeded:
            self._limit_bytes = _whole_slots(slice_.size_bytes / 2)
            raise
        self._shipped(backlog, slice_)
        self._fit(slice_.size_bytes, time.monotonic() - began)
        return True

    def _suit_console(self, slice_: Slice) -> None:
        """Leaves out what runs print, of a server whose contract is older than that: 1.0 would refuse the batch."""
        limits = self._connection.limits
        self._takes_console = bool(limits.max_console_bytes)
        if not self._takes_console:
            slice_.leave_out_console()
            if not self._is_console_told:
                self._is_console_told = True
                log.info("The server is of version %s, which keeps nothing of what runs print.", limits.server_version)

    def _fit(self, size_bytes: int, seconds: float) -> None:
        """Makes the next batch what the line carries in a few seconds, as far as this one tells, which may be small."""
        carried_bytes = size_bytes * LINE_SECONDS / max(seconds, 0.001)
        if seconds > LINE_SECONDS:
            self._limit_bytes = min(self._limit_bytes, _whole_slots(max(carried_bytes, LEAST_BYTES)))
        else:
            grown_bytes = min(carried_bytes, 2 * self._limit_bytes, self._most_bytes)
            self._limit_bytes = max(self._limit_bytes, _whole_slots(grown_bytes))
        if size_bytes >= BATCH_BYTES // 2 or seconds > TOGETHER_SECONDS:
            self._is_line_wide = seconds <= TOGETHER_SECONDS

    def forget(self, backlog: Backlog) -> None:
        """Lets go of what is known of a writer."""
        self._made_offline.pop(backlog.writer_id, None)

    def _ship_together(self, backlog: Backlog, batches: BatchStream) -> None:
        try:
            answer = self._call(self._connection.stubs.ingest_batches, batches)
        except (Unavailable, *KEY_ERRORS):
            raise
        except Error as error:
            if is_disk_full(error) or error.retry_seconds is not None:
                raise
            log.debug("Several batches in one call are refused, each has its own now: %s", error)
            self._careful_calls, self._is_line_wide = CAREFUL_CALLS, False
            return
        finally:
            slices = batches.stop()
        self._all_dropped(answer.dropped)
        self._shipped(backlog, *slices)

    def _shipped(self, backlog: Backlog, *slices: Slice) -> None:
        backlog.advance(*slices)
        self.shipped_count += sum(slice_.record_count for slice_ in slices)

    def _refused(self, backlog: Backlog, slice_: Slice, error: Error) -> None:
        """Halves the batch until only the record at fault is left, and leaves that out."""
        if _is_divisible(slice_):
            self._limit_bytes = _whole_slots(slice_.size_bytes / 2)
            return
        target = slice_.call.target if slice_.call else slice_.shares[0].targets[0]
        self._dropped(target.model_id, 1, str(error))
        backlog.advance(slice_)
        self._limit_bytes = self._most_bytes

    def _ingest(self, backlog: Backlog, made_offline: MadeOffline, slice_: Slice, share: Share) -> None:
        model_ids = {target: id_ for target in share.targets if (id_ := made_offline.model(target))}
        missing = set(share.targets) - set(model_ids)
        uid = made_offline.project(share.targets[0])
        if missing:
            for target in missing:
                self._dropped(target.model_id, _count(share, target), "it could not be made, or was deleted")
            if not model_ids:
                return
        first = backlog.expanded(share.project, share.first)
        shift = 0
        while True:
            writer = Writer(uid, backlog.writer_id, first)
            try:
                request = b"".join(request_of(slice_, share, model_ids, writer, shift))
                answer = self._call(self._connection.stubs.ingest_batch, request)
            except NotFound as error:
                for target in model_ids:
                    self._dropped(target.model_id, _count(share, target), str(error))
                return
            except Stale as error:
                # Records between are damaged, or the server's data is older than this spool: it never gets them.
                expected = int(error.metadata["expected"])
                if not expected < first - shift:
                    raise
                shift = first - expected
                continue
            return self._all_dropped(answer.dropped)

    def _call_run(self, made_offline: MadeOffline, call: Other) -> None:
        model_id = made_offline.model(call.target)
        runs = self._connection.stubs.runs
        if not model_id:
            return self._dropped(call.target.model_id, 1, "it could not be made, or was deleted")
        try:
            if call.tag == RecordType.RUN_START:
                start = run_pb2.CreateRunRequest.FromString(bytes(call.payload))
                start.model_id = model_id
                self._call_timed(runs.CreateRun, start, "started_at_us")
            else:
                end = run_pb2.FinishRunRequest.FromString(bytes(call.payload))
                self._call_timed(runs.FinishRun, end, "ended_at_us")
        except NotFound as error:
            self._dropped(model_id, 1, str(error))

    def _call_timed(self, method: Callable[..., Any], request: Any, field: str) -> None:
        try:
            self._call(method, request)
        except InvalidArgument as error:
            if error.metadata.get("field") != field:
                raise
            request.ClearField(field)  # the clock of this machine was wrong: the server's then
            self._call(method, request)

    def _all_dropped(self, every: Iterable[pb.DroppedRecords]) -> None:
        for dropped in every:
            self._dropped(dropped.model_id, dropped.count, dropped.reason)

    def _dropped(self, model_id: str, count: int, reason: str) -> None:
        self.dropped_count += count
        if model_id not in self._gone:
            self._gone.add(model_id)
            log.warning("Records of model %s are not stored, and never will be: %s", model_id, reason)

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        size_bytes = len(request) if isinstance(request, bytes) else 0
        if isinstance(request, Message):
            size_bytes = request.ByteSize()
        return self._connection.once(method, request, self._call_seconds + line_seconds(size_bytes))


def _is_divisible(slice_: Slice) -> bool:
    return slice_.record_count + (slice_.call is not None) > 1


def _whole_slots(size_bytes: float) -> int:
    return max(int(size_bytes) // SLOT_BYTES, 1) * SLOT_BYTES


def is_disk_full(error: Error | None) -> bool:
    """Whether the server has no room: it takes the same later, when its operator has made some."""
    return isinstance(error, ResourceExhausted) and error.metadata.get("limit") == "disk"


def _count(share: Share, target: Target) -> int:
    points = sum(len(slots) for (series, _), slots in share.points.items() if series.target == target)
    return points + sum(other.target == target for other in share.others)
