"""The background sender: ships what is in the spool, in order, each record once, however often it has to try."""

import logging
import random
import threading
import time

from xpstore._machine.settings import setting
from xpstore._service.connection import Connection
from xpstore._service.gate import BrokenByFork
from xpstore._spool.backlog import Backlog, adopt
from xpstore._spool.shipper import CALL_SECONDS, KEY_ERRORS, Shipper, is_disk_full
from xpstore._spool.spool import Position, Spool
from xpstore.errors import DeadlineExceeded, Error, ResourceExhausted, Unavailable

log = logging.getLogger("xpstore")

# How long what is logged waits for company.
BATCH_SECONDS = 0.3
FIRST_BACKOFF_SECONDS = 0.05
LONGEST_BACKOFF_SECONDS = 5.0
ADOPT_SECONDS = 10.0
# How long stopping waits for a call that is under way.
STOP_SECONDS = 0.2

_random = random.SystemRandom()  # the program's own random numbers stay what its seed makes them


class Sender:
    """Ships one spool, and what writers that are gone have left.

    Args:
        connection: to the server.
        spool: what to ship, and beside which to look for orphans.
        owner: whose orphans to adopt.

    Attributes:
        own: what the spool has that the server does not.
    """

    def __init__(self, connection: Connection, spool: Spool, owner: str) -> None:
        self._connection = connection
        self._spool = spool
        self._owner = owner
        self.own = Backlog(spool.folder, spool)
        self._condition = threading.Condition()
        self._wake = threading.Event()
        self._is_stopping = False
        self._failure: Error | None = None
        self._is_away = False
        self._backoff = FIRST_BACKOFF_SECONDS
        self._adopt_at = 0.0
        self._adoptions = 0
        self._put_aside: set[str] = set()
        self._sync_seconds = setting("XPSTORE_SPOOL_FSYNC_SECONDS", 0)
        self._sync_at = time.monotonic() + self._sync_seconds
        self.shipper = Shipper(connection)
        self._thread = threading.Thread(target=self._run, name="xpstore-sender", daemon=True)

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
        self._thread.join(STOP_SECONDS)

    @property
    def is_done(self) -> bool:
        """Whether the server has everything that was logged so far."""
        return self.own.has_reached(self._spool.tail())

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
            ResourceExhausted: the server's disk is full.
        """
        position, began = self._spool.tail(), time.monotonic()
        deadline = began + timeout_seconds
        with self._condition:
            adoptions = self._adoptions + 1 if is_adopting else 0
            if is_adopting:
                self._adopt_at = 0.0
            self._failure, self._backoff = None, FIRST_BACKOFF_SECONDS
            self._wake.set()
            while not (self.own.has_reached(position) and self._adoptions >= adoptions):
                if self._failure and grace_seconds is not None:
                    deadline = min(deadline, began + grace_seconds)
                if isinstance(self._failure, KEY_ERRORS):
                    raise self._failure
                if is_disk_full(self._failure):
                    raise self._unshipped()
                if not self._condition.wait(max(deadline - time.monotonic(), 0)):
                    raise self._unshipped() from None

    def _unshipped(self) -> Error:
        folder = self._spool.folder.parent
        where = f"What is not sent stays in {folder}, and is sent later."
        if isinstance(self._failure, Unavailable):
            return Unavailable(f"{str(self._failure).rstrip('.')}. {where}", metadata={"spool": str(folder)})
        if isinstance(self._failure, ResourceExhausted):
            metadata = {**self._failure.metadata, "spool": str(folder)}
            return ResourceExhausted(f"{self._failure} {where}", reason=self._failure.reason, metadata=metadata)
        return DeadlineExceeded(f"The server did not take everything in time. {where}")

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(self._backoff if self._failure else BATCH_SECONDS)
            self._wake.clear()
            if self._is_stopping:
                return
            try:
                self._round()
            except BrokenByFork:
                self._wake.set()
            except Error as error:
                self._failed(error)
            except Exception as error:  # a fault of ours must not end the sender
                log.exception("The sender failed")
                self._failed(Unavailable(f"The sender failed: {error!r}"))
            self._keep()

    def _round(self) -> None:
        """Ships all there is, a batch of each orphan at a time between one's own."""
        orphans, position = self._adopted(), self._spool.tail()
        try:
            is_more = True
            while is_more and not self._is_stopping:
                for backlog in list(orphans):
                    if not self._ship_orphan(backlog):
                        orphans.remove(backlog)
                is_more = self._ship_own(position) or bool(orphans)
        finally:
            for backlog in orphans:
                backlog.release()
        if not self._is_stopping:
            self._succeeded()

    def _adopted(self) -> list[Backlog]:
        if time.monotonic() < self._adopt_at:
            return []
        self._adopt_at = time.monotonic() + ADOPT_SECONDS
        found = list(adopt(self._spool.folder.parent, owner=self._owner))
        for backlog in found:
            if backlog.writer_id in self._put_aside:
                backlog.release()
        return [backlog for backlog in found if backlog.writer_id not in self._put_aside]

    def _ship_own(self, position: Position) -> bool:
        """Ships a batch; False when what was before a place is shipped, and what came since fills no batch.

        A training loop logs on meanwhile: calls of a few points each would cost it more than logging them.
        """
        if not self.shipper.ship(self.own):
            return False
        self._told()
        return not (
            self.own.has_reached(position) and self.own.has_reached(self._spool.tail(), self.shipper.batch_bytes)
        )

    def _ship_orphan(self, backlog: Backlog) -> bool:
        """Ships a batch; False when nothing is left, or what is left has to wait."""
        try:
            if self.shipper.ship(backlog):
                return True
            backlog.remove()
        except (Unavailable, DeadlineExceeded, ResourceExhausted):  # as for one's own: later
            self._adopt_at = 0.0
            raise
        except (Error, OSError, LookupError, ValueError) as error:
            log.warning("What another process left in the spool cannot be sent now (%s): %s", backlog.writer_id, error)
            self._put_aside.add(backlog.writer_id)
        backlog.release()
        self.shipper.forget(backlog)
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
        if is_new and not self._is_stopping:  # who stops it says so
            log.warning("What was logged stays in the spool for now, and is sent later: %s", error)
        self._backoff = min(self._backoff * 2, LONGEST_BACKOFF_SECONDS) * _random.uniform(0.75, 1.0)
        if isinstance(error, Unavailable):
            try:
                self._connection.revive(CALL_SECONDS)
            except Exception as failure:
                log.debug("The embedded service does not start: %s", failure)

    def _keep(self) -> None:
        """Has the disk write what the server does not have."""
        if self._is_stopping:
            return
        try:
            self._spool.sync_retired()
            if self._sync_seconds and time.monotonic() >= self._sync_at:
                self._sync_at = time.monotonic() + self._sync_seconds
                if not self.is_done:
                    self._spool.sync()
        except OSError as error:
            log.warning("The disk does not write the spool: %s", error)
