"""Leases as tests hold, end and ask for them."""

import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update

from support.raw_cache import SECOND_US, RawCache
from xpstore_server.core import lease
from xpstore_server.store import tables
from xpstore_server.store.database import Database

LEASE_SECONDS = 3.0


def kind(answer: Any) -> str | None:
    """Which outcome it is."""
    found: str | None = answer.WhichOneof("outcome")
    return found


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Beating:
    """Renews leases until it leaves."""

    def __init__(self, cache: RawCache, *tokens: bytes) -> None:
        self._cache, self._tokens, self._end = cache, tokens, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._end.wait(LEASE_SECONDS / 5):
            self._cache.renew(*self._tokens)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()


def expire(database: Database, lease_id: str, seconds: float) -> None:
    """Moves the end of a lease."""
    table = tables.cache_lease

    def unit(tx: Any) -> None:
        end = tx.now_us() + int(seconds * SECOND_US)
        tx.execute(update(table).where(table.c.id == lease_id).values(expires_at_us=end))

    database.write(unit)


def waits_for(database: Database, token: bytes) -> str | None:
    query = select(tables.cache_lease.c.waits_for).where(tables.cache_lease.c.id == lease.id_of(token))
    found: str | None = database.read(lambda tx: tx.execute(query).scalar_one())
    return found
