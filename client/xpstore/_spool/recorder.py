"""What a client logs through: its spool and its sender, made when they are needed, in each process anew."""

import atexit
import contextlib
import logging
import os
import sys
import threading
import weakref
from hashlib import sha256

from xpstore._service.connection import Connection
from xpstore._spool.record import RecordType, Target
from xpstore._spool.sender import Sender
from xpstore._spool.spool import Spool
from xpstore._values.ids import new_id
from xpstore.errors import Error, Unavailable
from xpstore.v1 import ingest_pb2

log = logging.getLogger("xpstore")

# How long a program that ends waits for its sender, and how long if the server does not answer.
EXIT_SECONDS = 10.0
AWAY_SECONDS = 2.0


class Recorder:
    """The spool and the sender of one client.

    Args:
        connection: what is logged goes through it.
        server: what tells the client's server from others.
        api_key: so that another key's records are left to it; the spool keeps its digest.
        is_offline: whether what is logged waits for `xpstore sync`.
        is_strict: whether to raise when the disk bound is met.
    """

    def __init__(self, connection: Connection, server: str, api_key: str, *, is_offline: bool, is_strict: bool) -> None:
        self._connection = connection
        self.server = server
        self._owner = sha256(api_key.encode()).hexdigest()[:32] if api_key else ""
        self._is_offline = is_offline
        self._is_strict = is_strict
        self._dropped_count = 0
        self._is_closed = False
        self.has_forked = False
        self._start_anew()
        _recorders.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._targets: dict[str, Target] = {}
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        self.__dict__.pop("point", None)

    def point(self, target: Target, name: str, phase: str | None, value: float, step: int | None) -> None:
        """Takes one point, as `Spool.point` does.

        That takes this method's place once there is a spool: each step of the way to it costs a training loop, whose
        caches are full of others.
        """
        self.spool.point(target, name, phase, value, step)

    @property
    def spool(self) -> Spool:
        """Where to log.

        Raises:
            Unavailable: the client is closed.
        """
        return self._spool or self._open()

    def _open(self) -> Spool:
        with self._lock:
            if self._is_closed:
                raise Unavailable("This client is closed.")
            if self._spool is None:
                header = {"owner": self._owner, "is_offline": self._is_offline}
                spool = Spool(new_id(), self.server, header, is_strict=self._is_strict)
                if not self._is_offline:
                    self._sender = Sender(self._connection, spool, self._owner)
                    with contextlib.suppress(RuntimeError):  # at the very end of a program no thread starts any more
                        self._sender.start()
                _finish_with_process(self)
                self._spool = spool
                self.__dict__["point"] = spool.point
            return self._spool

    def target(self, model_id: str, project_uid: str) -> Target:
        """The target of an online model's records."""
        return self._targets.get(model_id) or self._targets.setdefault(model_id, Target(model_id, project_uid))

    def event(self, target: Target, event: ingest_pb2.EventRecord) -> None:
        """Takes what is recorded of a model beside its points."""
        self.spool.of_model(RecordType.EVENT, target, event.SerializeToString())

    @property
    def dropped_count(self) -> int:
        """How many records will never be stored."""
        spool, sender = self._spool, self._sender
        return (
            self._dropped_count
            + (spool.dropped_count if spool else 0)
            + (sender.shipper.dropped_count if sender else 0)
        )

    def hurry(self) -> None:
        """Has the sender begin now: what was logged is large, or the last."""
        if self._sender is not None:
            self._sender.wake()

    def settle(self, timeout_seconds: float) -> None:
        """Sends what is pending, before a call that must find it."""
        if self._sender is None and self.has_forked and not self._is_closed:
            self._open()  # children may have logged, and be gone
        if self._sender is not None:
            self._sender.settle(timeout_seconds, is_adopting=self.has_forked)

    def flush(self, timeout_seconds: float) -> None:
        """Sends what is pending; the disk writes what cannot be sent."""
        spool = self.spool
        if self._sender is None:
            return spool.sync()
        try:
            self._sender.flush(timeout_seconds)
        except Error:
            spool.sync()
            raise

    def close(self) -> None:
        """Sends what is pending in a short time, and lets go of the spool: what stays is sent by another client."""
        with self._lock:
            self._is_closed = True
            spool, sender = self._spool, self._sender
        if spool is None:
            return
        try:
            if sender is not None and not sender.is_done:
                sender.flush(EXIT_SECONDS, is_adopting=False, grace_seconds=AWAY_SECONDS)
        except Error as error:
            log.warning("Not everything that was logged is sent: %s", error)
        self._dropped_count = self.dropped_count
        if sender is not None:
            sender.stop()
        with self._lock:
            self._spool = self._sender = None
            self.__dict__.pop("point", None)
        if sender is not None and sender.is_done:
            sender.own.remove()
        else:
            with contextlib.suppress(OSError):
                spool.sync()
        spool.close()

    def begin_in_child(self) -> None:
        """A forked child is a writer of its own."""
        spool = self._spool
        self.has_forked = False
        self._start_anew()
        if spool is not None:
            spool.abandon()


def _finish_with_process(recorder: Recorder) -> None:
    """A child of multiprocessing leaves without the functions of `atexit`, but with those of its own."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize  # here, as few programs are children of multiprocessing

        Finalize(recorder, recorder.close, exitpriority=0)


_recorders: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    for recorder in list(_recorders):
        recorder.close()


def _go_on_in_parent() -> None:
    for recorder in list(_recorders):
        recorder.has_forked = True


def _begin_in_child() -> None:
    for recorder in list(_recorders):
        recorder.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_go_on_in_parent, after_in_child=_begin_in_child)
