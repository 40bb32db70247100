"""What a client logs through: its spool and its sender, made when they are needed, in each process anew."""

import atexit
import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from xpstore._machine.ending import INTERRUPTED_SECONDS, is_child, is_interrupted
from xpstore._machine.settings import setting
from xpstore._service.connection import Connection, LastConnection
from xpstore._spool.backlog import Backlog
from xpstore._spool.record import RecordType, Target
from xpstore._spool.sender import Sender
from xpstore._spool.shipper import Shipper
from xpstore._spool.spool import Spool
from xpstore._values.ids import new_id
from xpstore.errors import Error, Unavailable
from xpstore.v1 import ingest_pb2

log = logging.getLogger("xpstore")

# How long a program that ends waits for its sender, and how long if the server does not answer.
EXIT_SECONDS = 10.0
AWAY_SECONDS = 2.0
# And for the call that sends what is logged after that.
LATE_SECONDS = 2.0


class LateSpool(Spool):
    """A spool for one record, logged when the program has ended.

    Each record has one: threads that hold a lock may stand still by now.
    """

    def __init__(self, ship: Callable[[Spool], None], server: str, header: dict[str, Any], *, is_strict: bool) -> None:
        super().__init__(new_id(), server, header, is_strict=is_strict)
        self._ship = ship

    def point(self, *record: Any) -> None:
        """Takes and sends it."""
        super().point(*record)
        self._ship(self)

    def of_series(self, *record: Any) -> None:
        """Takes and sends it."""
        super().of_series(*record)
        self._ship(self)

    def of_model(self, *record: Any) -> None:
        """Takes and sends it."""
        super().of_model(*record)
        self._ship(self)


class Recorder:
    """The spool and the sender of one client.

    When the program ends everything is sent. What is logged still later, by `__del__`, a suspended generator, functions
    of `atexit` or a daemon thread, is sent by whoever logs it, one by one.

    Args:
        connection: what is logged goes through it.
        server: what tells the client's server from others.
        api_key: so that another key's records are left to it; the spool keeps its digest.
        is_offline: whether what is logged waits for `xpstore sync`.
        is_strict: whether to raise when the disk bound is met.

    Attributes:
        owner: the digest of the key; "" without one.
        after_open: what is done in the background once there is a spool.
        has_forked: whether children may have logged since.
        before_end: what is done when the program ends, before the last is sent.
    """

    def __init__(self, connection: Connection, server: str, api_key: str, *, is_offline: bool, is_strict: bool) -> None:
        self._connection = connection
        self.server = server
        self.owner = sha256(api_key.encode()).hexdigest()[:32] if api_key else ""
        self._is_offline = is_offline
        self._is_strict = is_strict
        self._dropped_count = 0
        self._is_closed = False
        self._is_over = False
        self._is_away = False
        self._last_connection: LastConnection | None = None
        self.has_forked = False
        self.after_open: Callable[[], None] = lambda: None
        for name in ("XPSTORE_SPOOL_MIB", "XPSTORE_SPOOL_FSYNC_SECONDS"):
            setting(name, 0)  # a broken one is told now, and not by the first call that logs
        self._start_anew()
        _recorders.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self.before_end: set[Callable[[], None]] = set()
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
        spool, is_new = self._opened()
        if is_new and not self._is_offline:
            self.after_open()
        return spool

    def _opened(self) -> tuple[Spool, bool]:
        with self._lock:
            if self._is_closed:
                raise Unavailable("This client is closed.")
            if self._is_over or sys.is_finalizing():  # no thread starts any more
                return LateSpool(self._ship_late, self.server, self._header, is_strict=self._is_strict), False
            if self._spool is not None:
                return self._spool, False
            spool = Spool(new_id(), self.server, self._header, is_strict=self._is_strict)
            if not self._is_offline:
                self._sender = Sender(self._connection, spool, self.owner)
                with contextlib.suppress(RuntimeError):  # at the very end of a program no thread starts any more
                    self._sender.start()
            _finish_with_process(self)
            self._spool = spool
            self.__dict__["point"] = spool.point
            return spool, True

    @property
    def folder(self) -> Path:
        """The folder of what waits for this server.

        Raises:
            Unavailable: the client is closed.
        """
        return self.spool.folder.parent

    @property
    def _header(self) -> dict[str, Any]:
        return {"owner": self.owner, "is_offline": self._is_offline}

    def target(self, model_id: str, project_uid: str) -> Target:
        """The target of an online model's records."""
        return self._targets.get(model_id) or self._targets.setdefault(model_id, Target(model_id, project_uid))

    def event(self, target: Target, event: ingest_pb2.EventRecord) -> None:
        """Takes what is recorded of a model beside its points."""
        self.spool.of_model(RecordType.EVENT, target, event.SerializeToString())

    def console(self, target: Target, event: ingest_pb2.ConsoleEvent) -> None:
        """Takes what a run of a model printed."""
        self.spool.of_model(RecordType.CONSOLE, target, event.SerializeToString())

    @property
    def is_strict(self) -> bool:
        """Whether to raise when the disk bound is met."""
        return self._is_strict

    @is_strict.setter
    def is_strict(self, is_strict: bool) -> None:
        with self._lock:
            self._is_strict = is_strict
            if self._spool is not None:
                self._spool.is_strict = is_strict

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
        if self._sender is None and self.has_forked and not self._is_closed and not self._is_over:
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
        self._send_last()

    def finish(self) -> None:
        """At the end of the program: as `close`, but what is logged later is taken, and sent at once."""
        try:
            for action in list(self.before_end):
                action()
            if not self._is_offline and not self._is_closed:
                self._prepare_late()
        except KeyboardInterrupt:
            self._is_away = True
        self._is_over = True  # without the lock: Ctrl-C may come at any moment
        self._send_last()

    def _send_last(self) -> None:
        spool, sender = self._spool, self._sender
        if spool is None:
            return
        is_hurried = self._is_away or is_interrupted()
        seconds, grace = (INTERRUPTED_SECONDS,) * 2 if is_hurried else (EXIT_SECONDS, AWAY_SECONDS)
        try:
            if sender is not None and not sender.is_done:
                sender.flush(seconds, is_adopting=False, grace_seconds=grace)
        except Error as error:
            self._is_away = True
            log.warning("Not everything that was logged is sent: %s", error)
        except KeyboardInterrupt:
            self._is_away = True
            log.warning("Interrupted, so not everything that was logged is sent. It stays in %s.", spool.folder.parent)
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

    def _prepare_late(self) -> None:
        """Makes what sending needs while it can be imported, if there is something to log of; after Ctrl-C nothing."""
        self._is_away = is_interrupted()
        if self._is_away or not self._targets:
            return
        self._last_connection = LastConnection(self._connection)
        stubs = self._last_connection.stubs
        stubs.ingest_batch, stubs.ingest_batches, stubs.runs, stubs.projects, stubs.experiments, stubs.models  # noqa: B018

    def _ship_late(self, spool: Spool) -> None:
        """Sends what was logged after the end. What cannot be sent stays: the next client of this server sends it."""
        if self._last_connection is None or self._is_away:
            return spool.close()
        shipper, backlog = Shipper(self._last_connection, LATE_SECONDS), Backlog(spool.folder, spool)
        try:
            while shipper.ship(backlog):
                pass
            backlog.remove()
        except Exception as error:  # the server is away, or the interpreter is taken down
            self._is_away = True
            with contextlib.suppress(Exception):
                log.warning("What is logged at the end of the program stays in the spool: %s", error)
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
    if is_child():
        from multiprocessing.util import Finalize  # here, as few programs are children of multiprocessing

        Finalize(recorder, recorder.finish, exitpriority=0)


_recorders: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


@atexit.register
def _finish() -> None:
    for recorder in list(_recorders):
        recorder.finish()


def _go_on_in_parent() -> None:
    for recorder in list(_recorders):
        recorder.has_forked = True


def _begin_in_child() -> None:
    for recorder in list(_recorders):
        recorder.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_go_on_in_parent, after_in_child=_begin_in_child)
