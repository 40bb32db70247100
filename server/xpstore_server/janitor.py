"""What the server does unasked: it frees bytes that nothing needs, removes what was deleted, and misses runs."""

import dataclasses
import logging
import random
import threading
from collections.abc import Callable
from functools import partial

from xpstore_server.core.garbage.collector import GarbageCollector
from xpstore_server.core.lost_runs import LostRuns
from xpstore_server.core.metrics.compaction import EndedSeries
from xpstore_server.store import limbo
from xpstore_server.store.clock import SECOND_US, clock_of, steady_us
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreError
from xpstore_server.store.maintenance import maintain
from xpstore_server.store.secrets import Secrets
from xpstore_server.store.sweep import AGREED_US, Ends, Grace

log = logging.getLogger("xpstore")

# Two clocks must have gone alike for five minutes before anything goes for good (`Grace.ends`). An embedded server may
# leave after ten idle ones: the first time must not wait for the hour.
FIRST_US = AGREED_US + SECOND_US
LOOK_US = 60 * SECOND_US
DAY_US = 24 * 3600 * SECOND_US


class Janitor(threading.Thread):
    """Collects garbage every `interval_seconds` until it is stopped; never if that is 0. Each replica may have one.

    It trusts no clock alone: nothing goes unless the database's has gone as its own since it looked last.
    """

    def __init__(
        self,
        database: Database,
        collector: GarbageCollector,
        grace: Grace,
        interval_seconds: float,
        secrets: Secrets | None = None,
    ) -> None:
        super().__init__(name="janitor", daemon=True)
        self._database = database
        self._collector = collector
        self._grace = grace
        self._interval_us = int(interval_seconds * SECOND_US)
        self._stopped = threading.Event()
        self._has_skipped = self._has_warned = False
        self._thorough_us: int | None = None
        self._ended = EndedSeries(database)
        self._lost = LostRuns(database)
        self._secrets = secrets

    def run(self) -> None:
        look_us = steady_us()
        turn_us = look_us + min(self._interval_us, FIRST_US)
        while not self._stopped.is_set():
            if steady_us() >= look_us:
                self._do("alerts of lost runs", lambda: self._lost.look(self._stopped.is_set))
                self._do("the clock", self._look)
                if self._secrets is not None:
                    self._do("reading secrets", partial(self._secrets.refresh, self._database))
                look_us = steady_us() + LOOK_US
            if self._interval_us and steady_us() >= turn_us:
                turn_us = steady_us() + self._turn()
            until_us = min(look_us, turn_us) if self._interval_us else look_us
            self._stopped.wait(max(until_us - steady_us(), 0) / SECOND_US)

    def _look(self) -> None:
        """Looks at the clock, so that a jump is seen, and notes how late it is when it can be believed."""
        now = self._database.read(lambda tx: tx.now_us())
        if clock_of(self._database.engine.dialect).agreed_us() >= AGREED_US:
            self._database.write(lambda tx: limbo.see(tx, now))

    def _turn(self) -> int:
        """Collects; returns after how long to do it again."""
        pause_us = self._interval_us
        self._do("sweep", self._collect)
        self._do("maintenance", lambda: maintain(self._database, self._stopped.is_set))
        self._do("putting blocks together", lambda: self._ended.compact_some(self._stopped.is_set))
        if self._has_skipped:
            pause_us = min(pause_us, AGREED_US)
        # Replicas that started together would do the same work at the same time, every time.
        return int(pause_us * random.uniform(0.8, 1.2))

    def _collect(self) -> None:
        ends = self._ends()
        # Among all packs once a day, should a server of another release have left one without its mark.
        is_thorough = self._thorough_us is None or steady_us() - self._thorough_us > DAY_US
        swept = self._collector.collect(ends, marked=not is_thorough, is_stopped=self._stopped.is_set)
        if is_thorough and ends.is_sure:
            self._thorough_us = steady_us()
        fields = dataclasses.asdict(swept)
        if any(fields.values()):
            log.info("swept", extra={"fields": fields})

    def _ends(self) -> Ends:
        now = self._database.read(lambda tx: tx.now_us())
        clock = clock_of(self._database.engine.dialect)
        agreed_us = clock.agreed_us()
        # Ours may be ahead while it waits for one that was set back.
        ends = self._grace.ends(min(now, clock.told_us()), agreed_us)
        self._has_skipped = not ends.is_sure
        is_doubtful = clock.has_jumped and not ends.is_sure
        if is_doubtful and not self._has_warned:
            jump = f"The database's clock has jumped within the last {agreed_us // SECOND_US + 1} s"
            log.warning("%s: nothing goes that time decides about until it has gone right for five minutes", jump)
        if self._has_warned and not is_doubtful:
            log.warning("the database's clock has gone right for five minutes: what is due goes again")
        self._has_warned = is_doubtful
        return ends

    def _do(self, what: str, work: Callable[[], object]) -> None:
        try:
            work()
        except StoreError as error:
            log.warning("%s broke off, and goes on next time: %s", what, error)
        except Exception:
            log.exception("%s broke off, and goes on next time", what)

    def stop(self) -> None:
        """Returns when it does nothing any more: within one batch."""
        self._stopped.set()
        if self.is_alive():
            self.join()
