"""A server takes no more connections of PostgreSQL than it is told to; what is over that waits, with a bound."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from support.services import Postgres
from xpstore_server.store import postgres as engines
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreUnavailable
from xpstore_server.store.transaction import Transaction

CONNECTIONS = 2


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(engines, "POOL_SECONDS", 3.0)
    database = Database(postgres.create_database(), CONNECTIONS)
    yield database
    database.close()


def test_what_is_over_the_number_waits(database: Database) -> None:
    with ThreadPoolExecutor(12) as pool:
        runs = [database.read, database.write] * 20
        counts = list(pool.map(lambda run: run(_connections), runs))
    assert max(counts) <= CONNECTIONS


def test_what_waits_for_too_long_is_told_the_setting(database: Database) -> None:
    freed, taken = threading.Event(), threading.Barrier(CONNECTIONS + 1)

    def hold(tx: Transaction) -> None:
        taken.wait(30)
        freed.wait(60)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        held = [pool.submit(database.read, hold) for _ in range(CONNECTIONS)]
        taken.wait(30)
        for run in (database.read, database.write):
            with pytest.raises(StoreUnavailable, match="XPSTORE_DATABASE_CONNECTIONS"):
                run(_connections)
        freed.set()
        assert [one.result() for one in held] == [None] * CONNECTIONS
    assert database.read(_connections) <= CONNECTIONS


def _connections(tx: Transaction) -> int:
    query = "SELECT count(*) FROM pg_stat_activity, pg_sleep(0.01) WHERE datname = current_database()"
    return int(tx.execute(text(query)).scalar_one())
