"""Secrets that all replicas share: what one has signed the others believe."""

import os
import threading

from sqlalchemy import delete, select

from xpstore_server.store.database import Database
from xpstore_server.store.tables import server_secret
from xpstore_server.store.transaction import Transaction

PAGE_TOKEN = "page token"
MINUTE_US = 60 * 1_000_000
# For so long one signs; and what it signed is believed until the next is as old.
SIGNS_US = 30 * 24 * 60 * MINUTE_US
# By then all replicas have read a new one: they do every minute.
AHEAD_US = 10 * MINUTE_US


class Secrets:
    """The secrets of one name, as last read: the one that signs, the one before it, and one that is to come."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._known: list[tuple[int, bytes]] = []  # the newest first, each with the time from which on it signs
        self._read_at_us = 0

    def refresh(self, database: Database) -> None:
        """Reads them. Makes a new one where the newest has signed for long, and removes what is old."""
        if database.read(self._look):
            database.write(self._rotate)
            database.read(self._look)

    def _look(self, tx: Transaction) -> bool:
        """Reads them; returns whether a new one is due."""
        now_us, found = tx.now_us(), self._read(tx)
        with self._lock:
            self._known, self._read_at_us = found, now_us
        return not found or found[0][0] < now_us - SIGNS_US

    def _rotate(self, tx: Transaction) -> None:
        now_us, found = tx.now_us(), self._read(tx)
        since_us = now_us + AHEAD_US if found else 0
        tx.insert_ignore(server_secret, {"name": self._name, "since_us": since_us, "value": os.urandom(32)})
        old = [since_us for since_us, _ in found if since_us <= now_us][2:]
        tx.execute(delete(server_secret).where(server_secret.c.name == self._name, server_secret.c.since_us.in_(old)))

    def _read(self, tx: Transaction) -> list[tuple[int, bytes]]:
        query = select(server_secret.c.since_us, server_secret.c.value).where(server_secret.c.name == self._name)
        return [(row.since_us, row.value) for row in tx.execute(query.order_by(server_secret.c.since_us.desc()))]

    def signing(self) -> bytes:
        """The newest whose time has come."""
        with self._lock:
            return next(value for since_us, value in self._known if since_us <= self._read_at_us)

    def believed(self) -> list[bytes]:
        """All of them."""
        with self._lock:
            return [value for _, value in self._known]
