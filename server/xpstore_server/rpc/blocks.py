"""Small blocks put together after they were appended, so that no caller waits for it."""

import asyncio
import logging
from collections.abc import Iterable

from xpstore_server.core.metrics import compaction
from xpstore_server.store.database import Database

log = logging.getLogger("xpstore")


class Compactor:
    """Puts blocks of series together in the background, each series once at a time.

    What is lost with the process, or fails, is done after the next append.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: dict[str, asyncio.Task[None]] = {}

    def compact(self, series_ids: Iterable[str]) -> None:
        for series_id in series_ids:
            if series_id not in self._running:
                task = asyncio.ensure_future(self._compact(series_id))
                self._running[series_id] = task
                task.add_done_callback(lambda _, key=series_id: self._running.pop(key, None))  # type: ignore[misc]

    async def _compact(self, series_id: str) -> None:
        try:
            await self._database.write_async(lambda tx: compaction.compact(tx, series_id))
        except Exception as error:
            log.warning("blocks of a series were not put together: %s", error)
