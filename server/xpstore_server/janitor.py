"""What the server does unasked: now and then it sweeps out bytes that nothing needs."""

import logging
import threading

from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreError
from xpstore_server.store.sweep import Grace, sweep

log = logging.getLogger("xpstore")

# An embedded server may leave after ten idle minutes: the first sweep must not wait for the hour.
FIRST_SECONDS = 60.0


class Janitor(threading.Thread):
    """Sweeps every `interval_seconds` until it is stopped; never if that is 0. Each replica may have one."""

    def __init__(self, database: Database, chunks: ChunkStore, grace: Grace, interval_seconds: float) -> None:
        super().__init__(name="janitor", daemon=True)
        self._database = database
        self._chunks = chunks
        self._grace = grace
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        pause = min(self._interval_seconds, FIRST_SECONDS)
        while self._interval_seconds and not self._stopped.wait(pause):
            self._sweep()
            pause = self._interval_seconds

    def _sweep(self) -> None:
        try:
            swept = sweep(self._database, self._chunks, self._grace, is_stopped=self._stopped.is_set)
        except StoreError as error:
            log.warning("sweep broke off, and goes on next time: %s", error)
            return
        if swept.condemned_packs or swept.removed_objects:
            fields = {"condemned_packs": swept.condemned_packs, "removed_objects": swept.removed_objects}
            log.info("swept", extra={"fields": fields})

    def stop(self) -> None:
        """Returns when it does nothing any more: within one batch."""
        self._stopped.set()
        if self.is_alive():
            self.join()
