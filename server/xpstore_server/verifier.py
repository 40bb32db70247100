"""Reads back, some time after they were closed, the packs that clients wrote past the server."""

import logging
import threading

from xpstore_server.store.clock import SECOND_US
from xpstore_server.store.errors import StoreError, StoreRefused
from xpstore_server.store.scrub import Pace
from xpstore_server.store.transfers.vouched import Vouched

log = logging.getLogger("xpstore")

# A client that goes on writing, on the same cores or line, is not slowed down meanwhile.
AFTER_US = 10 * SECOND_US
BYTES_PER_SECOND = 128 << 20
LOOK_SECONDS = 2.0
# Where no client may leave any behind: another server may have died with some.
SELDOM_SECONDS = 60.0
# Of so many in one turn it is the store that refuses, and not the packs.
MOST_REFUSED = 8


class Verifier(threading.Thread):
    """Reads them back at a bounded rate until it is stopped, the oldest first. Each replica may have one.

    Args:
        vouched: knows them.
        is_later: whether clients of this server leave any.
    """

    def __init__(self, vouched: Vouched, *, is_later: bool) -> None:
        super().__init__(name="verifier", daemon=True)
        self._vouched = vouched
        self._seconds = LOOK_SECONDS if is_later else SELDOM_SECONDS
        self._stopped = threading.Event()
        self._pace = Pace(BYTES_PER_SECOND, sleep=self._sleep)

    def run(self) -> None:
        seconds = self._seconds
        while not self._stopped.wait(seconds):
            seconds = SELDOM_SECONDS
            try:
                if self._turn():
                    seconds = self._seconds
            except StoreError as error:
                log.warning("packs cannot be read back for now: %s", error)
            except Exception:
                log.exception("reading packs back broke off, and goes on")

    def _turn(self) -> bool:
        """Reads back what is due; says whether all of it could be."""
        refused: list[str] = []
        while not self._stopped.is_set() and (row := self._vouched.oldest(AFTER_US, refused)) is not None:
            try:
                self._vouched.settle(row.pool, [row.id])
            except StoreRefused as error:  # the others are not to wait for it
                log.warning("pack %s of project %s cannot be read back: %s", row.id, row.pool, error)
                refused.append(row.id)
                if len(refused) == MOST_REFUSED:
                    raise
            self._pace.took(row.size_bytes)
        return not refused

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """Returns when it does nothing any more: after one pack at most."""
        self._stopped.set()
        if self.is_alive():
            self.join()
