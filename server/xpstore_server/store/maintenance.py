"""What a database needs now and then. PostgreSQL has autovacuum for it; an SQLite file has us."""

import time
from collections.abc import Callable

from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

STEP_SECONDS = 0.03  # giving pages back is one short transaction after the other, as writers wait for each
ANALYSED_ROWS = 400  # of each index: what SQLite recommends, and independent of how large a table is
CHECKPOINT_MS = 100  # how long a checkpoint may wait for readers, as writers wait for it meanwhile


def maintain(database: Database, is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Tells SQLite's planner what the tables are like, gives free pages back, and empties the log file.

    Does nothing on PostgreSQL. Returns how many pages of the file were given back.
    """
    if not database.is_sqlite:
        return 0
    for name in database.read(lambda tx: tx.at_driver("SELECT name FROM sqlite_schema WHERE type = 'table'")):
        if is_stopped():
            return 0
        database.write(lambda tx, name=name[0]: _analyse(tx, name))  # type: ignore[misc]
    freed = _shrink(database, is_stopped)
    if not is_stopped():
        _checkpoint(database)
    return freed


def _analyse(tx: Transaction, table: str) -> None:
    if not table.startswith("sqlite_"):
        tx.at_driver(f"PRAGMA analysis_limit = {ANALYSED_ROWS}")
        tx.at_driver(f'ANALYZE "{table}"')


def _shrink(database: Database, is_stopped: Callable[[], bool]) -> int:
    freed = 0
    while not is_stopped():
        found, left = database.write(_give_back)
        freed += found
        if not found or not left:
            break
    return freed


def _give_back(tx: Transaction) -> tuple[int, int]:
    """Gives some free pages back; returns how many, and how many are left."""
    ends_at = time.monotonic() + STEP_SECONDS
    before = left = tx.at_driver("PRAGMA freelist_count")[0][0]
    while left and time.monotonic() < ends_at:
        for _ in range(16):  # the driver takes one step of a PRAGMA without columns, which gives back one page
            tx.at_driver("PRAGMA incremental_vacuum(1)")
        left = tx.at_driver("PRAGMA freelist_count")[0][0]
    return before - left, left


def _checkpoint(database: Database) -> None:
    """Most of it beside writers, the rest in one short step; a reader that is at it puts it off to the next time."""
    with database.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        cursor = raw.cursor()
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        try:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            cursor.execute(f"PRAGMA busy_timeout = {CHECKPOINT_MS}")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")
            cursor.close()
