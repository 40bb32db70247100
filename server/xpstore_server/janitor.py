"""What the server does unasked: now and then it frees bytes that nothing needs."""

import dataclasses
import logging
import random
import threading

from xpstore_server.core.garbage.collector import GarbageCollector
from xpstore_server.store.errors import StoreError
from xpstore_server.store.sweep import Grace

log = logging.getLogger("xpstore")

# An embedded server may leave after ten idle minutes: the first time must not wait for the hour.
FIRST_SECONDS = 60.0


class Janitor(threading.Thread):
    """Collects garbage every `interval_seconds` until it is stopped; never if that is 0. Each replica may have one."""

    def __init__(self, collector: GarbageCollector, grace: Grace, interval_seconds: float) -> None:
        super().__init__(name="janitor", daemon=True)
        self._collector = collector
        self._grace = grace
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()

    def run(self) -> None:
        pause = min(self._interval_seconds, FIRST_SECONDS)
        while self._interval_seconds and not self._stopped.wait(pause):
            self._collect()
            # Replicas that started together would do the same work at the same time, every time.
            pause = self._interval_seconds * random.uniform(0.8, 1.2)

    def _collect(self) -> None:
        try:
            swept = self._collector.collect(self._grace, is_stopped=self._stopped.is_set)
        except StoreError as error:
            log.warning("sweep broke off, and goes on next time: %s", error)
        except Exception:
            log.exception("sweep broke off, and goes on next time")
        else:
            fields = dataclasses.asdict(swept)
            if any(fields.values()):
                log.info("swept", extra={"fields": fields})

    def stop(self) -> None:
        """Returns when it does nothing any more: within one batch."""
        self._stopped.set()
        if self.is_alive():
            self.join()
