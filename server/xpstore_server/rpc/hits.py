"""Hits of the cache, counted in memory and written together: a look-up writes nothing."""

import asyncio
import logging
from functools import partial

from xpstore_server.core import cache
from xpstore_server.core.cache import EntryKey
from xpstore_server.store.database import Database

log = logging.getLogger("xpstore")

FLUSH_SECONDS = 3.0


class HitCounter:
    """Counts hits; what was counted is in the database some seconds later, or lost with the process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: dict[EntryKey, tuple[int, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, key: EntryKey, at_us: int) -> None:
        """Counts one hit."""
        self._put(key, 1, at_us)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._flush_later())

    async def _flush_later(self) -> None:
        while self._counted:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what was counted; what cannot be written now is tried again."""
        counted, self._counted = self._counted, {}
        hits = [(key, more, at_us) for key, (more, at_us) in counted.items()]
        for start in range(0, len(hits), cache.BATCH):
            some = hits[start : start + cache.BATCH]
            try:
                await self._database.write_async(partial(cache.add_hits, hits=some))
            except Exception as error:
                log.warning("hits of the cache were not written, and are tried again: %s", error)
                for hit in some:
                    self._put(*hit)

    def _put(self, key: EntryKey, more: int, at_us: int) -> None:
        before, last_us = self._counted.get(key, (0, 0))
        self._counted[key] = (before + more, max(last_us, at_us))
