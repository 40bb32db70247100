"""The background sender: ships what is in the spool, in order, each record once, however often it has to try."""

import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from xpstore._spool.backlog import Backlog, adopt
from xpstore._spool.made_offline import Bindings
from xpstore._spool.record import SLOT_BYTES, Tag, Target
from xpstore._spool.request import Batch
from xpstore._spool.segment import server_folder, setting, spool_root
from xpstore._spool.slice import Other, Share, Stretch
from xpstore._spool.spool import Place, Spool
from xpstore._spool.stream import Convoy
from xpstore.client import Client
from xpstore.errors import (
    AlreadyExists,
    Conflict,
    DeadlineExceeded,
    Error,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Stale,
    Unauthenticated,
    Unavailable,
)
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import run_pb2

log = logging.getLogger("xpstore")

# How long what is logged waits for company.
BATCH_SECONDS = 0.3
# 26,000 points of the spool, 0.7 MiB on the wire. One record more may be as large again.
BATCH_BYTES = 26_214 * SLOT_BYTES
CALL_SECONDS = 10.0
FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 5.0
ADOPT_SECONDS = 10.0
# How many calls have one batch each after several in one call failed.
CAREFUL_CALLS = 16
# A record that the server will never take; all other errors may pass.
REFUSALS = (InvalidArgument, AlreadyExists, Conflict)
# Errors that waiting will not mend: `flush` does not wait for its time-out.
KEY_ERRORS = (Unauthenticated, PermissionDenied)
# How long a fork waits for a call that is under way: a call that is cut in two may leave gRPC's locks taken.
FORK_SECONDS = 0.2

_random = random.SystemRandom()  # the program's own random numbers stay what its seed makes them


class Sender:
    """Ships one spool, and what writers that are gone have left.

    Args:
        server: what tells the client's server from others.
        owner: whose orphans to adopt; None takes all, those that were logged offline too.
    """

    def __init__(self, client: Client, server: str, owner: str | None, spool: Spool | None = None) -> None:
        self._client = client
        self._folder = server_folder(spool.root if spool else spool_root(), server)
        self.owner = owner
        self._spool = spool
        self.own = Backlog(spool.folder, spool) if spool else None
        self._bindings: dict[str, Bindings] = {}
        self._condition = threading.Condition()
        self._wake = threading.Event()
        self._is_stopping = False
        self._failure: Error | None = None
        self._is_away = False
        self._backoff = FIRST_BACKOFF_SECONDS
        self._limit_bytes = BATCH_BYTES
        self._careful_calls = 0
        self._adopt_at = 0.0
        self._adoptions = 0
        self._put_aside: set[str] = set()
        self._gone: set[str] = set()
        self._sync_seconds = setting("XPSTORE_SPOOL_FSYNC_SECONDS", 0)
        self._sync_at = time.monotonic() + self._sync_seconds
        self.dropped_count = 0
        self.shipped_count = 0
        self.calling = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="xpstore-sender", daemon=True)
        _senders.add(self)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Has the thread look now, unless the server is away."""
        if self._failure is None:
            self._wake.set()

    def stop(self) -> None:
        """Ends the thread, at once unless a call is under way."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(FORK_SECONDS)
        _senders.discard(self)

    @property
    def is_done(self) -> bool:
        """Whether the server has everything that was logged so far."""
        return self.own is None or self._spool is None or self.own.has_reached(self._spool.tail())

    def settle(self, timeout_seconds: float, *, is_adopting: bool) -> None:
        """Sends what is pending, before a call that must find it."""
        if is_adopting or not self.is_done:
            self.flush(timeout_seconds, is_adopting=is_adopting)

    def flush(self, timeout_seconds: float, *, is_adopting: bool = True, grace_seconds: float | None = None) -> None:
        """Waits until the server has everything that was logged before.

        Args:
            timeout_seconds: how long to wait.
            is_adopting: whether also what children and others that are gone have left.
            grace_seconds: how long to go on after a failure; default as long as there is time.

        Raises:
            Unavailable: the server is away.
            DeadlineExceeded: the time is over.
            Unauthenticated: the key is not known any more.
            PermissionDenied: the key may not do this.
        """
        assert self._spool is not None
        place, began = self._spool.tail(), time.monotonic()
        deadline = began + timeout_seconds
        with self._condition:
            adoptions = self._adoptions + 1 if is_adopting else 0
            if is_adopting:
                self._adopt_at = 0.0
            self._failure, self._backoff = None, FIRST_BACKOFF_SECONDS
            self._wake.set()
            while not (self._has_reached(place) and self._adoptions >= adoptions):
                if self._failure and grace_seconds is not None:
                    deadline = min(deadline, began + grace_seconds)
                if isinstance(self._failure, KEY_ERRORS):
                    raise self._failure
                if not self._condition.wait(max(deadline - time.monotonic(), 0)):
                    raise self._unshipped() from None

    def _has_reached(self, place: Any) -> bool:
        return self.own is not None and self.own.has_reached(place)

    def _unshipped(self) -> Error:
        where = f"What is not sent stays in {self._folder}, and is sent later."
        if isinstance(self._failure, Unavailable):
            return Unavailable(f"{str(self._failure).rstrip('.')}. {where}", metadata={"spool": str(self._folder)})
        return DeadlineExceeded(f"The server did not take everything in time. {where}")

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(self._backoff if self._failure else BATCH_SECONDS)
            self._wake.clear()
            if self._is_stopping:
                return
            try:
                self._round()
            except Error as error:
                self._failed(error)
            except Exception as error:  # a fault of ours must not end the sender
                log.exception("The sender failed")
                self._failed(Unavailable(f"The sender failed: {error!r}"))
            self._keep()

    def _round(self) -> None:
        """Ships all there is, a batch of each orphan at a time between one's own."""
        orphans, place = self._adopted(), self._spool.tail() if self._spool else None
        try:
            is_more = True
            while is_more and not self._is_stopping:
                for backlog in list(orphans):
                    if not self._ship_orphan(backlog):
                        orphans.remove(backlog)
                is_more = (place is not None and self._ship_own(place)) or bool(orphans)
        finally:
            for backlog in orphans:
                backlog.release()
        if not self._is_stopping:
            self._succeeded()

    def _adopted(self) -> list[Backlog]:
        if time.monotonic() < self._adopt_at:
            return []
        self._adopt_at = time.monotonic() + ADOPT_SECONDS
        found = list(adopt(self._folder, owner=self.owner))
        for backlog in found:
            if backlog.writer_id in self._put_aside:
                backlog.release()
        return [backlog for backlog in found if backlog.writer_id not in self._put_aside]

    def _ship_own(self, place: Place) -> bool:
        """Ships a batch; False when what was before a place is shipped, and what came since fills no batch.

        A training loop logs on meanwhile: calls of a few points each would cost it more than logging them.
        """
        assert self.own is not None and self._spool is not None
        if not self.ship(self.own):
            return False
        self._told()
        return not (self.own.has_reached(place) and self.own.has_reached(self._spool.tail(), BATCH_BYTES))

    def _ship_orphan(self, backlog: Backlog) -> bool:
        """Ships a batch; False when nothing is left, or what is left has to wait."""
        try:
            if self.ship(backlog):
                return True
            backlog.remove()
        except (Unavailable, DeadlineExceeded):
            self._adopt_at = 0.0
            raise
        except (Error, OSError, LookupError, ValueError) as error:
            log.warning("What another process left in the spool cannot be sent now (%s): %s", backlog.writer_id, error)
            self._put_aside.add(backlog.writer_id)
        backlog.release()
        self._bindings.pop(backlog.writer_id, None)
        return False

    def _told(self) -> None:
        with self._condition:
            self._condition.notify_all()

    def _succeeded(self) -> None:
        with self._condition:
            if self._is_away:
                log.warning("The server is back, all that was logged is sent.")
            self._failure, self._is_away, self._backoff = None, False, FIRST_BACKOFF_SECONDS
            self._adoptions += 1
            self._condition.notify_all()

    def _failed(self, error: Error) -> None:
        with self._condition:
            is_new, self._is_away = not self._is_away, True
            self._failure = error
            self._condition.notify_all()
        if is_new:
            log.warning("What was logged stays in the spool for now, and is sent later: %s", error)
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS) * _random.uniform(0.75, 1.0)
        if isinstance(error, Unavailable):
            try:
                self._client.revive(CALL_SECONDS)
            except Exception as failure:
                log.debug("The embedded service does not start: %s", failure)

    def _keep(self) -> None:
        """Has the disk write what the server does not have."""
        if self._spool is None or self._is_stopping:
            return
        try:
            self._spool.sync_retired()
            if self._sync_seconds and time.monotonic() >= self._sync_at:
                self._sync_at = time.monotonic() + self._sync_seconds
                if not self.is_done:
                    self._spool.sync()
        except OSError as error:
            log.warning("The disk does not write the spool: %s", error)

    def ship(self, backlog: Backlog) -> bool:
        """Ships the next records of a writer; False if there are none."""
        stretch = backlog.read(self._limit_bytes)
        if stretch is None:
            return False
        bindings = self._bindings.setdefault(backlog.writer_id, Bindings(self._client, backlog, self._call))
        if self._careful_calls or self._limit_bytes < BATCH_BYTES:
            self._careful_calls = max(self._careful_calls - 1, 0)
        elif (convoy := Convoy(backlog, bindings, stretch, BATCH_BYTES)).is_worth_it:
            self._ship_together(backlog, convoy)
            return True
        try:
            for share in stretch.shares:
                self._ingest(backlog, bindings, stretch, share)
            if stretch.call is not None:
                self._call_run(bindings, stretch.call)
        except REFUSALS as error:
            self._refused(backlog, stretch, error)
            return True
        except DeadlineExceeded:
            self._limit_bytes = max(stretch.size_bytes // 2 // SLOT_BYTES * SLOT_BYTES, SLOT_BYTES)
            raise
        self._shipped(backlog, stretch)
        return True

    def _ship_together(self, backlog: Backlog, convoy: Convoy) -> None:
        try:
            answer = self._call(self._client.stubs.ingest_batches, convoy)
        except (Unavailable, *KEY_ERRORS):
            raise
        except Error as error:
            log.debug("Several batches in one call are refused, each has its own now: %s", error)
            self._careful_calls = CAREFUL_CALLS
            return
        finally:
            stretches = convoy.stop()
        self._all_dropped(answer.dropped)
        self._shipped(backlog, *stretches)

    def _shipped(self, backlog: Backlog, *stretches: Stretch) -> None:
        backlog.advance(*stretches)
        self.shipped_count += sum(stretch.record_count for stretch in stretches)
        self._limit_bytes = min(self._limit_bytes * 2, BATCH_BYTES)

    def _refused(self, backlog: Backlog, stretch: Stretch, error: Error) -> None:
        """Halves the batch until only the record at fault is left, and leaves that out."""
        if stretch.record_count + (stretch.call is not None) > 1:
            self._limit_bytes = max(stretch.size_bytes // 2 // SLOT_BYTES * SLOT_BYTES, SLOT_BYTES)
            return
        target = stretch.call.target if stretch.call else stretch.shares[0].targets[0]
        self._dropped(target.model_id, 1, str(error))
        backlog.advance(stretch)
        self._limit_bytes = BATCH_BYTES

    def _ingest(self, backlog: Backlog, bindings: Bindings, stretch: Stretch, share: Share) -> None:
        model_ids = {target: id_ for target in share.targets if (id_ := bindings.model(target))}
        missing = set(share.targets) - set(model_ids)
        uid = bindings.project(share.targets[0])
        if missing:
            for target in missing:
                self._dropped(target.model_id, _count(share, target), "it could not be made, or was deleted")
            if not model_ids:
                return
        first = backlog.expanded(share.project, share.first)
        shift = 0
        while True:
            head = pb.IngestRequest(
                project_uid=uid,
                writer_id=backlog.writer_id,
                first_record=first - shift,
                record_count=share.count + shift,
            )
            request = b"".join(Batch(stretch, share, model_ids, shift).request(head))
            try:
                answer = self._call(self._client.stubs.ingest_batch, request)
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

    def _call_run(self, bindings: Bindings, call: Other) -> None:
        model_id = bindings.model(call.target)
        runs = self._client.stubs.runs
        if not model_id:
            return self._dropped(call.target.model_id, 1, "it could not be made, or was deleted")
        try:
            if call.tag == Tag.RUN_START:
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
        with self.calling:
            return self._client._call_once(method, request, CALL_SECONDS)


def _count(share: Share, target: Target) -> int:
    points = sum(len(slots) for (series, _), slots in share.points.items() if series.target == target)
    return points + sum(other.target == target for other in share.others)


_senders: "weakref.WeakSet[Sender]" = weakref.WeakSet()
_held: list[Sender] = []


def _before_fork() -> None:
    for sender in list(_senders):
        if sender.calling.acquire(timeout=FORK_SECONDS):
            _held.append(sender)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().calling.release()


def _after_fork_in_child() -> None:
    _held.clear()
    _senders.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
